"""What users wait for in JupyterLab: the picture after an edit, and a large picture."""

from __future__ import annotations

import statistics

from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import PATIENCE, Lab, browser, context, drawn, lab, page, playwright

from .conftest import Figures
from .notebooks import write_chain

__all__ = ["browser", "context", "lab", "page", "playwright"]

# Notes when the picture is another one than before, in the page's own clock.
WATCH = """() => {
  const graph = document.querySelector('.jp-Kfp-graph');
  window.drawnAt = 0;
  new MutationObserver(() => { window.drawnAt = performance.now(); }).observe(graph, {childList: true});
}"""


def test_the_picture_follows_an_edit_of_fifty_steps(
    lab: Lab, page: Page, figures: Figures, rounds: int
) -> None:
    write_chain(lab.root / "fifty.ipynb", 50, trivial=True)
    lab.open(page, "fifty.ipynb")
    expect(drawn(page)).to_have_count(50)
    page.evaluate(WATCH)
    page.locator(".jp-Cell").nth(0).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    took = statistics.median(_edited(page, number) for number in range(rounds))
    figures.add("Panel after an edit, 50 steps", f"{took:.2f} s", verdict=_verdict(took, 0.5))


def _edited(page: Page, number: int) -> float:
    """Add a parameter where the cursor is; seconds from then until the picture has it."""
    page.evaluate("window.drawnAt = 0")
    typed = page.evaluate("performance.now()")
    page.keyboard.insert_text(f"\nextra_{number} = {number}")
    page.wait_for_function("window.drawnAt > 0", timeout=PATIENCE)
    return float(page.evaluate("window.drawnAt") - typed) / 1000


def _verdict(seconds: float, target: float) -> str:
    return f"{'under' if seconds < target else 'over'} {target} s"


def test_three_hundred_nodes_are_drawn_in_the_panel(lab: Lab, page: Page, figures: Figures) -> None:
    write_chain(lab.root / "many.ipynb", 300, trivial=True)
    lab.open(page, "many.ipynb")
    drawn(page).first.wait_for(timeout=PATIENCE)
    page.evaluate(WATCH)
    page.locator(".jp-Cell").nth(0).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    took = _edited(page, 0)
    shown = drawn(page).count()
    figures.add("Panel, 300 nodes", f"{took:.2f} s", f"{shown} nodes shown", _verdict(took, 3))
