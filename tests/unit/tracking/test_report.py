"""What MLflow is told of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_kfp.pipeline import Json
from jupyter_kfp.store.records import NewArtifact, NewRun, NewTask, Origin, State
from jupyter_kfp.store.store import Store, open_store
from jupyter_kfp.tracking import report
from jupyter_kfp.tracking.report import Metric


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    origin = Origin(
        "/nb.ipynb", "ab" * 32, {"commit": "c0ffee", "user": "ada", "dvc": {"x.csv": {"md5": "1"}}}
    )
    options: dict[str, Json] = {"remote": {"url": "https://kf.example/#/runs/details/r1"}}
    tasks = [
        NewTask(path, path.split("[")[0].split(".")[-1], path, "c", position=path)
        for path in ("a", "b.c[1]", "d")
    ]
    opened.create_run(
        NewRun(
            "r1", "first", "p", "", "/r1", {"lr": 0.1, "names": ["é"], "long": "x" * 9000}, origin, options
        ),
        tasks,
    )
    recorder = opened.recorder("r1")
    with recorder.batch():
        recorder.set_inputs("a", {"lr": 0.1, "step_notebook": "packed"}, {})
        metrics = NewArtifact(
            "m", "system.Metrics", "/r1/a/m", {"auc": 0.9, "loss": [2.0, 1.0], "size": 3, "nan": "nan"}
        )
        one = NewArtifact("model", "system.Model", "/r1/a/model", {"registered_model_name": "own"}, "ff")
        recorder.begin_attempt("a", 1, directory="/x", log="/x/log", first=True)
        ids = recorder.end_task(
            "a", State.SUCCEEDED, parameters={"count": 3, "flag": True, "word": "w"},
            artifacts={"m": [metrics], "model": [one]},
        )  # fmt: skip
        recorder.begin_attempt("b.c[1]", 1, directory="/x", log="/x/log", first=True)
        recorder.end_task("b.c[1]", State.FAILED)
        recorder.end_task("d", State.SKIPPED)
        recorder.end_run(
            State.FAILED,
            values={"total": 4},
            artifacts={"model": ids["model"], "all": [*ids["model"]]},
            lists=["all"],
        )
    yield opened
    opened.close()


def test_the_run(store: Store) -> None:
    record = store.unchecked_run("r1")
    outputs = store.outputs("r1")
    entry = report.of_run(record, outputs, store.values(["r1"])["r1"])
    assert (entry.status, entry.task) == ("FAILED", None)
    assert entry.parameters == {"lr": "0.1", "names": '["é"]', "long": "x" * 6000}
    assert sorted(entry.metrics, key=lambda metric: (metric.key, metric.step)) == [
        Metric("auc", 0.9), Metric("count", 3.0), Metric("loss", 2.0), Metric("loss", 1.0, 1), Metric("size", 3.0),
        Metric("total", 4.0),
    ]  # fmt: skip
    assert entry.tags["mlflow.source.git.commit"] == "c0ffee"
    assert entry.tags["jupyter_kfp.url"] == "https://kf.example/#/runs/details/r1"
    assert entry.tags["jupyter_kfp.dvc"] == '{"x.csv": {"md5": "1"}}'
    assert [(made.name, folder) for made, folder in entry.artifacts] == [
        ("model", "outputs/all/0"),
        ("model", "outputs"),
    ]


def test_its_steps(store: Store) -> None:
    record = store.unchecked_run("r1")
    a, b, d = (report.of_task(record, task) for task in store.tasks("r1"))
    assert d is None
    assert a is not None
    assert (a.name, a.task, a.status, a.parameters) == ("a", "a", "FINISHED", {"lr": "0.1"})
    assert {metric.key for metric in a.metrics} == {"count", "auc", "loss", "size"}
    assert a.tags["jupyter_kfp.artifact.model"] == "/r1/a/model ff"
    assert b is not None
    assert (b.name, b.task, b.status) == ("c[1]", "b.c[1]", "FAILED")


def test_models(store: Store) -> None:
    outputs = {"model": store.outputs("r1")["model"]}
    (own,) = report.models(outputs, {})
    assert (own[0].name, own[1:]) == ("model", ("outputs", "own"))
    (asked,) = report.models(outputs, {"model": "asked"})
    assert asked[2] == "asked"
    assert list(report.models({"total": 4}, {"total": "no file"})) == []
