"""What a task's cache key depends on, and what it does not."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.engine import cache, ir
from jupyter_kfp.engine.cache import Surroundings
from jupyter_kfp.engine.dataflow import Produced, Values
from jupyter_kfp.engine.plan import Plan
from jupyter_kfp.store.records import NewArtifact
from tests.unit.engine.building import pipeline, shell, task

ON = {"cachingOptions": {"enableCache": True}}


def plan(container: dict[str, Any] | None = None, outputs: dict[str, str] | None = None, **more: Any) -> Plan:
    spec = task(
        container or shell("x"), inputs={"n": 1}, outputs=outputs or {"out": "STRING"}, **{**ON, **more}
    )
    return ir.read(pipeline({"a": spec}))


def key(
    of: Plan | None = None,
    *,
    name: str = "p",
    inputs: dict[str, Any] | None = None,
    artifacts: tuple[NewArtifact, ...] = (),
    config: dict[str, str] | None = None,
    surroundings: Surroundings | None = None,
    place: tuple[str, ...] = (),
) -> str | None:
    of = of or plan()
    the_task = of.dag.tasks["a"]
    produced = tuple(Produced(each, 1, Path(each.uri)) for each in artifacts)
    return cache.cache_key(
        name,
        the_task,
        of.component(the_task),
        of.executor(the_task),
        Values({"n": 1} if inputs is None else inputs, {"data": produced} if produced else {}),
        config=config or {},
        surroundings=surroundings or Surroundings(None),
        place=place,
    )


def test_the_same_has_the_same_key() -> None:
    assert key() == key()
    assert key() is not None


@pytest.mark.parametrize(
    "other",
    [
        {"name": "q"},
        {"inputs": {"n": 2}},
        {"inputs": {"n": 1.0}},
        {"inputs": {"n": "1"}},
        {"inputs": {}},
        {"config": {"MODE": "fast"}},
        {"place": ("container", "")},
        {"of": plan(shell("y"))},
        {"of": plan({**shell("x"), "image": "python:3.12"})},
        {"of": plan({**shell("x"), "args": ["1"]})},
        {"of": plan({**shell("x"), "env": [{"name": "MODE", "value": "fast"}]})},
        {"of": plan(outputs={"out": "NUMBER_DOUBLE"})},
        {"of": plan(outputs={"other": "STRING"})},
    ],
    ids=str,
)
def test_what_changes_the_result_changes_the_key(other: dict[str, Any]) -> None:
    assert key(**other) not in {key(), None}


def test_what_does_not_change_the_result_does_not_change_the_key() -> None:
    told = [
        {"name": "JUPYTER_KFP_CACHE_TTL", "value": "60"},
        {"name": "JUPYTER_KFP_PROVENANCE", "value": "{}"},
    ]
    assert key(plan({**shell("x"), "env": told})) == key()
    assert key(plan(retryPolicy={"maxRetryCount": 3})) == key()


def test_artifacts_count_by_content_and_what_is_known_of_them(tmp_path: Path) -> None:
    one = NewArtifact("data", "system.Dataset", "/runs/1/data", {"rows": 3}, "a" * 64, 5)
    there = key(artifacts=(one,))
    assert there == key(artifacts=(dataclasses.replace(one, uri="/runs/2/data"),))
    for other in (
        dataclasses.replace(one, sha256="b" * 64),
        dataclasses.replace(one, metadata={"rows": 4}),
        dataclasses.replace(one, type="system.Model"),
    ):
        assert key(artifacts=(other,)) not in {there, None}
    assert key(artifacts=(one, one)) != there


def test_an_artifact_without_a_file_is_known_and_one_elsewhere_is_not(tmp_path: Path) -> None:
    nothing = NewArtifact("m", "system.Metrics", str(tmp_path / "none"), {"accuracy": 1})
    assert key(artifacts=(nothing,)) is not None
    assert key(artifacts=(dataclasses.replace(nothing, uri="s3://bucket/x"),)) is None


def test_a_key_of_ones_own_stands_for_inputs_image_and_code() -> None:
    wish = {"cachingOptions": {"enableCache": True, "cacheKey": "mine"}}
    own = key(plan(**wish))
    assert own == key(plan(shell("y"), **wish), inputs={"n": 5})
    assert own not in {key(), None}
    assert own != key(plan(**wish), name="q")
    assert own != key(plan(cachingOptions={"enableCache": True, "cacheKey": "other"}))


@pytest.mark.parametrize(
    "of",
    [
        plan(cachingOptions={}),
        plan(triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}),
        plan(shell("x", "{{$.workspace_path}}")),
    ],
    ids=["off", "exit task", "workspace"],
)
def test_some_tasks_have_no_key(of: Plan) -> None:
    assert key(of) is None


def test_the_files_beside_the_notebook_count(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1")
    (tmp_path / "nb.ipynb").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "big.csv").write_bytes(b"0" * 100_000)

    def now() -> str | None:
        return key(surroundings=Surroundings(tmp_path, tmp_path / "pipeline.yaml"))

    before = now()
    assert before not in {None, key()}
    os.utime(tmp_path / "helper.py", (1, 1))
    (tmp_path / "nb.ipynb").write_text("{...}")
    (tmp_path / "pipeline.yaml").write_text("the pipeline itself")
    assert now() == before
    os.utime(tmp_path / "data" / "big.csv", (1, 1))
    touched = now()
    assert touched != before
    (tmp_path / "helper.py").write_text("x = 2")
    assert now() not in {before, touched}


def test_runs_and_their_store_beside_the_notebook_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are they opened: closing SQLite's file lets go of the locks of this process, and another truncates it."""
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "results" / "kfp"))
    monkeypatch.setenv("JUPYTER_KFP_STORE_URL", f"sqlite:///{tmp_path / 'runs.sqlite'}")
    (tmp_path / "results" / "kfp" / "runs").mkdir(parents=True)
    (tmp_path / "results" / "data.csv").write_text("1")
    before = key(surroundings=Surroundings(tmp_path))
    opened = []
    monkeypatch.setattr(Path, "read_bytes", lambda self: opened.append(self.name) or b"1")
    for name in ("results/kfp/runs/log.txt", "runs.sqlite", "runs.sqlite-wal", "runs.sqlite-shm"):
        (tmp_path / name).write_text(name)
    assert key(surroundings=Surroundings(tmp_path)) == before
    assert opened == ["data.csv"]


def test_among_too_many_files_nothing_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 3)
    for number in range(3):
        (tmp_path / f"{number}.txt").touch()
    assert key(surroundings=Surroundings(tmp_path)) is not None
    (tmp_path / "one.txt").touch()
    assert key(surroundings=Surroundings(tmp_path)) is None


def test_how_long_a_result_is_good() -> None:
    def ttl(*env: dict[str, str]) -> float | None:
        executor: Any = plan({**shell("x"), "env": list(env)}).executors["exec-a"]
        return cache.time_to_live(executor)

    assert ttl() is None
    assert ttl({"name": "JUPYTER_KFP_CACHE_TTL", "value": "90"}) == 90.0
    assert ttl({"name": "JUPYTER_KFP_CACHE_TTL", "value": "long"}) == 0.0
