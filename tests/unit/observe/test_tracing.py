"""Spans of a run, as values."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.observe import tracing
from jupyter_kfp.store.records import AttemptRecord, Failure, Origin, RunRecord, State, TaskRecord

THEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return THEN + timedelta(seconds=seconds)


def run(**more: Any) -> RunRecord:
    given = {
        "id": "r", "name": "n", "pipeline": "p", "state": State.FAILED, "root": "/", "parameters": {},
        "origin": Origin("/nb.ipynb"), "options": {}, "created_at": THEN, "started_at": at(1), "ended_at": at(9),
        "cancel_requested_at": None, "failure": Failure("b: no"), "host": None, "pid": None, "pid_started": None,
    }  # fmt: skip
    return RunRecord(**(given | more))


def task(path: str, state: State, start: float | None, end: float | None, **more: Any) -> TaskRecord:
    begun = None if start is None else at(start)
    return TaskRecord(
        "r", path, path, path, f"comp-{path}", state, begun, None if end is None else at(end), None, **more
    )


def cell(start: str | None, end: str | None, **more: Any) -> dict[str, Any]:
    times = {"start_time": start, "end_time": end, "status": "completed", "exception": False}
    return {"cell_type": "code", "id": "c", "metadata": {"papermill": times | more}, "source": "secret = 1"}


def test_a_run_holds_tasks_and_they_hold_cells() -> None:
    attempts = (
        AttemptRecord(1, State.FAILED, "/d", "/l", at(2), at(3), 1, Failure("first")),
        AttemptRecord(2, State.SUCCEEDED, "/d", "/l", at(3), at(4), 0),
    )
    tasks = [
        task("a", State.SUCCEEDED, 2, 4, attempts=attempts),
        task("cached", State.CACHED, 2, 2),
        task("never", State.SKIPPED, None, None),
    ]
    cells = [
        cell("2026-01-01T00:00:03", "2026-01-01T00:00:03.500000"),
        {"cell_type": "markdown", "metadata": {}},
        cell("2026-01-01T00:00:03.5", None),
        cell("2026-01-01T00:00:03.500000", "2026-01-01T00:00:04", exception=True, status="failed"),
    ]
    root = tracing.spans(run(), tasks, lambda each: cells if each.path == "a" else [])
    assert root is not None
    assert (root.name, root.start, root.end, root.error) == ("run p", at(1), at(9), "b: no")
    assert root.attributes["jupyter_kfp.run_id"] == "r"
    first, second = root.children
    assert (first.name, first.start, first.end, first.error) == ("task a", at(2), at(4), None)
    assert (first.attributes["jupyter_kfp.attempts"], first.attributes["jupyter_kfp.cache_hit"]) == (2, False)
    assert first.events == (
        (at(3), "attempt failed", {"jupyter_kfp.attempt": 1, "jupyter_kfp.message": "first"}),
    )
    assert second.attributes["jupyter_kfp.cache_hit"] is True
    assert [(each.name, each.start, each.end, each.error) for each in first.children] == [
        ("cell 1", at(3), at(3.5), None),
        ("cell 4", at(3.5), at(4), "An exception ended it."),
    ]
    assert "secret" not in str(root), "the code does not travel"


def test_a_run_that_never_began_has_none() -> None:
    assert tracing.spans(run(started_at=None), [], lambda _task: []) is None


def test_a_protocol_that_is_not_spoken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    root = tracing.spans(run(), [], lambda _task: [])
    assert root is not None
    with pytest.raises(JupyterKfpError, match=r"'grpc'.*http/protobuf"):
        tracing.export(root, "r")
