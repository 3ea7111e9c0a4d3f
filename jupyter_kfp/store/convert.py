"""Rows to records and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from jupyter_kfp.store import schema
from jupyter_kfp.store.records import (
    ArtifactRecord,
    AttemptRecord,
    Direction,
    Failure,
    FinishedTask,
    NewArtifact,
    Origin,
    RunEvent,
    RunRecord,
    TaskRecord,
)

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json


_Id = TypeVar("_Id", int, str)
# How many values a query may list: older SQLite takes no more than 999.
_AT_ONCE = 900


def portions(ids: Sequence[_Id]) -> Iterator[Sequence[_Id]]:
    """The ids in parts that fit into a query."""
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def storable(text: str) -> str:
    """Text as every database takes it: no lone surrogates (SQLite), no NUL (PostgreSQL)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


def failure_json(failure: Failure | None) -> dict[str, Any] | None:
    """A failure as the store keeps it."""
    return None if failure is None else {k: v for k, v in asdict(failure).items() if v is not None}


def _failure(value: dict[str, Any] | None) -> Failure | None:
    return None if value is None else Failure(**value)


def run_record(row: schema.Run) -> RunRecord:
    """A run, without its IR."""
    return RunRecord(
        id=row.id,
        name=row.name,
        pipeline=row.pipeline,
        state=row.state,
        root=row.root,
        parameters=row.parameters,
        origin=Origin(row.notebook, row.notebook_sha256, row.provenance),
        options=row.options,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        cancel_requested_at=row.cancel_requested_at,
        failure=_failure(row.failure),
        host=row.host,
        pid=row.pid,
        pid_started=row.pid_started,
        interrupted=row.interrupted,
    )


def run_event(row: schema.HistoryEvent) -> RunEvent:
    """One line of history."""
    return RunEvent(row.id, row.run_id, row.time, row.kind, row.task, row.state, row.message)


def artifact_row(run_id: str, new: NewArtifact, created_at: datetime) -> schema.Artifact:
    """A row for an artifact that was just made."""
    return schema.Artifact(
        run_id=run_id,
        name=new.name,
        type=new.type,
        uri=new.uri,
        info=dict(new.metadata),
        sha256=new.sha256,
        size=new.size,
        created_at=created_at,
    )


def _artifact(row: schema.Artifact, task: str | None, port: str | None) -> ArtifactRecord:
    return ArtifactRecord(
        name=row.name,
        type=row.type,
        uri=row.uri,
        metadata=row.info,
        sha256=row.sha256,
        size=row.size,
        id=row.id,
        run_id=row.run_id,
        task=task,
        port=port,
        created_at=row.created_at,
    )


def _attempt(row: schema.Attempt) -> AttemptRecord:
    return AttemptRecord(
        number=row.number,
        state=row.state,
        directory=row.directory,
        log=row.log,
        started_at=row.started_at,
        ended_at=row.ended_at,
        exit_code=row.exit_code,
        failure=_failure(row.failure),
    )


def task_records(session: Session, run_id: str) -> list[TaskRecord]:
    """All tasks of a run, in six queries however many there are."""
    of_run = schema.Task.run_id == run_id
    attempts: dict[int, list[AttemptRecord]] = defaultdict(list)
    by_number = select(schema.Attempt).join(schema.Task).where(of_run).order_by(schema.Attempt.number)
    for attempt in session.scalars(by_number):
        attempts[attempt.task_id].append(_attempt(attempt))
    parameters: dict[tuple[int, Direction], dict[str, Json]] = defaultdict(dict)
    for parameter in session.scalars(select(schema.TaskParameter).join(schema.Task).where(of_run)):
        parameters[parameter.task_id, parameter.direction][parameter.name] = parameter.value
    artifacts: dict[tuple[int, Direction], dict[str, tuple[ArtifactRecord, ...]]] = defaultdict(dict)
    makers = _makers(session, run_id)
    sources = _sources(session, run_id)
    in_order = (
        select(schema.Event, schema.Artifact)
        .join(schema.Task, schema.Event.task_id == schema.Task.id)
        .join(schema.Artifact)
        .where(of_run)
        .order_by(schema.Event.port, schema.Event.position)
    )
    for event, row in session.execute(in_order):
        of_port = artifacts[event.task_id, event.direction]
        of_port[event.port] = (
            *of_port.get(event.port, ()),
            _artifact(row, *makers.get(row.id, (None, None))),
        )
    return [
        TaskRecord(
            run_id=run_id,
            path=task.path,
            key=task.key,
            display_name=task.display_name,
            component=task.component,
            state=task.state,
            started_at=task.started_at,
            ended_at=task.ended_at,
            failure=_failure(task.failure),
            kind=task.kind,
            attempts=tuple(attempts[task.id]),
            input_parameters=parameters[task.id, Direction.INPUT],
            output_parameters=parameters[task.id, Direction.OUTPUT],
            input_artifacts=artifacts[task.id, Direction.INPUT],
            output_artifacts=artifacts[task.id, Direction.OUTPUT],
            reused_from=sources.get(task.id),
        )
        for task in session.scalars(
            select(schema.Task).where(of_run).order_by(schema.Task.position, schema.Task.id)
        )
    ]


def run_outputs(
    session: Session, run_id: str
) -> dict[str, Json | ArtifactRecord | tuple[ArtifactRecord, ...]]:
    """The results of a run by name."""
    makers = _makers(session, run_id)
    rows = (
        select(schema.RunOutput, schema.Artifact)
        .outerjoin(schema.Artifact, schema.RunOutput.artifact_id == schema.Artifact.id)
        .where(schema.RunOutput.run_id == run_id)
        .order_by(schema.RunOutput.name, schema.RunOutput.position)
    )
    outputs: dict[str, Json | ArtifactRecord | tuple[ArtifactRecord, ...]] = {}
    for output, row in session.execute(rows):
        if row is None:
            outputs[output.name] = output.value
            continue
        artifact = _artifact(row, *makers.get(row.id, (None, None)))
        match outputs.get(output.name):
            case None:
                outputs[output.name] = (artifact,) if output.is_list else artifact
            case ArtifactRecord() as first:
                outputs[output.name] = (first, artifact)
            case tuple() as several:
                outputs[output.name] = (*several, artifact)
    return outputs


def _sources(session: Session, run_id: str) -> dict[int, tuple[str, str]]:
    """For each task of a run that is CACHED: the run and the path of the one whose outputs it has."""
    source = aliased(schema.Task)
    found = (
        select(schema.Task.id, source.run_id, source.path)
        .join(source, schema.Task.reused_from == source.id)
        .where(schema.Task.run_id == run_id)
    )
    return {task: (run, path) for task, run, path in session.execute(found)}


def finished_tasks(session: Session, which: Select[schema.Task]) -> list[FinishedTask]:
    """The tasks that ``which`` selects, in its order, with what they made; in three queries."""
    tasks = session.scalars(which).all()
    ids = [task.id for task in tasks]
    parameters: dict[int, dict[str, Json]] = defaultdict(dict)
    artifacts: dict[int, dict[str, tuple[ArtifactRecord, ...]]] = defaultdict(dict)
    for some in portions(ids):
        of_tasks = schema.TaskParameter.task_id.in_(some)
        made = schema.TaskParameter.direction == Direction.OUTPUT
        for parameter in session.scalars(select(schema.TaskParameter).where(of_tasks, made)):
            parameters[parameter.task_id][parameter.name] = parameter.value
        events = (
            select(schema.Event, schema.Artifact)
            .join(schema.Artifact)
            .where(schema.Event.task_id.in_(some), schema.Event.direction == Direction.OUTPUT)
            .order_by(schema.Event.port, schema.Event.position)
        )
        for event, row in session.execute(events):
            of_task = artifacts[event.task_id]
            of_task[event.port] = (*of_task.get(event.port, ()), _artifact(row, None, event.port))
    return [
        FinishedTask(
            id=task.id,
            run_id=task.run_id,
            path=task.path,
            state=task.state,
            failure=_failure(task.failure),
            ended_at=task.ended_at,
            parameters=parameters[task.id],
            artifacts=artifacts[task.id],
        )
        for task in tasks
    ]


def _makers(session: Session, run_id: str) -> dict[int, tuple[str, str]]:
    """For each artifact of a run: the task that made it and its port there."""
    made = (
        select(schema.Event.artifact_id, schema.Task.path, schema.Event.port)
        .join(schema.Task, schema.Event.task_id == schema.Task.id)
        .where(schema.Task.run_id == run_id, schema.Event.direction == Direction.OUTPUT)
    )
    return {artifact: (path, port) for artifact, path, port in session.execute(made)}
