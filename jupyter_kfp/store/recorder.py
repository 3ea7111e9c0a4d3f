"""Writing down what happens in one run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jupyter_kfp.store import convert, schema
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.liveness import ProcessId
from jupyter_kfp.store.records import Direction, Failure, NewArtifact, NewTask, State, TaskKind

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

ENGINE_DIED = Failure("The engine ended unexpectedly.")


class RunRecorder:
    """The pen of one run's engine. Every method is one transaction; raises StoreError.

    Two things are also for others to write: `request_cancel`, and `abandon` when the engine is gone.
    """

    def __init__(self, database: Database, run_id: str) -> None:
        self._database = database
        self._run_id = run_id
        self._task_ids: dict[str, int] = {}

    def set_process(self, process: ProcessId) -> None:
        """Note which process executes the run."""
        with self._database.writing() as session:
            self._update_run(session, **asdict(process))

    def begin_run(self, process: ProcessId) -> None:
        """The engine starts: the run is RUNNING."""
        with self._database.writing() as session:
            self._update_run(session, state=State.RUNNING, started_at=_now(), **asdict(process))
            self._log(session, "run", state=State.RUNNING)

    def end_run(
        self,
        state: State,
        *,
        failure: Failure | None = None,
        values: Mapping[str, Json] | None = None,
        artifacts: Mapping[str, Sequence[int]] | None = None,
        lists: Collection[str] = (),
    ) -> None:
        """The run has ended; ``values`` and ``artifacts`` (ids) are the pipeline's outputs.

        ``lists``: the names of artifacts that are lists, however many there are.
        """
        rows = [
            schema.RunOutput(run_id=self._run_id, name=name, position=0, value=value)
            for name, value in (values or {}).items()
        ]
        for name, ids in (artifacts or {}).items():
            is_list = name in lists
            rows += [
                schema.RunOutput(
                    run_id=self._run_id, name=name, position=position, artifact_id=artifact, is_list=is_list
                )
                for position, artifact in enumerate(ids)
            ]
            if is_list and not ids:
                rows.append(
                    schema.RunOutput(run_id=self._run_id, name=name, position=0, value=[], is_list=True)
                )
        with self._database.writing() as session:
            session.add_all(rows)
            self._update_run(session, state=state, ended_at=_now(), failure=convert.failure_json(failure))
            self._log(session, "run", state=state, failure=failure)

    def request_cancel(self) -> None:
        """Note that somebody wants the run to end."""
        with self._database.writing() as session:
            self._update_run(session, cancel_requested_at=_now())

    def abandon(self, failure: Failure = ENGINE_DIED) -> None:
        """No engine executes the run. It and its running tasks are FAILED, or CANCELED if that was asked for.

        Tasks that had not begun are CANCELED. Does nothing to a run that has ended.
        """
        with self._database.writing() as session:
            run = session.get_one(schema.Run, self._run_id)
            if run.state.is_final:
                return
            canceled = run.cancel_requested_at is not None
            state, why = (State.CANCELED, None) if canceled else (State.FAILED, failure)
            self._close_tasks(session, state, why)
            run.state, run.ended_at, run.failure = state, _now(), convert.failure_json(why)
            self._log(session, "run", state=state, failure=why)

    def add_tasks(
        self, tasks: Iterable[NewTask], state: State = State.PENDING, *, failure: Failure | None = None
    ) -> None:
        """Tasks that were not known before, such as those of a loop's iterations.

        Another ``state`` than PENDING is that of tasks that will never begin, and ``failure`` why not.
        """
        with self._database.writing() as session:
            for task in tasks:
                row = task_row(self._run_id, task, state)
                session.add(row)
                if state.is_final and task.kind is TaskKind.TASK:
                    row.failure = convert.failure_json(failure)
                    self._log(session, "task", task=task.path, state=state, failure=failure)

    def begin_group(self, path: str) -> None:
        """A group that holds other tasks begins: it is RUNNING."""
        with self._database.writing() as session:
            self._update_task(session, self._task(session, path), state=State.RUNNING, started_at=_now())
            self._log(session, "group", task=path, state=State.RUNNING)

    def end_group(self, path: str, state: State, *, failure: Failure | None = None) -> None:
        """A group has ended. ``failure`` is its own, and not that of a task inside."""
        values = {"state": state, "ended_at": _now(), "failure": convert.failure_json(failure)}
        with self._database.writing() as session:
            self._update_task(session, self._task(session, path), **values)
            kind = "task" if state is State.FAILED and failure else "group"
            self._log(session, kind, task=path, state=state, failure=failure)

    def begin_attempt(self, path: str, number: int, *, directory: str, log: str) -> None:
        """A try at a task starts: the task is RUNNING."""
        now = _now()
        with self._database.writing() as session:
            task = self._task(session, path)
            session.add(
                schema.Attempt(
                    task_id=task,
                    number=number,
                    state=State.RUNNING,
                    directory=directory,
                    log=log,
                    started_at=now,
                )
            )
            if number == 1:
                self._update_task(session, task, state=State.RUNNING, started_at=now)
                self._log(session, "task", task=path, state=State.RUNNING)
            else:
                self._log(session, "attempt", task=path, state=State.RUNNING, message=f"attempt {number}")

    def set_inputs(
        self, path: str, parameters: Mapping[str, Json], artifacts: Mapping[str, Sequence[int]]
    ) -> None:
        """Record what goes into a task: values, and the ids of artifacts, by port."""
        with self._database.writing() as session:
            task = self._task(session, path)
            _add_parameters(session, task, Direction.INPUT, parameters)
            _add_events(session, task, Direction.INPUT, artifacts)

    def end_attempt(
        self,
        path: str,
        number: int,
        state: State,
        *,
        exit_code: int | None = None,
        failure: Failure | None = None,
    ) -> None:
        """A try at a task has ended. Says nothing of the task: there may be another try."""
        values = {
            "state": state,
            "ended_at": _now(),
            "exit_code": exit_code,
            "failure": convert.failure_json(failure),
        }
        with self._database.writing() as session:
            task = self._task(session, path)
            session.execute(
                update(schema.Attempt)
                .where(schema.Attempt.task_id == task, schema.Attempt.number == number)
                .values(**values)
            )
            if failure is not None:
                self._log(session, "attempt", task=path, state=state, failure=failure)

    def end_task(
        self,
        path: str,
        state: State,
        *,
        failure: Failure | None = None,
        parameters: Mapping[str, Json] | None = None,
        artifacts: Mapping[str, Sequence[NewArtifact]] | None = None,
    ) -> dict[str, tuple[int, ...]]:
        """A task has ended with these outputs. Returns the ids of its new artifacts by port."""
        now = _now()
        with self._database.writing() as session:
            task = self._task(session, path)
            self._update_task(session, task, state=state, ended_at=now, failure=convert.failure_json(failure))
            _add_parameters(session, task, Direction.OUTPUT, parameters or {})
            ids: dict[str, tuple[int, ...]] = {}
            for port, made in (artifacts or {}).items():
                rows = [convert.artifact_row(self._run_id, artifact, now) for artifact in made]
                session.add_all(rows)
                session.flush()
                ids[port] = tuple(row.id for row in rows)
            _add_events(session, task, Direction.OUTPUT, ids)
            self._log(session, "task", task=path, state=state, failure=failure)
            return ids

    def note(self, message: str, *, kind: str = "note", task: str | None = None) -> None:
        """Add a line to the history that changes no state; ``kind`` is ``note`` or ``warning``."""
        with self._database.writing() as session:
            self._log(session, kind, task=task, message=message)

    def _task(self, session: Session, path: str) -> int:
        """The database's id of the task at ``path``."""
        if path not in self._task_ids:
            of_run = select(schema.Task.path, schema.Task.id).where(schema.Task.run_id == self._run_id)
            self._task_ids.update((name, number) for name, number in session.execute(of_run))
        return self._task_ids[path]

    def _update_run(self, session: Session, **values: object) -> None:
        session.execute(update(schema.Run).where(schema.Run.id == self._run_id).values(**values))

    def _update_task(self, session: Session, task: int, **values: object) -> None:
        session.execute(update(schema.Task).where(schema.Task.id == task).values(**values))

    def _log(
        self,
        session: Session,
        kind: str,
        *,
        task: str | None = None,
        state: State | None = None,
        message: str = "",
        failure: Failure | None = None,
    ) -> None:
        session.add(
            history(
                self._run_id, kind, task=task, state=state, message=failure.message if failure else message
            )
        )

    def _close_tasks(self, session: Session, state: State, failure: Failure | None) -> None:
        """Close what a dead engine left open."""
        unfinished = select(schema.Task).where(
            schema.Task.run_id == self._run_id, schema.Task.state.in_([State.PENDING, State.RUNNING])
        )
        for task in session.scalars(unfinished).all():
            is_group = task.kind is TaskKind.GROUP
            was_running = task.state is State.RUNNING
            task.state = state if was_running else State.CANCELED
            task.ended_at = _now()
            why = failure if was_running and not is_group else None
            task.failure = convert.failure_json(why)
            session.execute(
                update(schema.Attempt)
                .where(schema.Attempt.task_id == task.id, schema.Attempt.state == State.RUNNING)
                .values(state=state, ended_at=_now(), failure=convert.failure_json(failure))
            )
            kind = "group" if is_group else "task"
            self._log(session, kind, task=task.path, state=task.state, failure=why)


def task_row(run_id: str, task: NewTask, state: State) -> schema.Task:
    """A row for a task that has not begun, or that never will."""
    return schema.Task(
        run_id=run_id, state=state, ended_at=_now() if state.is_final else None, **asdict(task)
    )


def history(
    run_id: str, kind: str, *, task: str | None = None, state: State | None = None, message: str = ""
) -> schema.HistoryEvent:
    """A new line of a run's history, dated now."""
    return schema.HistoryEvent(
        run_id=run_id, time=_now(), kind=kind, task=task, state=state, message=convert.storable(message)
    )


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _add_parameters(session: Session, task: int, direction: Direction, values: Mapping[str, Json]) -> None:
    session.add_all(
        schema.TaskParameter(task_id=task, direction=direction, name=name, value=value)
        for name, value in values.items()
    )


def _add_events(
    session: Session, task: int, direction: Direction, artifacts: Mapping[str, Sequence[int]]
) -> None:
    now = _now()
    session.add_all(
        schema.Event(
            task_id=task, direction=direction, port=port, position=position, artifact_id=artifact, time=now
        )
        for port, ids in artifacts.items()
        for position, artifact in enumerate(ids)
    )
