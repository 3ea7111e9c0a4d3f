"""What users do with pipelines in JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

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


def test_a_user_works_in_the_dark_theme(lab: Lab, page: Page, shoot: Shoot) -> None:
    steps = [("x = 1", "step:one"), ("y = x + 1", "step:two"), ("raise ValueError(y)", "step:three")]
    lab.open(page, lab.write(*steps, name="dark.ipynb"))
    choose_theme(page, "JupyterLab Dark")
    try:
        page.get_by_role("button", name="Run Pipeline").click()
        expect(shown(page, "FAILED")).to_be_visible()
        expect(drawn(page, "SUCCEEDED")).to_have_count(2)
        expect(drawn(page, "FAILED")).to_have_count(1)
        shoot("dark", picture="lab-dark")
        for text in (
            shown(page, "FAILED").first,
            drawn(page).locator("text").first,
            drawn(page).locator("text").last,
        ):
            assert contrast(text) >= READABLE
    finally:
        choose_theme(page, "JupyterLab Light")


READABLE = 4.5  # WCAG 2, level AA


def choose_theme(page: Page, name: str) -> None:
    page.get_by_role("menuitem", name="Settings").click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text(name, exact=True).click()
    is_light = str("Light" in name).lower()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)


def contrast(text: Locator) -> float:
    """The contrast ratio of a text with what is behind it, as WCAG 2 defines it."""
    colors: list[str] = text.evaluate(
        """element => {
            const clear = color => ['none', 'transparent', 'rgba(0, 0, 0, 0)'].includes(color);
            const svg = element instanceof SVGElement;
            const own = getComputedStyle(element)[svg ? 'fill' : 'color'];
            const rect = svg && element.parentElement.querySelector('rect');
            let behind = rect ? getComputedStyle(rect).fill : 'none';
            for (let at = element; clear(behind) && at; at = at.parentElement) {
                behind = getComputedStyle(at).backgroundColor;
            }
            return [own, behind];
        }"""
    )
    light, dark = sorted((luminance(color) for color in colors), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    channels = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_user_of_notebook_7_runs_a_pipeline(lab: Lab, page: Page, shoot: Shoot) -> None:
    path = lab.write(("x = 1", "step:one"), ("print(x)", "step:two"), name="classic.ipynb")
    page.goto(f"{lab.url}/notebooks/{path}?token={lab.token}")
    page.get_by_role("button", name="Run Pipeline").click(timeout=PATIENCE)
    expect(drawn(page, "SUCCEEDED")).to_have_count(2)
    expect(shown(page, "SUCCEEDED")).to_be_visible()
    expect(page.locator(".jp-Kfp-badge", has_text="one")).to_contain_text("Succeeded")
    shoot("notebook-7", picture="notebook-7")


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
