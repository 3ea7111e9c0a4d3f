"""What users do with pipelines in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import PATIENCE, Lab, drawn, shown

Shoot = Callable[..., Path]


def test_a_new_user_runs_the_quickstart_with_one_click(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.open(page, "quickstart.ipynb")
    expect(drawn(page)).to_have_count(6)
    page.get_by_role("button", name="Run Pipeline").click()
    expect(drawn(page, "SUCCEEDED")).not_to_have_count(0)
    # One of the five that are left, whichever it is by now.
    expect(drawn(page, "RUNNING")).not_to_have_count(0)
    shoot("running", picture="lab-running")
    expect(drawn(page, "SUCCEEDED")).to_have_count(6)
    expect(shown(page, "SUCCEEDED")).to_be_visible()
    shoot("done")


def test_a_broken_cell_is_a_problem_to_jump_to(lab: Lab, page: Page, shoot: Shoot) -> None:
    lab.open(page, lab.write(("x = 1", "step:one"), ("y = x + 1", "step:two"), name="broken.ipynb"))
    expect(page.locator(".jp-Kfp-drawing .node")).to_have_count(2, timeout=PATIENCE)
    page.locator(".jp-Cell").nth(1).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.type("z = x + unknown")
    tab = page.get_by_role("tab", name="Problems (1)")
    tab.click(timeout=PATIENCE)
    problem = page.locator(".jp-Kfp-problem")
    expect(problem).to_contain_text("Cell 2, line 2")
    page.locator(".jp-Cell").nth(0).locator(".cm-content").click()
    problem.get_by_role("button").click()
    expect(page.locator(".jp-Cell.jp-mod-active .jp-Kfp-badge.jp-mod-error")).to_be_visible()
    page.keyboard.type("#")  # where the cursor is: at the beginning of the line
    expect(page.locator(".jp-Cell").nth(1).locator(".cm-line").nth(1)).to_have_text("#z = x + unknown")
    expect(page.locator(".jp-Kfp-problem")).to_have_count(0)
    page.keyboard.press("Backspace")
    expect(problem).to_have_count(1)
    shoot("problem")
