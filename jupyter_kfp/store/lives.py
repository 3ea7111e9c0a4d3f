"""When a run's engine is gone, and when another one goes on: what is closed, what is kept, what is open again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timezone

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import convert, liveness, schema
from jupyter_kfp.store.liveness import ProcessId
from jupyter_kfp.store.records import Failure, State, TaskKind, Tries
from jupyter_kfp.store.rows import history

_AGAIN = {
    "state": State.PENDING,
    "started_at": None,
    "ended_at": None,
    "failure": None,
    "cache_key": None,
    "reused_from": None,
}


def abandon(session: Session, run_id: str, failure: Failure, *, if_dead: bool = False) -> None:
    """No engine executes the run: see `RunRecorder.abandon`."""
    run = session.get_one(schema.Run, run_id, with_for_update=True)
    if run.state.is_final or (if_dead and liveness.is_alive(convert.run_record(run))):
        return
    canceled = run.cancel_requested_at is not None
    state, why = (State.CANCELED, None) if canceled else (State.FAILED, failure)
    unfinished = select(schema.Task).where(
        schema.Task.run_id == run_id, schema.Task.state.in_([State.PENDING, State.RUNNING])
    )
    now = datetime.now(timezone.utc)
    for task in session.scalars(unfinished).all():
        is_group = task.kind is TaskKind.GROUP
        was_running = task.state is State.RUNNING
        task.state = state if was_running else State.CANCELED
        task.ended_at = now
        task.interrupted = was_running
        own = why if was_running and not is_group else None
        task.failure = convert.failure_json(own)
        kind, words = ("group" if is_group else "task"), own.message if own else ""
        session.add(history(run_id, kind, task=task.path, state=task.state, message=words))
    of_run = select(schema.Task.id).where(schema.Task.run_id == run_id)
    session.execute(
        update(schema.Attempt)
        .where(schema.Attempt.task_id.in_(of_run), schema.Attempt.state == State.RUNNING)
        .values(state=state, ended_at=now, failure=convert.failure_json(why))
        .execution_options(synchronize_session=False)
    )
    run.state, run.ended_at, run.failure, run.interrupted = state, now, convert.failure_json(why), True
    session.add(history(run_id, "run", state=state, message=why.message if why else ""))


def reopen(
    session: Session, run_id: str, process: ProcessId, known: Collection[str], *, failed_too: bool
) -> None:
    """A run that has ended is PENDING again, in the hands of ``process`` until its engine starts.

    Tasks that ended well stay as they are; ``failed_too``: those that failed by themselves do not, and are to be
    tried again. All others are PENDING, or gone, if they are not among the paths ``known`` before a run begins:
    those of loops come back when their loop begins. Attempts stay. Raises UsageError if the run has not ended.
    """
    run = session.get_one(schema.Run, run_id, with_for_update=True)
    if not run.state.is_final:
        raise UsageError(f"Run {run_id} is being executed.", "Wait for it, or cancel it.")
    well = schema.Task.state.in_([State.SUCCEEDED, State.CACHED])
    by_itself = and_(schema.Task.state == State.FAILED, schema.Task.interrupted.is_(False))
    kept = and_(schema.Task.kind == TaskKind.TASK, well if failed_too else or_(well, by_itself))
    of_run = schema.Task.run_id == run_id
    open_again = select(schema.Task.id).where(of_run, ~kept)
    for table in (schema.TaskParameter, schema.Event):
        session.execute(delete(table).where(table.task_id.in_(open_again)))
    tried = select(schema.Attempt.task_id).where(schema.Attempt.task_id.in_(open_again)).distinct()
    has_tries = set(session.scalars(tried))
    gone = [
        number
        for number, path in session.execute(select(schema.Task.id, schema.Task.path).where(of_run, ~kept))
        if number not in has_tries and path not in known
    ]
    for some in convert.portions(gone):
        session.execute(delete(schema.Task).where(schema.Task.id.in_(some)))
    unsynchronized = {"synchronize_session": False}
    session.execute(
        update(schema.Task)
        .where(of_run, ~kept)
        .values(**_AGAIN, interrupted=False)
        .execution_options(**unsynchronized)
    )
    for some in () if failed_too else convert.portions(sorted(has_tries)):
        # It goes on with the tries it has left.
        chosen = update(schema.Task).where(schema.Task.id.in_(some))
        session.execute(chosen.values(interrupted=True).execution_options(**unsynchronized))
    session.execute(delete(schema.RunOutput).where(schema.RunOutput.run_id == run_id))
    for name, value in asdict(process).items():
        setattr(run, name, value)
    run.state, run.ended_at, run.failure = State.PENDING, None, None
    run.cancel_requested_at, run.interrupted = None, False
    session.add(history(run_id, "run", state=State.PENDING, message="retried" if failed_too else "resumed"))


def tries(session: Session, run_id: str) -> dict[str, Tries]:
    """The attempts there are of the tasks of a run that are PENDING, by path."""
    by_itself = and_(schema.Attempt.state == State.FAILED, schema.Attempt.exit_code.is_not(None))
    query = (
        select(
            schema.Task.path,
            schema.Task.interrupted,
            func.max(schema.Attempt.number),
            func.count().filter(by_itself),
        )
        .join(schema.Attempt)
        .where(schema.Task.run_id == run_id)
        .group_by(schema.Task.id, schema.Task.path, schema.Task.interrupted)
    )
    return {
        path: Tries(count, failed if interrupted else 0)
        for path, interrupted, count, failed in session.execute(query)
    }
