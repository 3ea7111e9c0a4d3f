"""How a run on this machine is started: its runner, and where its artifacts are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.server.conftest import Ask, ended

STEPS = [("rows = {1, 2}", "step:make"), ("total: int = sum(rows)", "step:add"), ("rows\ntotal", "outputs")]


async def test_artifacts_go_where_the_request_says(
    ask: Ask, write: Callable[..., str], jp_root_dir: Path
) -> None:
    from jupyter_kfp.store.store import open_store

    body = {"path": write(*STEPS), "runner": "process", "artifact_root": "kept/here"}
    status, run = await ask("POST", "runs", body)
    assert status == 201, run
    done = await ended(ask, run["run_id"])
    assert done["state"] == "SUCCEEDED", done
    place = jp_root_dir / "kept" / "here" / run["run_id"]
    assert done["outputs"]["rows"]["uri"].startswith(str(place))
    assert any(file.is_file() for file in place.rglob("*"))
    store = open_store()
    assert store.run(run["run_id"]).options["runner"] == "process"
    store.close()


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"artifact_root": "../elsewhere"}, 404),
        ({"artifact_root": "file:///tmp/elsewhere"}, 400),
        ({"artifact_root": "s3://bucket::file:///tmp"}, 400),
        ({"artifact_root": ""}, 400),
        ({"runner": "cloud"}, 400),
    ],
)
async def test_other_places_and_runners_are_refused(
    ask: Ask, write: Callable[..., str], settings: dict[str, str], status: int
) -> None:
    found, problem = await ask("POST", "runs", {"path": write(*STEPS), **settings})
    assert found == status
    assert problem["message"]
    _, listed = await ask("GET", "runs")
    assert listed["runs"] == []
