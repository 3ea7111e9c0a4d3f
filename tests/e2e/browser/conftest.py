"""JupyterLab as its users see it: a server of its own, the system's Chromium, a screenshot of every story.

Screenshots are kept in ``.screenshots`` of the checkout, that of a story that failed too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright

from tests.e2e.conftest import document
from tests.integration.server.serving import serving

ROOT = Path(__file__).parents[3]
SCREENSHOTS = ROOT / ".screenshots"
# Where the README's pictures are written anew; nowhere, unless it is asked for.
PICTURES = os.environ.get("JUPYTER_KFP_PICTURES")
BUILT = ROOT / "jupyter_kfp" / "labextension"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# A step takes seconds on a busy machine; nothing waits longer than it has to.
PATIENCE = 150_000
expect.set_options(timeout=PATIENCE)


_REPORT = pytest.StashKey[pytest.TestReport]()


@dataclass
class Lab:
    """A running JupyterLab, with Notebook 7 beside it. ``root`` is what it serves."""

    url: str
    token: str
    root: Path
    _server: AbstractContextManager[tuple[str, str]] = field(repr=False)

    @property
    def home(self) -> Path:
        """Where the server keeps its configuration (``config``), its runs (``kfp``) and ``server.log``."""
        return self.root.parent

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

    def stop(self) -> None:
        """End the server; what it started goes on as it does for users."""
        self._server.__exit__(None, None, None)

    def start(self) -> None:
        """Start it again, under the same address."""
        port = urlsplit(self.url).port
        assert port is not None
        self._server = serving(self.home, application="jupyterlab", port=port, token=self.token)
        assert self._server.__enter__() == (self.url, self.token)


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
    server = serving(home, application="jupyterlab")
    url, token = server.__enter__()
    shutil.copy(ROOT / "notebooks" / "quickstart.ipynb", home / "root")
    started = Lab(url, token, home / "root", server)
    yield started
    started.stop()


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


# Of the module: the browser then loads JupyterLab's megabytes once, as a user's does.
@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 860})
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a fixture know whether its test has failed."""
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the test's own. Errors that this extension does not catch fail the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.stack or error.message))
    yield page
    report = request.node.stash.get(_REPORT, None)
    if report is not None and report.failed:
        _screenshot(page, request.node.name, "failed")
    page.close()
    assert [error for error in errors if "jupyter-kfp" in error] == []


def _screenshot(page: Page, story: str, name: str) -> Path:
    SCREENSHOTS.mkdir(exist_ok=True)
    file = SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9]+', '-', story.removeprefix('test_'))}.{name}.png"
    page.screenshot(path=file)
    return file


@pytest.fixture
def shoot(page: Page, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Keeps a screenshot; with ``picture`` also as that picture of the documentation, where those are asked for."""

    def take(name: str, *, picture: str | None = None) -> Path:
        file = _screenshot(page, request.node.name, name)
        if picture is not None and PICTURES:
            directory = Path(PICTURES)
            directory.mkdir(parents=True, exist_ok=True)
            # Screens have few colours; with a palette of them a file is a third as large.
            with Image.open(file) as image:
                few = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
                few.save(directory / f"{picture}.png", optimize=True)
        return file

    return take


def drawn(page: Page, state: str | None = None) -> Locator:
    """The steps of the panel's picture: all, or those in a state."""
    return page.locator(f".jp-Kfp-drawing .node{f'.{state}' if state else ''}")


def shown(page: Page, state: str) -> Locator:
    """The line on top of the panel, of a run in a state."""
    return page.locator(f".jp-Kfp-status[data-state={state}]")
