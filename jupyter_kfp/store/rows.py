"""New rows of the tables."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone

from jupyter_kfp.store import convert, schema
from jupyter_kfp.store.records import NewTask, State


def task_row(run_id: str, task: NewTask, state: State) -> schema.Task:
    """A task that has not begun, or that never will."""
    return schema.Task(run_id=run_id, state=state, ended_at=now() if state.is_final else None, **asdict(task))


def history(
    run_id: str, kind: str, *, task: str | None = None, state: State | None = None, message: str = ""
) -> schema.HistoryEvent:
    """A new line of a run's history, dated now."""
    return schema.HistoryEvent(
        run_id=run_id, time=now(), kind=kind, task=task, state=state, message=convert.storable(message)
    )


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)
