"""What users do in the panel beside a notebook: look into steps, artifacts and runs, and choose parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Response, expect

from tests.e2e.browser.conftest import Lab, drawn, shown

Shoot = Callable[..., Path]

CELLS = (
    ("rows: int = 250\nrate: float = 0.5\nlabel = 'a'", "parameters"),
    ("import pandas as pd\nfrom kfp.dsl import Metrics", "imports"),
    ("frame = pd.DataFrame({'n': range(rows)})\nprint('made', len(frame))", "step:load"),
    (
        "mean = float(frame['n'].mean()) * rate\nscores = Metrics()\nscores.log_metric('mean', mean)",
        "step:train",
    ),
    ("scores", "outputs"),
)


def tab(page: Page, name: str) -> None:
    page.locator(".jp-Kfp-tabs").get_by_role("tab", name=name).click()


def run(page: Page) -> None:
    page.get_by_role("button", name="Run Pipeline").locator("visible=true").click()


def is_start(answer: Response) -> bool:
    return answer.request.method == "POST" and "/jupyter-kfp/runs?" in answer.url


def step(page: Page, name: str) -> None:
    page.locator(f'.jp-Kfp-drawing [data-id="{name}"]').click()


def test_a_user_opens_the_executed_notebook_of_a_failed_step(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.open(page, lab.write(("x = 1", "step:one"), ("y = x / 0", "step:two"), name="failing.ipynb"))
    expect(drawn(page)).to_have_count(2)
    step(page, "two")
    details = page.get_by_label("Details of the step")
    expect(details).to_contain_text("y = x / 0")
    run(page)
    expect(shown(page, "FAILED")).to_contain_text("step two: cell 2")
    expect(shown(page, "FAILED")).to_contain_text("ZeroDivisionError")
    expect(details).to_contain_text("Failed")
    details.get_by_text("Log", exact=True).wait_for()
    shoot("details")
    details.get_by_role("button", name="Open Executed Notebook").click()
    opened = page.locator(".jp-NotebookPanel:visible")
    expect(opened.locator(".jp-OutputArea-output").last).to_contain_text(
        "ZeroDivisionError: division by zero"
    )
    expect(page.get_by_role("tab", name="two.ipynb")).to_be_visible()
    expect(opened.get_by_role("button", name="Run Pipeline")).to_have_count(0)
    shoot("executed")
    assert list(lab.root.glob("**/two.ipynb")) == []  # nothing was copied to where the user works


def test_a_user_runs_with_another_parameter_and_compares_the_runs(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.open(page, lab.write(*CELLS, name="compared.ipynb"))
    run(page)
    expect(shown(page, "SUCCEEDED")).to_contain_text("2 steps")
    rate = page.get_by_role("textbox", name="rate: float")
    rate.fill("fast")
    expect(page.get_by_role("alert").filter(has_text="Needed")).to_be_visible()
    page.get_by_role("button", name="Run with These").click()
    expect(shown(page, "SUCCEEDED")).to_be_visible()  # nothing was started
    shoot("wrong")
    rate.fill("0.25")
    with page.expect_response(is_start) as started:
        page.get_by_role("button", name="Run with These").click()
    assert started.value.request.post_data_json["parameters"] == {"rate": 0.25}

    tab(page, "Runs")
    page.get_by_label("Filter runs").fill("compared")
    runs = page.locator(".jp-Kfp-run")
    expect(runs).to_have_count(2)  # those of other stories are gone by then
    expect(page.locator(".jp-Kfp-run[data-state=SUCCEEDED]")).to_have_count(2)
    for box in runs.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare", exact=True).click()
    changed = page.locator(".jp-mod-differs")
    expect(changed).to_have_text(["≠ rate0.50.25 (-0.25)", "≠ train.mean62.2531.125 (-31.125)"])
    expect(page.locator(".jp-Kfp-comparison")).to_contain_text("label")
    shoot("compared")
    lab.open(page, "compared.ipynb")
    expect(page.get_by_role("textbox", name="rate: float")).to_have_value("0.25")


LOOP = "%%component square --for x in [2, 3]\nprint('square of', x, 'is', x * x)"


def test_a_user_looks_at_iterations_a_table_and_its_lineage(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.open(page, lab.write(*CELLS, LOOP, name="tables.ipynb"))
    run(page)
    expect(shown(page, "SUCCEEDED")).to_be_visible()
    drawn(page).filter(has_text="square").click()
    iterations = page.get_by_role("group", name="2 iterations")
    iterations.get_by_role("button", name="[1]").click()
    details = page.get_by_label("Details of the step")
    details.get_by_text("Log", exact=True).click()
    expect(details).to_contain_text("square of 3 is 9")
    shoot("iterations")
    box = page.locator(".jp-Kfp-drawing [aria-expanded]")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("Enter")
    expect(drawn(page).filter(has_text="1 task: for x in [2, 3]")).to_have_attribute("aria-expanded", "false")
    tab(page, "Artifacts")
    listed = page.get_by_role("list", name="Artifacts of")
    listed.get_by_role("button", name="load · frame").first.click()
    table = page.get_by_role("table")
    expect(table).to_contain_text("100 of 250 rows")
    expect(table.locator("tbody tr").nth(7)).to_have_text("7")
    shoot("table")
    listed.get_by_role("button", name="Lineage of load · frame").click()
    expect(page.locator("#jupyter-kfp-page-artifacts .jp-Kfp-drawing")).to_contain_text("train")
    shoot("lineage")
