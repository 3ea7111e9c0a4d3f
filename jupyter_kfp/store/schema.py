"""The tables. Changing one needs a migration in ``migrations/versions`` and a new ``database.HEAD``."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from jupyter_kfp.store.records import Direction, State, TaskKind


class JsonText(TypeDecorator[Any]):
    """JSON kept as text.

    Databases' own JSON types differ on what Python values survive: PostgreSQL refuses NaN, MySQL
    reorders keys. Text gives back exactly what Python's json wrote.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Python value to text."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Text to Python value."""
        return None if value is None else json.loads(value)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, kept in UTC. SQLite drops time zones, so they are put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Any aware datetime to UTC."""
        return None if value is None else value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database has, as an aware datetime."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=timezone.utc)


class EnumText(TypeDecorator[Any]):
    """An enum kept as its value, so that a newer version's member is not a database error."""

    impl = String(16)
    cache_ok = True

    def __init__(self, kind: type[State] | type[Direction] | type[TaskKind]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: State | Direction | TaskKind | None, dialect: Dialect) -> str | None:
        """Member to text."""
        return None if value is None else str(value.value)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> State | Direction | TaskKind | None:
        """Text to member."""
        return None if value is None else self.kind(value)


class Base(DeclarativeBase):
    """The base of all tables; constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads a plain class attribute)
        datetime: UtcDateTime,
        State: EnumText(State),
        Direction: EnumText(Direction),
        TaskKind: EnumText(TaskKind),
    }


class Run(Base):
    """One execution of a pipeline."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    pipeline: Mapped[str] = mapped_column(Text)
    state: Mapped[State] = mapped_column(index=True)
    root: Mapped[str] = mapped_column(Text)
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonText)
    notebook: Mapped[str | None] = mapped_column(Text)
    notebook_sha256: Mapped[str | None] = mapped_column(String(64))
    provenance: Mapped[dict[str, Any]] = mapped_column(JsonText)
    options: Mapped[dict[str, Any]] = mapped_column(JsonText)
    ir: Mapped[str] = mapped_column(Text, deferred=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    # Its engine died: it did not come to an end of its own.
    interrupted: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)
    host: Mapped[str | None] = mapped_column(Text)
    pid: Mapped[int | None]
    pid_started: Mapped[float | None] = mapped_column(Float)
    # Housekeeping keeps it.
    pinned: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)


class Task(Base):
    """One task of a run; ``path`` is its dotted place.

    One that succeeded and has a ``cache_key`` is the cache's entry for that key. ``reused_from`` is the task whose
    outputs one that is CACHED has (it may be gone).
    """

    __tablename__ = "tasks"
    __table_args__ = (UniqueConstraint("run_id", "path"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str] = mapped_column(Text)
    component: Mapped[str] = mapped_column(Text)
    kind: Mapped[TaskKind] = mapped_column(server_default=TaskKind.TASK.value)
    position: Mapped[str] = mapped_column(Text, server_default="")
    state: Mapped[State]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    # Its engine died while it ran, or it has to go on after that.
    interrupted: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)
    cache_key: Mapped[str | None] = mapped_column(String(64), index=True)
    reused_from: Mapped[int | None] = mapped_column(Integer)
    # What made its outputs: hash of the cell, image and its digest, hash of its environment.
    provenance: Mapped[dict[str, Any] | None] = mapped_column(JsonText)


class Attempt(Base):
    """One try at a task."""

    __tablename__ = "attempts"

    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[State]
    directory: Mapped[str] = mapped_column(Text)
    log: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JsonText)


class TaskParameter(Base):
    """A parameter value that went into or came out of a task."""

    __tablename__ = "task_parameters"

    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    direction: Mapped[Direction] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    value: Mapped[Any] = mapped_column(JsonText, nullable=True)


class Artifact(Base):
    """A file or directory a run made or read."""

    __tablename__ = "artifacts"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text, index=True)
    # "metadata" is taken by SQLAlchemy's base class.
    info: Mapped[dict[str, Any]] = mapped_column("metadata", JsonText)
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    # Housekeeping keeps it, whatever becomes of its run's others.
    pinned: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)


class Event(Base):
    """That a task read or made an artifact, and by which port; ``position`` orders a list of artifacts."""

    __tablename__ = "events"

    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    direction: Mapped[Direction] = mapped_column(primary_key=True)
    port: Mapped[str] = mapped_column(String(255), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifacts.id", ondelete="CASCADE"), index=True)
    time: Mapped[datetime]


class RunOutput(Base):
    """A named result of a run: a value, or an artifact (several, ordered, where it is a list).

    A list of artifacts that is empty is a value: ``[]``.
    """

    __tablename__ = "run_outputs"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[Any] = mapped_column(JsonText, nullable=True)
    artifact_id: Mapped[int | None] = mapped_column(ForeignKey("artifacts.id", ondelete="CASCADE"))
    is_list: Mapped[bool] = mapped_column(Boolean, server_default=false())


class HistoryEvent(Base):
    """One line of a run's history."""

    __tablename__ = "run_events"
    __table_args__ = (Index(None, "run_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    time: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    task: Mapped[str | None] = mapped_column(Text)
    state: Mapped[State | None]
    message: Mapped[str] = mapped_column(Text)


class Environment(Base):
    """What was installed where a step or an engine ran, as JSON; kept once for all runs that had the same."""

    __tablename__ = "environments"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JsonText)


class InputFile(Base):
    """A file that is no artifact of its run, and whose path a parameter named: of the run, or of the task ``task``.

    ``version`` is what a tool for versions of data says of it, such as DVC.
    """

    __tablename__ = "input_files"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    task: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(String(255))
    uri: Mapped[str] = mapped_column(Text, index=True)
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    time: Mapped[datetime]


class Approval(Base):
    """That somebody approved an artifact's content. Rows are only ever added.

    Each holds the ``hash`` of the one before as ``previous``, and its own over all else, so that a changed, missing or
    moved row shows. It refers to no other table: it outlives what it is about.
    """

    __tablename__ = "approvals"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    artifact_id: Mapped[int] = mapped_column(Integer, index=True)
    run_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    approved_by: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    # As text, as it is hashed.
    time: Mapped[str] = mapped_column(String(40))
    previous: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
