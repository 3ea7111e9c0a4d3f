"""What users do with cells in JupyterLab, and what the frame around the notebook tells them of its run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import jupyter_kfp
from tests.e2e.browser.conftest import Lab, drawn, shown

Shoot = Callable[..., Path]


def cell(page: Page, number: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(number)


def badge(page: Page, number: int) -> Locator:
    return cell(page, number).locator(".jp-Kfp-badge").first


def saved(lab: Lab, page: Page, name: str) -> list[dict[str, Any]]:
    """Save the notebook; its cells as they are in the file."""
    page.keyboard.press("Control+s")
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    cells: list[dict[str, Any]] = json.loads((lab.root / name).read_text(encoding="utf-8"))["cells"]
    return cells


def press_until(page: Page, key: str, reached: Locator) -> None:
    """Press a key until something has the focus."""
    for _ in range(30):
        if reached.count():
            return
        page.keyboard.press(key)
    expect(reached).to_have_count(1)


@pytest.fixture
def settings(lab: Lab) -> Iterator[Callable[..., None]]:
    """Sets the user's settings of a plugin, as their editor does."""
    written: list[Path] = []

    def write(plugin: str, **values: Any) -> None:
        package, _, name = plugin.partition(":")
        file = lab.home / "config" / "lab" / "user-settings" / package / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
        written.append(file)

    yield write
    for file in written:
        file.unlink()


def test_a_user_tags_a_cell_with_the_form(lab: Lab, page: Page, shoot: Shoot) -> None:
    rows, count = "# Load the data\nrows = [1, 2]", ("n = len(rows)", "step:count")
    name = lab.write("import math", rows, count, name="form.ipynb")
    lab.open(page, name)
    expect(badge(page, 2)).to_have_text("count")
    cell(page, 1).locator(".cm-content").click()
    page.keyboard.press("Control+Alt+o")
    role = page.get_by_label("Role of the cell")
    expect(role).to_be_focused()
    role.select_option(label="Step")
    expect(badge(page, 1)).to_have_text("load_the_data")
    page.get_by_label("Name of the step").fill("load")
    page.get_by_label("Name of the step").press("Enter")
    expect(badge(page, 1)).to_have_text("load")
    page.get_by_label("Memory", exact=True).fill("8G")
    page.get_by_label("Environment").fill("MODE=fast\nLEVEL=a = b")
    page.get_by_role("spinbutton", name="Retries").fill("2")
    shoot("form")
    written = saved(lab, page, name)[1]["metadata"]
    assert written["tags"] == ["step:load"]
    assert written["kfp"] == {"memory": "8G", "env": "MODE=fast\nLEVEL=a = b", "retries": 2}
    step = jupyter_kfp.load(lab.root / name).pipeline.steps[0]
    assert (step.name, step.options.retries, step.options.env["LEVEL"]) == ("load", 2, "a = b")
    page.get_by_role("tab", name="Pipeline", exact=True).first.click()
    expect(drawn(page)).to_have_count(2)
    shoot("graph")


def test_a_user_makes_a_cell_a_step_and_plain_again(lab: Lab, page: Page, shoot: Shoot) -> None:
    magic = "%%component count --retries 2\nn = len(rows)"
    name = lab.write("rows = [1, 2]", magic, name="convert.ipynb")
    lab.open(page, name)
    expect(badge(page, 1)).to_have_text("count")
    # By the button in the cell.
    cell(page, 0).locator(".cm-content").click()
    cell(page, 0).get_by_role("button", name=re.compile("Make the selected cells a step")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox")).to_have_value("rows")
    shoot("name")
    dialog.get_by_role("textbox").fill("load data")
    dialog.get_by_role("textbox").press("Enter")
    expect(dialog).to_be_visible()  # that is no name
    dialog.get_by_role("textbox").fill("load")
    dialog.get_by_role("textbox").press("Enter")
    expect(badge(page, 0)).to_have_text("load")
    expect(drawn(page)).to_have_count(2)
    # Back, by the keyboard; the code stays, and undo brings the step back.
    cell(page, 1).locator(".cm-content").click()
    page.keyboard.press("Control+Alt+k")
    expect(badge(page, 1)).to_have_text("load")
    expect(drawn(page)).to_have_count(1)
    shoot("plain")
    cells = saved(lab, page, name)
    assert cells[0]["metadata"]["tags"] == ["step:load"]
    assert "".join(cells[1]["source"]) == "n = len(rows)"
    cell(page, 1).locator(".cm-content").click()
    page.keyboard.press("Control+z")
    expect(badge(page, 1)).to_have_text("count")
    assert "".join(saved(lab, page, name)[1]["source"]) == magic
    # By the menu of the cell.
    cell(page, 0).locator(".cm-content").click(button="right")
    page.get_by_role("menuitem", name="Make Cell Plain").click()
    expect(badge(page, 0)).to_have_text("for all steps")
    assert saved(lab, page, name)[0]["metadata"].get("tags") in (None, [])


def test_a_user_needs_no_mouse(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.open(page, lab.write(("x = 1", "step:one"), ("y = x + 1", "step:two"), name="keyboard.ipynb"))
    expect(badge(page, 1)).to_have_text("two")
    cell(page, 0).locator(".cm-content").click()  # the last click
    page.keyboard.press("Escape")
    toolbar = page.get_by_role("toolbar", name="main area toolbar")
    press_until(page, "Shift+Tab", toolbar.locator("jp-button:focus"))
    press_until(page, "ArrowRight", toolbar.locator("jp-button:focus", has_text="Run Pipeline"))
    shoot("toolbar")
    page.keyboard.press("Enter")
    expect(shown(page, "SUCCEEDED")).to_be_visible()
    status = page.get_by_role("button", name="Pipeline: Succeeded")
    expect(status).to_be_visible()
    expect(badge(page, 0)).to_contain_text("Succeeded")
    status.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#jupyter-kfp-tab-pipeline")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#jupyter-kfp-tab-problems")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Problems")).to_contain_text("No problems.")
    shoot("ended")


def test_the_frame_tells_of_a_run(lab: Lab, page: Page, shoot: Shoot, settings: Callable[..., None]) -> None:
    settings("jupyter-kfp:plugin", runner="process", storage="kept")
    steps = [("rows = {1, 2}", "step:make"), ("import time\nprint(rows)\ntime.sleep(120)", "step:wait")]
    lab.open(page, lab.write(*steps, name="frame.ipynb"))
    expect(badge(page, 1)).to_have_text("wait")
    page.get_by_role("button", name="Run Pipeline").locator("visible=true").click()
    expect(page.get_by_role("button", name="Pipeline: Running, 1 of 2")).to_be_visible()
    page.locator(".lm-TabBar-tab[data-id=jp-running-sessions]").click()
    going = page.locator(".jp-RunningSessions-item", has_text=re.compile(r"^frame \d{4}-"))
    expect(going).to_be_visible()
    shoot("running")
    going.hover()
    going.locator(".jp-RunningSessions-itemShutdown").click()
    expect(page.get_by_role("button", name="Pipeline: Canceled")).to_be_visible()
    expect(going).to_have_count(0)
    shoot("ended")
    assert list((lab.root / "kept").glob("*/**/rows"))
