"""Writing down what happens in one run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, cast

from sqlalchemy import Table, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from jupyter_kfp.store import convert, lives, origins, schema
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.liveness import ProcessId
from jupyter_kfp.store.records import (
    Direction,
    Failure,
    FinishedTask,
    NewArtifact,
    NewTask,
    State,
    TaskKind,
    TaskOrigin,
)
from jupyter_kfp.store.rows import now

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

# The tables themselves: what an engine writes most does not go through objects, which cost several times as much.
_RUNS = cast("Table", schema.Run.__table__)
_TASKS = cast("Table", schema.Task.__table__)
_ATTEMPTS = cast("Table", schema.Attempt.__table__)
_PARAMETERS = cast("Table", schema.TaskParameter.__table__)
_ARTIFACTS = cast("Table", schema.Artifact.__table__)
_EVENTS = cast("Table", schema.Event.__table__)
_OUTPUTS = cast("Table", schema.RunOutput.__table__)
_HISTORY = cast("Table", schema.HistoryEvent.__table__)
_UPDATE_TASK = update(_TASKS).where(_TASKS.c.id == bindparam("_task"))
_UPDATE_ATTEMPT = update(_ATTEMPTS).where(
    _ATTEMPTS.c.task_id == bindparam("_task"), _ATTEMPTS.c.number == bindparam("_number")
)

ENGINE_DIED = Failure("The engine ended unexpectedly.")


class RunRecorder:
    """The pen of one run's engine. Every method is one transaction, unless in a `batch`; raises StoreError.

    Two things are also for others to write: `request_cancel`, and `abandon` when the engine is gone.
    """

    def __init__(self, database: Database, run_id: str) -> None:
        self._database = database
        self._run_id = run_id
        self._task_ids: dict[str, int] = {}
        self._batch: ExitStack | None = None
        self._session: Session | None = None

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is written inside is one transaction, begun by the first of it: all of it is there, or nothing."""
        with ExitStack() as stack:
            self._batch = stack
            try:
                yield
            finally:
                self._batch = self._session = None

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        if self._batch is None:
            with self._database.writing() as session:
                yield session
            return
        if self._session is None:
            self._session = self._batch.enter_context(self._database.writing())
        yield self._session

    def set_process(self, process: ProcessId) -> None:
        """Note which process executes the run."""
        with self._writing() as session:
            self._update_run(session, **asdict(process))

    def begin_run(self, process: ProcessId) -> None:
        """The engine starts: the run is RUNNING."""
        with self._writing() as session:
            # One that goes on keeps the time it began at.
            began = func.coalesce(schema.Run.started_at, literal(now(), schema.UtcDateTime()))
            self._update_run(session, state=State.RUNNING, started_at=began, **asdict(process))
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
        rows = [self._output(name, value=value) for name, value in (values or {}).items()]
        for name, ids in (artifacts or {}).items():
            is_list = name in lists
            rows += [
                self._output(name, position=position, artifact_id=artifact, is_list=is_list)
                for position, artifact in enumerate(ids)
            ]
            if is_list and not ids:
                rows.append(self._output(name, value=[], is_list=True))
        with self._writing() as session:
            _insert(session, _OUTPUTS, rows)
            self._update_run(session, state=state, ended_at=now(), failure=convert.failure_json(failure))
            self._log(session, "run", state=state, failure=failure)

    def request_cancel(self) -> None:
        """Note that somebody wants the run to end."""
        with self._writing() as session:
            self._update_run(session, cancel_requested_at=now())

    def abandon(self, failure: Failure = ENGINE_DIED, *, if_dead: bool = False) -> None:
        """No engine executes the run. It and its running tasks are FAILED, or CANCELED if that was asked for.

        Tasks that had not begun are CANCELED. Does nothing to a run that has ended, nor (``if_dead``) to one that another
        engine has gone on with since it was looked at.
        """
        with self._writing() as session:
            lives.abandon(session, self._run_id, failure, if_dead=if_dead)

    def add_tasks(
        self, tasks: Iterable[NewTask], state: State = State.PENDING, *, failure: Failure | None = None
    ) -> None:
        """Tasks that were not known before, such as those of a loop's iterations.

        Another ``state`` than PENDING is that of tasks that will never begin, and ``failure`` why not. What an
        earlier engine of this run has added stays as it is.
        """
        with self._writing() as session:
            self._load_ids(session)
            new = [task for task in tasks if task.path not in self._task_ids]
            if not new:
                return
            ended = now() if state.is_final else None
            why = convert.failure_json(failure) if state.is_final else None
            rows = [
                {
                    **asdict(task),
                    "run_id": self._run_id,
                    "state": state,
                    "ended_at": ended,
                    "failure": why if task.kind is TaskKind.TASK else None,
                }
                for task in new
            ]
            added = insert(_TASKS).returning(_TASKS.c.path, _TASKS.c.id, sort_by_parameter_order=True)
            self._task_ids.update((path, number) for path, number in session.execute(added, rows))
            if state.is_final:
                told = [task.path for task in new if task.kind is TaskKind.TASK]
                words = failure.message if failure else ""
                _insert(
                    session,
                    _HISTORY,
                    [self._line("task", task=path, state=state, message=words) for path in told],
                )

    def forget_tasks(self, paths: Iterable[str]) -> None:
        """These tasks are no part of the run any more, nor are those that are PENDING now that all others have ended.

        A loop has other items than in an earlier try.
        """
        pending = select(schema.Task.id).where(
            schema.Task.run_id == self._run_id, schema.Task.state == State.PENDING
        )
        with self._writing() as session:
            numbers = [*session.scalars(pending), *(self._task(session, path) for path in paths)]
            for some in convert.portions(numbers):
                session.execute(delete(schema.Task).where(schema.Task.id.in_(some)))

    def begin_group(self, path: str) -> None:
        """A group that holds other tasks begins: it is RUNNING."""
        with self._writing() as session:
            self._update_task(session, self._task(session, path), state=State.RUNNING, started_at=now())
            self._log(session, "group", task=path, state=State.RUNNING)

    def end_group(self, path: str, state: State, *, failure: Failure | None = None) -> None:
        """A group has ended. ``failure`` is its own, and not that of a task inside."""
        values = {"state": state, "ended_at": now(), "failure": convert.failure_json(failure)}
        with self._writing() as session:
            self._update_task(session, self._task(session, path), **values)
            kind = "task" if state is State.FAILED and failure else "group"
            self._log(session, kind, task=path, state=state, failure=failure)

    def begin_attempt(
        self, path: str, number: int, *, directory: str, log: str, first: bool | None = None
    ) -> None:
        """A try at a task starts: the task is RUNNING. ``first``: in this life of the run; by default the number 1."""
        first = number == 1 if first is None else first
        moment = now()
        with self._writing() as session:
            task = self._task(session, path)
            attempt = {
                "task_id": task,
                "number": number,
                "state": State.RUNNING,
                "directory": directory,
                "log": log,
                "started_at": moment,
            }
            _insert(session, _ATTEMPTS, [attempt])
            if first:
                self._update_task(session, task, state=State.RUNNING, started_at=moment)
                self._log(session, "task", task=path, state=State.RUNNING)
            else:
                self._log(session, "attempt", task=path, state=State.RUNNING, message=f"attempt {number}")

    def set_inputs(
        self, path: str, parameters: Mapping[str, Json], artifacts: Mapping[str, Sequence[int]]
    ) -> None:
        """Record what goes into a task: values, and the ids of artifacts, by port."""
        with self._writing() as session:
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
            "ended_at": now(),
            "exit_code": exit_code,
            "failure": convert.failure_json(failure),
        }
        with self._writing() as session:
            task = self._task(session, path)
            session.execute(_UPDATE_ATTEMPT, {"_task": task, "_number": number, **values})
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
        cache_key: str | None = None,
        origin: TaskOrigin | None = None,
    ) -> dict[str, tuple[int, ...]]:
        """A task has ended with these outputs. Returns the ids of its new artifacts by port.

        With a ``cache_key``, later runs may take its outputs instead of executing what has the same key. ``origin`` is
        what they come from, if it was executed.
        """
        moment = now()
        with self._writing() as session:
            task = self._task(session, path)
            if origin is not None:
                origins.record(session, self._run_id, task, path, origin)
            self._update_task(
                session,
                task,
                state=state,
                ended_at=moment,
                failure=convert.failure_json(failure),
                cache_key=cache_key,
                interrupted=False,
            )
            _add_parameters(session, task, Direction.OUTPUT, parameters or {})
            ids: dict[str, tuple[int, ...]] = {}
            for port, made in (artifacts or {}).items():
                ids[port] = self._add_artifacts(session, made, moment)
            _add_events(session, task, Direction.OUTPUT, ids)
            self._log(session, "task", task=path, state=state, failure=failure)
            return ids

    def is_there(self, source: FinishedTask) -> bool:
        """Whether what a task has made has not been removed; if so, it stays until this transaction ends."""
        artifacts = [artifact for all_ in source.artifacts.values() for artifact in all_]
        made = select(_ARTIFACTS.c.uri).where(_ARTIFACTS.c.id.in_({artifact.id for artifact in artifacts}))
        task = select(_TASKS.c.path).where(_TASKS.c.id == source.id, _TASKS.c.run_id == source.run_id)
        with self._writing() as session:
            # A number may have gone to another row meanwhile.
            found = set(session.scalars(made.with_for_update(read=True, key_share=True)))
            path = session.scalar(task.with_for_update(read=True, key_share=True))
        return path == source.path and found == {artifact.uri for artifact in artifacts}

    def reuse(self, path: str, source: FinishedTask) -> None:
        """A task is CACHED: its outputs are those of ``source``, whose artifacts it shares."""
        ids = {port: [artifact.id for artifact in all_] for port, all_ in source.artifacts.items()}
        moment = now()
        with self._writing() as session:
            task = self._task(session, path)
            made_by = session.scalar(select(schema.Task.provenance).where(schema.Task.id == source.id))
            values = {
                "started_at": moment,
                "ended_at": moment,
                "reused_from": source.id,
                "provenance": made_by,
            }
            self._update_task(session, task, state=State.CACHED, failure=None, interrupted=False, **values)
            _add_parameters(session, task, Direction.OUTPUT, source.parameters)
            _add_events(session, task, Direction.OUTPUT, ids)
            self._log(session, "task", task=path, state=State.CACHED, message=f"from run {source.run_id}")

    def begin_again(self, path: str) -> None:
        """What a task took and made in an earlier try of the run does not count: it is to be executed."""
        with self._writing() as session:
            task = self._task(session, path)
            for table in (schema.TaskParameter, schema.Event):
                session.execute(delete(table).where(table.task_id == task))
            self._update_task(
                session, task, state=State.PENDING, failure=None, cache_key=None, reused_from=None
            )

    def note(self, message: str, *, kind: str = "note", task: str | None = None) -> None:
        """Add a line to the history that changes no state; ``kind`` is ``note`` or ``warning``."""
        with self._writing() as session:
            self._log(session, kind, task=task, message=message)

    def _task(self, session: Session, path: str) -> int:
        """The database's id of the task at ``path``."""
        self._load_ids(session)
        return self._task_ids[path]

    def _load_ids(self, session: Session) -> None:
        """Read the ids of the tasks there are, once: this engine adds all later ones."""
        if not self._task_ids:
            of_run = select(schema.Task.path, schema.Task.id).where(schema.Task.run_id == self._run_id)
            self._task_ids.update((name, number) for name, number in session.execute(of_run))

    def _add_artifacts(
        self, session: Session, made: Sequence[NewArtifact], moment: datetime
    ) -> tuple[int, ...]:
        if not made:
            return ()
        rows = [
            {
                "run_id": self._run_id,
                "name": artifact.name,
                "type": artifact.type,
                "uri": artifact.uri,
                "metadata": dict(artifact.metadata),
                "sha256": artifact.sha256,
                "size": artifact.size,
                "created_at": moment,
            }
            for artifact in made
        ]
        added = insert(_ARTIFACTS).returning(_ARTIFACTS.c.id, sort_by_parameter_order=True)
        return tuple(session.scalars(added, rows))

    def _output(
        self,
        name: str,
        *,
        position: int = 0,
        value: Json = None,
        artifact_id: int | None = None,
        is_list: bool = False,
    ) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "name": name,
            "position": position,
            "value": value,
            "artifact_id": artifact_id,
            "is_list": is_list,
        }

    def _update_run(self, session: Session, **values: object) -> None:
        session.execute(update(_RUNS).where(_RUNS.c.id == self._run_id).values(**values))

    def _update_task(self, session: Session, task: int, **values: object) -> None:
        session.execute(_UPDATE_TASK, {"_task": task, **values})

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
        words = failure.message if failure else message
        _insert(session, _HISTORY, [self._line(kind, task=task, state=state, message=words)])

    def _line(self, kind: str, *, task: str | None, state: State | None, message: str) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "time": now(),
            "kind": kind,
            "task": task,
            "state": state,
            "message": convert.storable(message),
        }


def _add_parameters(session: Session, task: int, direction: Direction, values: Mapping[str, Json]) -> None:
    rows = [
        {"task_id": task, "direction": direction, "name": name, "value": value}
        for name, value in values.items()
    ]
    _insert(session, _PARAMETERS, rows)


def _add_events(
    session: Session, task: int, direction: Direction, artifacts: Mapping[str, Sequence[int]]
) -> None:
    moment = now()
    rows = [
        {
            "task_id": task,
            "direction": direction,
            "port": port,
            "position": position,
            "artifact_id": artifact,
            "time": moment,
        }
        for port, ids in artifacts.items()
        for position, artifact in enumerate(ids)
    ]
    _insert(session, _EVENTS, rows)


def _insert(session: Session, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        session.execute(insert(table), rows)
