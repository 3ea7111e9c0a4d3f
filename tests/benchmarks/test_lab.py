"""What users wait for in JupyterLab: the picture after an edit, and a large picture."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser.conftest import PATIENCE, Lab, browser, context, drawn, lab, page, playwright
from tests.integration.server.serving import serving

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


def test_a_state_reaches_the_screen(lab: Lab, page: Page, figures: Figures) -> None:
    gates = [lab.root / f"gate{number}" for number in range(5)]
    cells: list[Any] = [("import time\nfrom pathlib import Path", "imports")]
    for number, gate in enumerate(gates):
        before = f"v{number - 1}" if number else "1"
        wait = f"while not Path({str(gate)!r}).exists():\n    time.sleep(0.01)"
        cells.append((f"{wait}\nv{number} = {before}", f"step:s{number}"))
    lab.open(page, lab.write(*cells, name="states.ipynb"))
    expect(drawn(page)).to_have_count(5)
    page.evaluate(
        """() => {
          window.seen = [];
          const graph = document.querySelector('.jp-Kfp-graph');
          new MutationObserver(() => {
            const count = graph.querySelectorAll('.node.SUCCEEDED').length;
            if (count > window.seen.length) { window.seen.push(Date.now() / 1000); }
          }).observe(graph, {attributes: true, childList: true, subtree: true});
        }"""
    )
    page.get_by_role("button", name="Run Pipeline").locator("visible=true").click()
    for number, gate in enumerate(gates):
        gate.touch()
        page.wait_for_function(f"window.seen.length > {number}", timeout=PATIENCE)
    lags = [screen - end for screen, end in zip(page.evaluate("window.seen"), _ends(lab), strict=True)]
    took = statistics.median(lags)
    figures.add("State on the screen after it is recorded", f"{took:.2f} s", verdict=_verdict(took, 0.3))


def test_the_start_of_jupyterlab(
    lab: Lab, browser: Browser, figures: Figures, rounds: int, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    quiet = lab.home / "config" / "labconfig"
    shutil.copytree(quiet, tmp_path / "config" / "labconfig")
    settings = tmp_path / "config" / "labconfig" / "page_config.json"
    disabled = json.loads(settings.read_text(encoding="utf-8"))
    disabled["disabledExtensions"]["jupyter-kfp"] = True  # it may be installed for this Python
    settings.write_text(json.dumps(disabled), encoding="utf-8")
    off = "--ServerApp.jpserver_extensions={'jupyter_kfp.server': False}"
    with serving(tmp_path, off, application="jupyterlab") as (url, token):
        places = {
            "with": f"{lab.url}/lab?reset&token={lab.token}",
            "without": f"{url}/lab?reset&token={token}",
        }
        pages = {name: browser.new_context().new_page() for name in places}
        took: dict[str, list[float]] = {name: [] for name in places}
        for turn in range(rounds + 1):
            for name, place in places.items():
                began = time.perf_counter()
                pages[name].goto(place)
                pages[name].locator(".jp-Launcher").wait_for(timeout=PATIENCE)
                took[name] += (
                    [time.perf_counter() - began] if turn else []
                )  # the first fills the browser's cache
        assert pages["with"].evaluate("!!document.getElementById('jupyter-kfp-panel')")
        assert not pages["without"].evaluate("!!document.getElementById('jupyter-kfp-panel')")
        for page in pages.values():
            page.context.close()
    ours, bare = statistics.median(took["with"]), statistics.median(took["without"])
    change = f"{(ours / bare - 1) * 100:+.0f} %, at most +5 %"
    figures.add("Start of JupyterLab", f"{ours:.2f} s", f"{bare:.2f} s without", change)


def _ends(lab: Lab) -> list[float]:
    """When the tasks of the newest run were recorded as ended, in the order of the pipeline."""
    from jupyter_kfp.store.store import open_store

    store = open_store(f"sqlite:///{lab.home / 'kfp' / 'store.sqlite'}")
    try:
        run = store.runs(limit=1)[0]
        return [task.ended_at.timestamp() for task in store.tasks(run.id) if task.ended_at]
    finally:
        store.close()
