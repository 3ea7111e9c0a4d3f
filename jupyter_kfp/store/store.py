"""The runs there are: finding, reading and adding them. `recorder` writes down what happens in one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import convert, liveness, lives, schema
from jupyter_kfp.store.database import Database, StoreError
from jupyter_kfp.store.location import store_url
from jupyter_kfp.store.mirror import Mirror
from jupyter_kfp.store.recorder import ENGINE_DIED, RunRecorder
from jupyter_kfp.store.records import (
    ArtifactRecord,
    Failure,
    FinishedTask,
    NewRun,
    NewTask,
    RunEvent,
    RunRecord,
    State,
    TaskKind,
    TaskOrigin,
    TaskRecord,
    Tries,
)
from jupyter_kfp.store.rows import history, task_row
from jupyter_kfp.store.table import Query, Row, select_rows
from jupyter_kfp.store.values import named_values

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from openlineage.client import event_v2 as ol

    from jupyter_kfp.pipeline import Json
    from jupyter_kfp.store.lineage.approvals import Approval
    from jupyter_kfp.store.lineage.audit import Answers
    from jupyter_kfp.store.lineage.model import Lineage, Way


def open_store(url: str | None = None) -> Store:
    """The store at ``url``, or the user's own. Raises StoreError, with a remedy, if it cannot be used."""
    return Store(Database(url or store_url()))


class Store:
    """The runs of one database. Every method is a transaction of its own; raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        self._database.close()

    def run(self, run_id: str) -> RunRecord:
        """The run ``run_id`` (or the only one whose id starts so). Raises UsageError if there is none."""
        return self._checked(self.unchecked_run(run_id))

    def unchecked_run(self, run_id: str) -> RunRecord:
        """The run as it was last recorded, be its engine alive or dead."""
        with self._database.reading() as session:
            return convert.run_record(self._find(session, run_id))

    def runs(self, *, limit: int | None = None, pipeline: str | None = None) -> list[RunRecord]:
        """The runs, newest first."""
        query = select(schema.Run).order_by(schema.Run.created_at.desc(), schema.Run.id.desc()).limit(limit)
        if pipeline is not None:
            query = query.where(schema.Run.pipeline == pipeline)
        with self._database.reading() as session:
            records = [convert.run_record(row) for row in session.scalars(query)]
        return [self._checked(record) for record in records]

    def values(self, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """For each run what it made by name: see `values.named_values`."""
        with self._database.reading() as session:
            return named_values(session, run_ids)

    def table(self, query: Query, *, pipeline: str | None = None) -> list[Row]:
        """The runs that ``query`` asks for, with their values. Raises UsageError as `select_rows` does."""
        records = self.runs(pipeline=pipeline)
        made = self.values([record.id for record in records])
        return select_rows([(record, made.get(record.id, {})) for record in records], query)

    def ir(self, run_id: str) -> str:
        """The compiled pipeline of a run, as it was given."""
        with self._database.reading() as session:
            return self._find(session, run_id).ir

    def tasks(self, run_id: str, *, groups: bool = False) -> list[TaskRecord]:
        """The tasks of a run in the order of the pipeline, with attempts, parameters and artifacts.

        Of the groups that hold tasks only those that failed by themselves, as by a condition that cannot be
        evaluated; ``groups``: all of them.
        """
        with self._database.reading() as session:
            records = convert.task_records(session, run_id)
        if groups:
            return records
        return [task for task in records if task.kind is TaskKind.TASK or task.failure is not None]

    def states(self, run_id: str) -> dict[str, State]:
        """The states of the tasks and groups of a run, by path."""
        query = select(schema.Task.path, schema.Task.state).where(schema.Task.run_id == run_id)
        with self._database.reading() as session:
            return {path: state for path, state in session.execute(query)}  # noqa: C416 (a result is no mapping)

    def task(self, run_id: str, path: str) -> TaskRecord:
        """One task of a run by its path. Raises UsageError naming the tasks there are."""
        tasks = self.tasks(run_id)
        for task in tasks:
            if task.path == path:
                return task
        known = ", ".join(task.path for task in tasks) or "none yet"
        raise UsageError(f"Run {run_id} has no task {path!r}.", f"Its tasks: {known}.")

    def outputs(self, run_id: str) -> dict[str, Json | ArtifactRecord | tuple[ArtifactRecord, ...]]:
        """The results of the pipeline: values, artifacts, or tuples of artifacts."""
        with self._database.reading() as session:
            return convert.run_outputs(session, run_id)

    def events(self, run_id: str, *, after: int = 0) -> list[RunEvent]:
        """The history of a run, from the event after the one with id ``after``."""
        query = (
            select(schema.HistoryEvent)
            .where(schema.HistoryEvent.run_id == run_id, schema.HistoryEvent.id > after)
            .order_by(schema.HistoryEvent.id)
        )
        with self._database.reading() as session:
            return [convert.run_event(row) for row in session.scalars(query)]

    def last_event(self, run_id: str) -> int:
        """The id of the newest line of a run's history; 0 if there is none."""
        query = select(func.max(schema.HistoryEvent.id)).where(schema.HistoryEvent.run_id == run_id)
        with self._database.reading() as session:
            return session.scalar(query) or 0

    def create_run(self, new: NewRun, tasks: Iterable[NewTask]) -> RunRecord:
        """Add a run and its tasks, all PENDING."""
        row = schema.Run(
            id=new.id,
            name=new.name,
            pipeline=new.pipeline,
            state=State.PENDING,
            root=new.root,
            parameters=dict(new.parameters),
            notebook=new.origin.notebook,
            notebook_sha256=new.origin.notebook_sha256,
            provenance=dict(new.origin.provenance),
            options=dict(new.options),
            ir=new.ir,
            created_at=datetime.now(timezone.utc),
        )
        with self._database.writing() as session:
            session.add(row)
            session.flush()
            session.add_all(task_row(new.id, task, State.PENDING) for task in tasks)
            session.add(history(new.id, "run", state=State.PENDING))
            session.flush()
            return convert.run_record(row)

    def reopen(
        self, run_id: str, process: liveness.ProcessId, known: Collection[str], *, failed_too: bool
    ) -> None:
        """Let a run that has ended go on: see `lives.reopen`. Raises UsageError if it has not ended."""
        with self._database.writing() as session:
            lives.reopen(session, run_id, process, known, failed_too=failed_too)

    def set_option(self, run_id: str, name: str, value: Json) -> None:
        """Note something with the options of a run, in place of what was there under that name."""
        with self._database.writing() as session:
            run = session.get_one(schema.Run, run_id)
            run.options = {**run.options, name: value}

    def begin_again(
        self, run_id: str, process: liveness.ProcessId, known: Collection[str], failure: Failure
    ) -> bool:
        """The run's own engine begins again, not knowing what it has written last: what ended well stays.

        False: there is nothing to go on with, as the run has ended, or is canceled by this.
        """
        with self._database.writing() as session:
            run = session.get_one(schema.Run, run_id, with_for_update=True)
            if run.state.is_final:
                return False
            lives.abandon(session, run_id, failure)
            if run.state is State.CANCELED:
                return False
            lives.reopen(session, run_id, process, known, failed_too=False)
            return True

    def finished_tasks(self, run_id: str) -> list[FinishedTask]:
        """The tasks of a run that have ended well or failed, with what they made."""
        states = [State.SUCCEEDED, State.CACHED, State.FAILED]
        which = select(schema.Task).where(
            schema.Task.run_id == run_id, schema.Task.kind == TaskKind.TASK, schema.Task.state.in_(states)
        )
        with self._database.reading() as session:
            return convert.finished_tasks(session, which.order_by(schema.Task.ended_at))

    def tries(self, run_id: str) -> dict[str, Tries]:
        """The attempts there are of the tasks of a run, by path."""
        with self._database.reading() as session:
            return lives.tries(session, run_id)

    def cached(self, key: str, *, limit: int = 3) -> list[FinishedTask]:
        """The cache's entries for a key: tasks that ended well, newest first, no more than ``limit``."""
        which = (
            select(schema.Task)
            .where(schema.Task.cache_key == key, schema.Task.state == State.SUCCEEDED)
            .order_by(schema.Task.ended_at.desc(), schema.Task.id.desc())
            .limit(limit)
        )
        with self._database.reading() as session:
            return convert.finished_tasks(session, which)

    def recorder(self, run_id: str) -> RunRecorder:
        """What writes down the rest of that run's life."""
        return RunRecorder(self._database, run_id)

    def mirror(self, run_id: str) -> Mirror:
        """What writes down a run that a cluster executes."""
        return Mirror(self._database, run_id)

    # Of lineage nothing is imported before somebody asks: that would be 20 ms of every engine's start.

    def lineage(self, subject: str, way: Way | str = "up") -> Lineage:
        """What a run, a step or an artifact was made of, or what was made of it: see `reading.lineage`.

        ``way`` is "up", "down" or "both".
        """
        from jupyter_kfp.store.lineage import reading
        from jupyter_kfp.store.lineage.model import Way

        with self._database.reading() as session:
            return reading.lineage(session, subject, Way(way))

    def audit(self, found: Lineage) -> list[Answers]:
        """The auditor's five questions, answered for the models (or else artifacts) an upstream lineage is of."""
        from jupyter_kfp.store.lineage import approvals, audit, reading

        artifacts = audit.audited(found)
        with self._database.reading() as session:
            known = approvals.approvals(session, {each.sha256 for each in artifacts if each.sha256})
            versions = reading.versions(session, [each.artifact_id for each in artifacts])
        return [audit.answers(found, each, known, versions) for each in artifacts]

    def approve(self, subject: str, by: str, note: str = "") -> Approval:
        """Add an approval of an artifact, whose content is read before.

        Raises UsageError where ``subject`` (see `lineage`) is not exactly one artifact, where its content is not known,
        or is not what was recorded.
        """
        from jupyter_kfp.store.lineage import approvals, reading, verify

        with self._database.reading() as session:
            artifact = reading.one_artifact(session, subject)
        verify.check_approvable(artifact, by)
        with self._database.writing() as session:
            return approvals.approve(session, artifact, by, note)

    def openlineage(self, run_id: str, history: Iterable[RunEvent] | None = None) -> Iterator[ol.RunEvent]:
        """The history of a run, or some of it, as OpenLineage events. Raises MissingPackageError without the extra."""
        from jupyter_kfp.store.lineage import openlineage

        run = self.unchecked_run(run_id)
        told = openlineage.Told(run, {task.path: task for task in self.tasks(run.id)}, self.origins(run.id))
        return openlineage.events(
            told, self.events(run.id) if history is None else history, namespace=openlineage.namespace()
        )

    def origins(self, run_id: str) -> dict[str, TaskOrigin]:
        """What the outputs of the tasks of a run come from, by path; tasks of which nothing is known are left out."""
        from jupyter_kfp.store.lineage import reading

        with self._database.reading() as session:
            return reading.origins(session, run_id)

    def environment(self, sha256: str | None) -> dict[str, Any] | None:
        """What was installed where a step ran, by the hash that its provenance names; None if that is not known."""
        with self._database.reading() as session:
            row = session.get(schema.Environment, sha256) if sha256 else None
            return row.content if row is not None else None

    def approvals(self) -> list[Approval]:
        """All approvals in their order."""
        from jupyter_kfp.store.lineage import approvals

        with self._database.reading() as session:
            return approvals.approvals(session)

    def _find(self, session: Session, run_id: str) -> schema.Run:
        undeferred = [undefer(schema.Run.ir)]
        row = session.get(schema.Run, run_id, options=undeferred)
        if row is not None:
            return row
        if run_id:
            prefix = schema.Run.id.startswith(run_id, autoescape=True)
            rows = session.scalars(select(schema.Run).where(prefix).options(*undeferred).limit(2)).all()
            if len(rows) == 1:
                return rows[0]
            if rows:
                raise UsageError(f"Several runs have an id that starts with {run_id!r}.", "Give more of it.")
        raise UsageError(f"There is no run {run_id!r}.", "`jupyter kfp runs` lists those there are.")

    def _checked(self, record: RunRecord) -> RunRecord:
        """The record, corrected if its engine is dead: a dead run is never shown as running."""
        if liveness.is_alive(record):
            return record
        try:
            self.recorder(record.id).abandon(if_dead=True)
            return self.unchecked_run(record.id)
        except StoreError:  # a full disk killed the engine, perhaps; what can be read is still shown
            return replace(record, state=State.FAILED, failure=ENGINE_DIED)
