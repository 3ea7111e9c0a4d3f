"""JupyterLab as its users see it: a server of its own, the system's Chromium, a screenshot of every story."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.e2e.conftest import document
from tests.integration.server.serving import serving

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "jupyter_kfp" / "labextension"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# A step takes seconds on a busy machine; nothing waits longer than it has to.
PATIENCE = 150_000


@dataclass
class Lab:
    """A running JupyterLab. ``root`` is what it serves."""

    url: str
    token: str
    root: Path

    def write(self, *cells: Any, name: str) -> str:
        """A notebook of code cells; gives its path."""
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = document(*cells, kernelspec=kernel)
        (self.root / name).write_text(json.dumps(content), encoding="utf-8")
        return name

    def open(self, page: Page, path: str) -> None:
        """Open a notebook in a fresh workspace, with the panel beside it."""
        page.goto(f"{self.url}/lab/tree/{path}?reset&token={self.token}")
        page.get_by_role("button", name="Run Pipeline").wait_for(timeout=PATIENCE)
        page.get_by_role("tab", name="Pipeline", exact=True).first.click()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if not (BUILT / "package.json").is_file():
        pytest.skip("the labextension is not built (cd labextension; jlpm; jlpm build:prod)")
    home = tmp_path_factory.mktemp("lab")
    extensions = home / "data" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "jupyter-kfp").symlink_to(BUILT)
    (home / "config" / "labconfig").mkdir(parents=True)
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(quiet), encoding="utf-8")
    with serving(home, application="jupyterlab") as (url, token):
        shutil.copy(ROOT / "notebooks" / "quickstart.ipynb", home / "root")
        yield Lab(url, token, home / "root")


# Not of the session: Playwright's event loop would be in the way of other tests that have one.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium (apt-get install chromium)")
    found = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
    yield found
    found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 860})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def shoot(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Takes a screenshot; pytest keeps the last runs' directories."""

    def take(name: str) -> Path:
        file = tmp_path / f"{name}.png"
        page.screenshot(path=file)
        return file

    return take
