"""Notebooks handed to a cluster over HTTP: the whole way to a server that speaks KFP's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_kfp.remote import profiles
from jupyter_kfp.remote.profile import make
from jupyter_kfp.remote.versions import upload
from tests.integration.server.conftest import Ask, ended
from tests.kfp_server import process
from tests.kfp_server.swagger import SWAGGER

STEPS = [
    ("size: int = 3", "parameters"),
    ("total: int = sum(range(size))", "step:add"),
    ("total", "outputs"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Cluster]:
    if not SWAGGER.is_file():
        pytest.skip(f"KFP's Swagger file is not here ({SWAGGER.name})")
    with process.start(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(
    server: process.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[process.Cluster]:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    server.control()
    profiles.save(make("here", endpoint=server.url, pipeline_root=server.pipeline_root))
    yield server
    assert server.violations() == []


async def test_a_notebook_is_submitted_and_followed(
    ask: Ask, write: Callable[..., str], cluster: process.Cluster
) -> None:
    status, known = await ask("GET", "profiles")
    assert (status, known["default"]) == (200, "here")
    assert [one["endpoint"] for one in known["profiles"]] == [cluster.url]
    path = write(*STEPS)
    status, run = await ask("POST", "submit", {"path": path, "parameters": {"size": 4}, "name": "four"})
    assert status == 201, run
    assert (run["name"], run["profile"]) == ("four", "here")
    assert run["run_id"] in run["url"]
    details = await ended(ask, run["run_id"])
    assert (details["state"], details["outputs"]) == ("SUCCEEDED", {"total": 6})


async def test_a_notebook_is_scheduled(ask: Ask, write: Callable[..., str], cluster: process.Cluster) -> None:
    body = {"path": write(*STEPS), "cron": "0 6 * * 1-5", "parameters": {"size": 2}, "name": "mornings"}
    status, made = await ask("POST", "schedules", body)
    assert status == 201, made
    assert (made["name"], made["enabled"], len(made["next_runs"]) > 0) == ("mornings", True, True)
    (sent,) = cluster.requests("POST", "/recurringruns")
    assert sent["body"]["runtime_config"]["parameters"] == {"size": 2}
    assert "pipeline_version_reference" in sent["body"]


async def test_schedules_are_listed_paused_resumed_and_deleted(
    ask: Ask, write: Callable[..., str], cluster: process.Cluster
) -> None:
    when = {"interval": 3600, "start": "2031-01-01T00:00:00Z", "end": "2031-01-01T02:30:00Z"}
    status, times = await ask("POST", "schedules/times", when)
    assert (status, times["next_runs"]) == (200, ["2031-01-01T01:00:00+00:00", "2031-01-01T02:00:00+00:00"])
    status, refused = await ask("POST", "schedules/times", {"cron": "99 * * * *"})
    assert (status, "no cron expression" in refused["message"]) == (400, True)
    _, made = await ask("POST", "schedules", {"path": write(*STEPS), "name": "hourly", **when})
    status, known = await ask("GET", "schedules", params={"profile": "here"})
    (found,) = [one for one in known["schedules"] if one["schedule_id"] == made["schedule_id"]]
    assert (status, found) == (200, made)
    place = f"schedules/{made['schedule_id']}"
    status, paused = await ask("POST", f"{place}/pause", {"profile": "here"})
    assert (status, paused["enabled"], paused["next_runs"]) == (200, False, [])
    status, resumed = await ask("POST", f"{place}/resume", {})
    assert (status, resumed["enabled"], len(resumed["next_runs"])) == (200, True, 2)
    assert (await ask("POST", f"{place}/delete", {}))[1] == {"schedule_id": made["schedule_id"]}
    listed = (await ask("GET", "schedules"))[1]["schedules"]
    assert made["schedule_id"] not in [one["schedule_id"] for one in listed]
    assert (await ask("POST", f"{place}/pause", {}))[0] == 502


async def test_a_trigger_starts_a_version_once_for_an_event(
    ask: Ask, write: Callable[..., str], cluster: process.Cluster, jp_root_dir: Path
) -> None:
    assert (await ask("POST", "compile", {"path": write(*STEPS)}))[0] == 201
    pin = upload((jp_root_dir / "notebook.yaml").read_text()).pin
    body = {"pin": pin, "parameters": {"size": 5}, "key": "bucket/train.csv v7"}
    status, first = await ask("POST", "trigger", body)
    assert status == 201, first
    status, again = await ask("POST", "trigger", body)
    assert (status, again["run_id"]) == (201, first["run_id"])
    assert len(cluster.requests("POST", "/runs")) == 1
    status, refused = await ask("POST", "trigger", {"pin": pin, "parameters": {"size": "five"}})
    assert (status, "size" in refused["message"]) == (400, True)


async def test_a_cluster_that_cannot_be_used_is_told(
    ask: Ask, write: Callable[..., str], cluster: process.Cluster
) -> None:
    cluster.control(faults=[{"kind": "login"}])
    status, refused = await ask("POST", "submit", {"path": write(*STEPS)})
    assert (status, "login" in refused["message"].lower()) == (502, True)
