"""Runs that something else executes, as they were last seen: what changed is written down, nothing twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jupyter_kfp.store import convert, origins, schema
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.records import Direction, Failure, NewArtifact, NewTask, State, TaskKind, TaskOrigin
from jupyter_kfp.store.rows import history, task_row

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

TRIED = "tried"
"""The option of a run that says how often its tasks were tried before it was executed again, by path."""


@dataclass(frozen=True, slots=True)
class SeenAttempt:
    """A try at a task as it was seen. ``log``: the file that what it prints is copied to."""

    number: int
    state: State
    started_at: datetime
    ended_at: datetime | None = None
    failure: Failure | None = None
    directory: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class SeenTask:
    """A task as it was seen."""

    task: NewTask
    state: State
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: Failure | None = None
    attempts: tuple[SeenAttempt, ...] = ()
    inputs: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Sequence[NewArtifact]] = field(default_factory=dict)
    input_artifacts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    origin: TaskOrigin | None = None


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as it was seen; ``input_artifacts`` of its tasks are URIs of artifacts of others."""

    state: State
    started_at: datetime | None
    ended_at: datetime | None
    failure: Failure | None
    tasks: tuple[SeenTask, ...]
    outputs: Mapping[str, Json] = field(default_factory=dict)
    output_artifacts: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Mirror:
    """What writes down a run that is executed elsewhere. Raises StoreError."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database = database
        self._run_id = run_id

    def write(self, seen: SeenRun) -> None:
        """Bring the store to what was seen, in one transaction. The same again changes nothing."""
        with self._database.writing() as session:
            run = session.get_one(schema.Run, self._run_id)
            rows = {
                row.path: row
                for row in session.scalars(select(schema.Task).where(schema.Task.run_id == self._run_id))
            }
            for task in seen.tasks:
                row = rows.get(task.task.path)
                if row is None:
                    row = task_row(self._run_id, task.task, State.PENDING)
                    session.add(row)
                    session.flush()
                self._task(session, row, task)
            self._inputs(session, seen)
            self._outputs(session, seen)
            if run.state is not seen.state:
                session.add(history(self._run_id, "run", state=seen.state, message=_words(seen.failure)))
            run.state, run.started_at, run.ended_at = seen.state, seen.started_at, seen.ended_at
            run.failure = convert.failure_json(seen.failure)

    def reopen(self) -> None:
        """The run is executed again: it is RUNNING, and nobody wants it to end.

        How often what has not ended well was tried so far goes into the run's options: those tries stay.
        """
        with self._database.writing() as session:
            run = session.get_one(schema.Run, self._run_id)
            tried = (
                select(schema.Task.path, func.max(schema.Attempt.number))
                .join(schema.Attempt)
                .where(schema.Task.run_id == self._run_id)
                .where(schema.Task.state.not_in([State.SUCCEEDED, State.CACHED]))
                .group_by(schema.Task.path)
            )
            counts = {path: number for path, number in session.execute(tried)}  # noqa: C416 (as below)
            run.options = {**run.options, TRIED: {**run.options.get(TRIED, {}), **counts}}
            run.state, run.ended_at, run.failure, run.cancel_requested_at = State.RUNNING, None, None, None
            session.add(history(self._run_id, "run", state=State.RUNNING, message="retried"))

    def _task(self, session: Session, row: schema.Task, seen: SeenTask) -> None:
        if row.state is not seen.state:
            kind = "group" if row.kind is TaskKind.GROUP else "task"
            session.add(
                history(self._run_id, kind, task=row.path, state=seen.state, message=_words(seen.failure))
            )
        row.state, row.started_at, row.ended_at = seen.state, seen.started_at, seen.ended_at
        row.failure = convert.failure_json(seen.failure)
        self._attempts(session, row, seen)
        if seen.origin is not None:
            origins.record(session, self._run_id, row.id, row.path, seen.origin)
        for name, value in seen.inputs.items():
            session.merge(
                schema.TaskParameter(task_id=row.id, direction=Direction.INPUT, name=name, value=value)
            )
        for name, value in seen.outputs.items():
            session.merge(
                schema.TaskParameter(task_id=row.id, direction=Direction.OUTPUT, name=name, value=value)
            )
        for port, made in seen.artifacts.items():
            for position, artifact in enumerate(made):
                self._artifact(session, row.id, port, position, artifact, seen.ended_at)

    def _attempts(self, session: Session, row: schema.Task, seen: SeenTask) -> None:
        for attempt in seen.attempts:
            session.merge(
                schema.Attempt(
                    task_id=row.id,
                    number=attempt.number,
                    state=attempt.state,
                    directory=attempt.directory,
                    log=attempt.log,
                    started_at=attempt.started_at,
                    ended_at=attempt.ended_at,
                    failure=convert.failure_json(attempt.failure),
                )
            )

    def _artifact(
        self, session: Session, task: int, port: str, position: int, new: NewArtifact, moment: datetime | None
    ) -> None:
        key = (task, Direction.OUTPUT, port, position)
        event = session.get(schema.Event, key)
        if event is not None:
            row = session.get_one(schema.Artifact, event.artifact_id)
            row.uri, row.info, row.sha256, row.size = new.uri, dict(new.metadata), new.sha256, new.size
            return
        assert moment is not None, "only a task that has ended has outputs"
        row = convert.artifact_row(self._run_id, new, moment)
        session.add(row)
        session.flush()
        session.add(
            schema.Event(
                task_id=task, direction=Direction.OUTPUT, port=port, position=position, artifact_id=row.id, time=moment
            )
        )  # fmt: skip

    def _inputs(self, session: Session, seen: SeenRun) -> None:
        session.flush()
        known = self._known(session)
        of_run = select(schema.Task.path, schema.Task.id).where(schema.Task.run_id == self._run_id)
        rows = {path: number for path, number in session.execute(of_run)}  # noqa: C416 (as below)
        for task in seen.tasks:
            for port, uris in task.input_artifacts.items():
                for position, uri in enumerate(uris):
                    if uri in known and task.started_at is not None:
                        session.merge(
                            schema.Event(
                                task_id=rows[task.task.path],
                                direction=Direction.INPUT,
                                port=port,
                                position=position,
                                artifact_id=known[uri],
                                time=task.started_at,
                            )
                        )

    def _outputs(self, session: Session, seen: SeenRun) -> None:
        known = self._known(session)
        for name, value in seen.outputs.items():
            session.merge(schema.RunOutput(run_id=self._run_id, name=name, position=0, value=value))
        for name, uris in seen.output_artifacts.items():
            found = [known[uri] for uri in uris if uri in known]
            for position, artifact in enumerate(found):
                session.merge(
                    schema.RunOutput(
                        run_id=self._run_id,
                        name=name,
                        position=position,
                        artifact_id=artifact,
                        is_list=len(uris) > 1,
                    )
                )

    def _known(self, session: Session) -> dict[str, int]:
        found = select(schema.Artifact.uri, schema.Artifact.id).where(schema.Artifact.run_id == self._run_id)
        return {uri: number for uri, number in session.execute(found)}  # noqa: C416 (a result is not a mapping)


def _words(failure: Failure | None) -> str:
    return failure.message if failure else ""
