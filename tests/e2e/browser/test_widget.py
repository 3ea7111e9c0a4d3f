"""The widget alone in a notebook: nothing of the labextension is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import PATIENCE, Lab

Shoot = Callable[..., Path]

# Cytoscape's instance is kept at the element it draws in; what it draws is a canvas.
_CLASSES = "() => Object.fromEntries(document.querySelector('.custom-widget')._cyreg.cy.nodes().map(n => [n.id(), n.classes()]))"
_HAS = "([node, state]) => document.querySelector('.custom-widget')._cyreg.cy.getElementById(node).hasClass(state)"
_PLACE = """node => {
    const element = document.querySelector('.custom-widget');
    const [place, box] = [element._cyreg.cy.getElementById(node).renderedPosition(), element.getBoundingClientRect()];
    return [box.x + place.x, box.y + place.y];
}"""


def execute(page: Page, cell: int, until: str) -> None:
    """Execute a cell; again, if the kernel was not there yet."""
    there = page.locator(".jp-Notebook .jp-CodeCell").nth(cell)
    found = there.locator(until).first
    for _ in range(10):
        there.locator(".cm-content").click(timeout=PATIENCE)
        page.keyboard.press("Shift+Enter")
        try:
            expect(there.locator(".jp-InputPrompt").first).not_to_have_text("[ ]:", timeout=5_000)
        except AssertionError:
            continue
        found.wait_for(timeout=PATIENCE)
        return
    found.wait_for()


def classes(page: Page) -> dict[str, list[str]]:
    """The classes of every node and box of the graph, by id."""
    found: dict[str, list[str]] = page.evaluate(_CLASSES)
    return found


def seen(page: Page, node: str, state: str) -> None:
    """Wait until a node is drawn in a state."""
    page.wait_for_function(_HAS, arg=[node, state], timeout=PATIENCE)


def click(page: Page, node: str) -> None:
    """Click where a node is drawn."""
    page.locator(".custom-widget").scroll_into_view_if_needed()
    place: list[Any] = page.evaluate(_PLACE, node)
    page.mouse.click(*place)


def write(lab: Lab, name: str, gate: Path) -> None:
    lab.write(
        ("n: int = 2", "parameters"),
        f"%%component make\nimport time\nfrom pathlib import Path\nrows = [n] * 3\nprint('rows are made')\nwhile not Path({str(gate)!r}).exists():\n    time.sleep(0.05)",
        "%%component weigh --for factor in [1, 2, 3] --collect weights=weight\nweight: int = sum(rows) * factor",
        "%%component tell --if n > 0\ntotal: int = sum(weights)\nprint('total is', total)",
        "%%component hush --else\ntotal: int = 0",
        ("total", "outputs"),
        name=f"{name}_pipeline.ipynb",
    )
    lab.write(
        f"import jupyter_kfp\njupyter_kfp.load('{name}_pipeline.ipynb').preview()", name=f"{name}.ipynb"
    )


def test_the_widget_alone_in_a_notebook(lab: Lab, page: Page, shoot: Shoot, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    write(lab, "widget", gate)
    page.set_viewport_size({"width": 1440, "height": 1250})
    page.goto(f"{lab.url}/lab/tree/widget.ipynb?reset&token={lab.token}")
    execute(page, 0, ".custom-widget canvas")
    page.wait_for_function(
        "() => document.querySelector('.custom-widget')._cyreg.cy.edges().length > 0", timeout=PATIENCE
    )
    loop, make = "for-loop-2", "make"
    drawn = classes(page)
    assert drawn[make] == ["task"]
    assert drawn[loop] == ["box", "loop"]
    assert [one for one in drawn.values() if "condition" in one or "branches" in one]

    number = page.locator(".jupyter-widgets input[type=number]")
    expect(number).to_have_value("2")
    number.fill("5")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Run here").click()
    seen(page, make, "RUNNING")
    status = page.get_by_role("status").filter(has_text="widget")
    expect(status).to_contain_text("Running: make.")
    shoot("running")
    gate.touch()
    for node in (make, f"{loop}.weigh"):
        seen(page, node, "SUCCEEDED")
    expect(status).to_contain_text("Succeeded in")
    expect(page.get_by_text("5/6")).to_have_count(0)
    assert page.evaluate(
        "loop => document.querySelector('.custom-widget')._cyreg.cy.getElementById(loop).data('label')", loop
    ).endswith("3 iterations")

    click(page, make)
    tabs = page.locator(".jupyter-widgets.widget-tab")
    expect(tabs).to_contain_text("rows = [n] * 3")
    page.get_by_role("tab", name="Log", exact=True).click()
    expect(tabs).to_contain_text("rows are made")
    page.get_by_role("tab", name="Inputs and outputs").click()
    expect(tabs.get_by_role("row", name="n 5")).to_be_visible()
    page.get_by_role("tab", name="Code", exact=True).click()
    shoot("widget", picture="widget")
    page.get_by_role("tab", name="Executed notebook").click()
    expect(page.get_by_role("link", name="Save make.ipynb")).to_be_visible()
    frame = page.frame_locator(".widget-tab iframe").first
    expect(frame.get_by_text("rows are made").first).to_be_attached()
    assert page.locator(".widget-tab iframe").first.get_attribute("sandbox") == "allow-scripts"
    shoot("executed")


def test_the_widget_in_notebook_7(lab: Lab, page: Page, shoot: Shoot, tmp_path: Path) -> None:
    pytest.importorskip("notebook")
    gate = tmp_path / "gate"
    gate.touch()
    write(lab, "seven", gate)
    page.goto(f"{lab.url}/notebooks/seven.ipynb?token={lab.token}")
    execute(page, 0, ".custom-widget canvas")
    page.get_by_role("button", name="Run here").click()
    seen(page, "make", "SUCCEEDED")
    shoot("widget")
