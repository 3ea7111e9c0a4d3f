"""Runs as a table: their values by name, conditions on them, and order."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

import jupyter_kfp
from jupyter_kfp.cli import main
from jupyter_kfp.errors import UsageError
from jupyter_kfp.pipeline import Json
from jupyter_kfp.store import schema
from jupyter_kfp.store.conditions import Condition
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.location import store_url
from jupyter_kfp.store.records import Direction, NewArtifact, NewRun, NewTask, State
from jupyter_kfp.store.store import Store, open_store

METRICS = "system.Metrics"


def add(store: Store, number: int, lr: float, **options: object) -> None:
    """A run that trained with a rate: a metric with its history, an output of a step, and a result."""
    run_id = f"r{number}"
    tasks = [
        NewTask(key, key, key, f"comp-{key}", position=position)
        for position, key in (("1", "train-model"), ("2", "test"))
    ]
    store.create_run(
        NewRun(id=run_id, name=run_id, pipeline="p", ir="", root="/", parameters={"lr": lr, "kind": "tree"}),
        tasks,
    )
    recorder = store.recorder(run_id)
    with recorder.batch():
        metrics: dict[str, Json] = {"loss": [3.0, 2.0, lr], "accuracy": 1 - lr, "note": "text"}
        (identifier,) = recorder.end_task(
            "train-model",
            State.SUCCEEDED,
            parameters={"seconds": number},
            artifacts={"scores": [NewArtifact("scores", METRICS, f"/{run_id}/scores", metrics)]},
        )["scores"]
        recorder.end_task("test", State.SUCCEEDED, parameters={"seconds": 100 + number})
        recorder.end_run(State.SUCCEEDED, values={"gain": 10 * lr}, artifacts={"scores": [identifier]})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def runs(home: Path) -> Iterator[Store]:
    store = open_store()
    for number, lr in enumerate([0.1, 0.001, 0.5]):
        add(store, number, lr)
    yield store
    store.close()


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["runs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.mark.usefixtures("runs")
def test_table_sorted_and_filtered() -> None:
    header, *rows = listed("--metric", "accuracy", "--sort", "-accuracy", "--where", "lr>0.01").splitlines()
    assert header.split() == ["RUN", "PIPELINE", "STATE", "STARTED", "TIME", "accuracy"]
    assert [(row.split()[0], row.split()[-1]) for row in rows] == [("r0", "0.9"), ("r2", "0.5")]


@pytest.mark.usefixtures("runs")
def test_json_has_all_that_is_asked_for() -> None:
    names = ["loss", "train_model.seconds", "seconds", "gain", "lr", "train-model.loss"]
    found = json.loads(
        listed("--json", "--where", "accuracy > 0.95", *(w for n in names for w in ("--metric", n)))
    )
    assert [run["run_id"] for run in found] == ["r1"]
    assert found[0]["parameters"] == {"lr": 0.001, "kind": "tree"}
    # Of a history the last value; of steps with a value of one name the last step's.
    assert list(found[0]["metrics"].values()) == [0.001, 1, 101, 0.01, 0.001, 0.001]


@pytest.mark.usefixtures("runs")
def test_csv_has_all_parameters_and_results() -> None:
    rows = list(csv.DictReader(io.StringIO(listed("--csv", "--sort", "lr"))))
    assert [row["run_id"] for row in rows] == ["r1", "r0", "r2"]
    assert {name: rows[0][name] for name in ("state", "lr", "kind", "accuracy", "gain", "seconds")} == {
        "state": "SUCCEEDED", "lr": "0.001", "kind": "tree", "accuracy": "0.999", "gain": "0.01", "seconds": "101",
    }  # fmt: skip
    assert "note" not in rows[0]


@pytest.mark.usefixtures("runs")
def test_from_python() -> None:
    rows = jupyter_kfp.runs.table(["accuracy"], where=["lr < 0.4"], sort=["-accuracy"], limit=1)
    assert [(row["run_id"], row["accuracy"]) for row in rows] == [("r1", 0.999)]
    assert {"lr", "kind", "gain"} <= jupyter_kfp.runs.table()[0].keys()


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "acuracy"], "Did you mean accuracy?"),
        (["--where", "nothing > 1"], "No run has a value 'nothing'"),
        (["--where", "__import__('os')"], "is not allowed"),
        (["--where", "lr >"], "cannot be read"),
        (["--csv", "--json"], "exclude each other"),
    ],
)
def test_wrong_use(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["runs", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


VALUES = {"lr": 0.1, "kind": "tree", "train.accuracy": 0.9, "train[2].accuracy": 0.7, "flag": True}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("lr > 0.01", True),
        ("0.01 < lr < 0.1", False),
        ("kind == 'tree' and lr*10 == 1", True),
        ("kind in ['tree', 'forest'] and not lr > 1", True),
        ("train.accuracy > train[2].accuracy", True),
        ("lr > -1", True),
        ("flag == True", True),
        ("missing > 1", False),
        ("not missing > 1", False),
        ("missing > 1 or lr == 0.1", True),
        ("kind > 1", False),
        ("lr / 0 > 1", False),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    assert Condition(text).holds(VALUES) is holds


@pytest.mark.parametrize(
    "text",
    ["f(1)", "[x for x in y]", "lr.__class__()", "(lambda: 1)", "lr ** 9999999", "'a' 'b' % 3", "f'{lr}'", "a[b] > 1",
     "(1).real > 0", "x := 1", "9" * 2000],
)  # fmt: skip
def test_conditions_run_no_code(text: str) -> None:
    with pytest.raises(UsageError):
        Condition(text)


def test_hundreds_of_runs(home: Path) -> None:
    database = Database(store_url())
    now = datetime.now(timezone.utc)
    with database.writing() as session:
        for number in range(500):
            run_id, ended = f"r{number}", {"state": State.SUCCEEDED, "started_at": now, "ended_at": now}
            session.add(
                schema.Run(
                    id=run_id, name=run_id, pipeline="p", ir="ir" * 10_000, root="/", options={}, provenance={},
                    parameters={"lr": number / 500}, created_at=now, **ended,
                )
            )  # fmt: skip
            session.flush()
            task = schema.Task(run_id=run_id, path="t", key="t", display_name="t", component="c", **ended)
            info = {"accuracy": 1 - number / 500}
            made = schema.Artifact(run_id=run_id, name="m", type=METRICS, uri="/m", info=info, created_at=now)
            session.add_all((task, made))
            session.flush()
            event = {"direction": Direction.OUTPUT, "port": "m", "position": 0, "time": now}
            session.add(schema.Event(task_id=task.id, artifact_id=made.id, **event))
            session.add_all(
                schema.TaskParameter(task_id=task.id, direction=Direction.OUTPUT, name=f"p{n}", value=n)
                for n in range(9)
            )
    database.close()
    began = time.process_time()
    rows = jupyter_kfp.runs.table(["accuracy", "p3"], where=["lr > 0.5"], sort=["-accuracy"])
    took = time.process_time() - began
    assert (len(rows), rows[0]["accuracy"], rows[0]["p3"]) == (249, 1 - 251 / 500, 3)
    assert took < 1, took
