"""What users do with runs in JupyterLab. Steps wait for a file, so that the stories decide when they go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from jupyter_kfp.remote import profiles
from jupyter_kfp.remote.profile import make
from tests.e2e.browser.conftest import Lab, drawn, shown
from tests.kfp_server import process
from tests.kfp_server.swagger import SWAGGER

Shoot = Callable[..., Path]


@dataclass(frozen=True)
class Gated:
    """A notebook of three steps, the second of which waits until it is let through."""

    name: str
    gate: Path

    def let_through(self) -> None:
        self.gate.touch()


@pytest.fixture
def gated(lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Gated]]:
    made: list[Gated] = []

    def write(name: str) -> Gated:
        gate = tmp_path / f"{name}.gate"
        wait = f"while not Path({str(gate)!r}).exists():\n    time.sleep(0.05)"
        lab.write(
            ("import time\nfrom pathlib import Path", "imports"),
            ("rows = [1, 2, 3]", "step:make"),
            (f"total: int = sum(rows)\n{wait}", "step:wait"),
            ("print(total)", "step:tell"),
            ("total", "outputs"),
            name=f"{name}.ipynb",
        )
        made.append(Gated(f"{name}.ipynb", gate))
        return made[-1]

    yield write
    for notebook in made:  # a run outlives its story
        notebook.let_through()


def run(page: Page) -> None:
    """Click Run Pipeline, and see that the second step waits."""
    page.get_by_role("button", name="Run Pipeline").locator("visible=true").click()
    expect(drawn(page, "SUCCEEDED")).to_have_count(1)
    expect(drawn(page, "RUNNING")).to_have_count(1)


def succeeds(page: Page) -> None:
    expect(drawn(page, "SUCCEEDED")).to_have_count(3)
    expect(shown(page, "SUCCEEDED")).to_be_visible()


def test_a_user_stops_a_run(lab: Lab, page: Page, shoot: Shoot, gated: Callable[[str], Gated]) -> None:
    lab.open(page, gated("stopped").name)
    run(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(shown(page, "CANCELED")).to_be_visible()
    expect(drawn(page, "RUNNING")).to_have_count(0)
    expect(drawn(page, "SUCCEEDED")).to_have_count(1)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    shoot("stopped")


def test_a_user_reloads_the_page_in_the_middle_of_a_run(
    lab: Lab, page: Page, shoot: Shoot, gated: Callable[[str], Gated]
) -> None:
    notebook = gated("reloaded")
    lab.open(page, notebook.name)
    run(page)
    page.reload()
    expect(shown(page, "RUNNING")).to_be_visible()
    expect(drawn(page, "RUNNING")).to_have_count(1)
    shoot("reloaded")
    notebook.let_through()
    succeeds(page)


def test_two_notebooks_run_at_once(lab: Lab, page: Page, shoot: Shoot, gated: Callable[[str], Gated]) -> None:
    first, second = gated("first"), gated("second")
    lab.open(page, first.name)
    run(page)
    page.get_by_role("listitem", name=second.name).dblclick()
    page.get_by_role("tab", name=second.name).wait_for()
    expect(drawn(page)).to_have_count(3)
    run(page)
    second.let_through()
    succeeds(page)
    page.get_by_role("tab", name=first.name).click()
    expect(drawn(page, "RUNNING")).to_have_count(1)
    shoot("second-has-ended")
    first.let_through()
    succeeds(page)


def test_the_server_restarts_during_a_run(
    lab: Lab, page: Page, shoot: Shoot, gated: Callable[[str], Gated]
) -> None:
    notebook = gated("restarted")
    lab.open(page, notebook.name)
    run(page)
    lab.stop()
    notebook.let_through()
    expect(page.get_by_role("dialog")).to_contain_text("Server Connection Error")
    page.get_by_role("dialog").get_by_role("checkbox").check()  # not again
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    lab.start()
    succeeds(page)
    shoot("restarted")


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[process.Cluster]:
    """A cluster that JupyterLab's user has a profile of."""
    if not SWAGGER.is_file():
        pytest.skip(f"KFP's Swagger file is not here ({SWAGGER.name})")
    with process.start(tmp_path / "cluster") as started:
        monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(lab.home / "config"))
        profiles.save(make("team", endpoint=started.url, pipeline_root=started.pipeline_root))
        yield started
        assert started.violations() == []
        profiles.remove("team")


def test_a_user_submits_to_a_cluster_and_follows_the_run(
    lab: Lab, page: Page, shoot: Shoot, gated: Callable[[str], Gated], cluster: process.Cluster
) -> None:
    notebook = gated("submitted")
    lab.open(page, notebook.name)
    page.get_by_role("button", name="More about the pipeline").locator("visible=true").click()
    page.get_by_role("menuitem", name="Submit Pipeline to…").click()
    page.get_by_role("dialog").get_by_role("button", name="Continue").click()
    expect(drawn(page, "SUCCEEDED")).to_have_count(1)
    expect(drawn(page, "RUNNING")).to_have_count(1)
    shoot("follows")
    notebook.let_through()
    succeeds(page)
    (sent,) = cluster.requests("POST", "/runs")
    assert sent["body"]["display_name"].startswith("submitted")
