"""The metrics of what is in a store of each kind."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from jupyter_kfp.observe import metrics
from jupyter_kfp.store import schema
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.liveness import process_id
from jupyter_kfp.store.records import NewRun, NewTask, State
from jupyter_kfp.store.store import Store

THEN = datetime(2026, 1, 1, tzinfo=timezone.utc)
Samples = dict[tuple[str, str, str, str], float]


@pytest.fixture
def database(any_url: str) -> Iterator[Database]:
    opened = Database(any_url)
    yield opened
    opened.close()


def add(database: Database, name: str, pipeline: str, state: State, seconds: float | None) -> None:
    """A run with a task that took half as long, and one that was skipped."""
    store = Store(database)
    tasks = [NewTask("a", "a", "a", "c"), NewTask("b", "b", "b", "c")]
    store.create_run(NewRun(id=name, name=name, pipeline=pipeline, ir="", root="/"), tasks)
    recorder = store.recorder(name)
    me = process_id(os.getpid())
    assert me is not None
    recorder.begin_run(me)
    if seconds is None:
        return
    recorder.end_task("a", state)
    recorder.end_task("b", State.SKIPPED)
    recorder.end_run(state)
    with database.writing() as session:
        for table, took, which in (
            (schema.Run, seconds, schema.Run.id == name),
            (schema.Task, seconds / 2, (schema.Task.run_id == name) & (schema.Task.path == "a")),
        ):
            ended = THEN + timedelta(seconds=took)
            session.execute(update(table).where(which).values(started_at=THEN, ended_at=ended))


def read(text: str) -> Samples:
    return {
        (
            each.name,
            each.labels.get("pipeline", ""),
            each.labels.get("state", ""),
            each.labels.get("le", ""),
        ): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def test_runs_and_tasks_by_state_and_how_long_they_took(database: Database, tmp_path: Path) -> None:
    add(database, "r1", "p", State.SUCCEEDED, 1.5)
    add(database, "r2", "p", State.SUCCEEDED, 100)
    add(database, "r3", "p", State.FAILED, 4)
    add(database, "r4", "p", State.RUNNING, None)
    add(database, "r5", 'q "x"', State.CANCELED, 4)
    metrics.write_file(metrics.snapshot(database), tmp_path / "metrics" / "kfp.prom")
    told = read((tmp_path / "metrics" / "kfp.prom").read_text())
    assert told["jupyter_kfp_store_up", "", "", ""] == 1
    assert {key[1:3]: value for key, value in told.items() if key[0] == "jupyter_kfp_runs"} == {
        ("p", "SUCCEEDED"): 2, ("p", "FAILED"): 1, ("p", "RUNNING"): 1, ('q "x"', "CANCELED"): 1,
    }  # fmt: skip
    assert {key[1:3]: value for key, value in told.items() if key[0] == "jupyter_kfp_tasks"} == {
        ("p", "SUCCEEDED"): 2, ("p", "FAILED"): 1, ("p", "SKIPPED"): 3, ("p", "PENDING"): 2,
        ('q "x"', "CANCELED"): 1, ('q "x"', "SKIPPED"): 1,
    }  # fmt: skip
    times = "jupyter_kfp_run_duration_seconds"
    assert told[f"{times}_count", "p", "SUCCEEDED", ""] == 2
    assert told[f"{times}_sum", "p", "SUCCEEDED", ""] == pytest.approx(101.5, abs=0.01)
    assert [told[f"{times}_bucket", "p", "SUCCEEDED", le] for le in ("1.0", "2.0", "60.0", "120.0", "+Inf")] == [
        0, 1, 1, 2, 2
    ]  # fmt: skip
    assert told["jupyter_kfp_task_duration_seconds_sum", "p", "FAILED", ""] == pytest.approx(2, abs=0.01)
    assert ("jupyter_kfp_task_duration_seconds_sum", "p", "SKIPPED", "") not in told
    ended = told["jupyter_kfp_last_run_ended_seconds", "p", "FAILED", ""]
    assert ended == pytest.approx((THEN + timedelta(seconds=4)).timestamp())


def test_a_registry_asks_the_store_now_and_then(database: Database, any_url: str) -> None:
    asked = 0

    def opened() -> Database:
        nonlocal asked
        asked += 1
        return Database(any_url)

    registry = CollectorRegistry()
    registry.register(metrics.Collector(opened))
    assert asked == 0, "registering reads nothing"
    add(database, "r1", "p", State.SUCCEEDED, 1)
    for _time in range(3):
        told = read(generate_latest(registry).decode())
        assert told["jupyter_kfp_runs", "p", "SUCCEEDED", ""] == 1
    assert asked == 1


def test_a_store_that_cannot_be_read_is_a_metric_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"this is no database " * 200)
    registry = CollectorRegistry()
    registry.register(metrics.Collector(lambda: Database(f"sqlite:///{tmp_path}/store")))
    assert read(generate_latest(registry).decode()) == {("jupyter_kfp_store_up", "", "", ""): 0}
