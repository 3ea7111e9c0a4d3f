"""What the store gives out: plain frozen values, free of any database session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

IMPORTED = "imported"
"""The key in a task's provenance that says it took an artifact that was there already."""


class State(str, Enum):
    """The states of runs and tasks, as Kubeflow Pipelines names them."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CACHED = "CACHED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (State.PENDING, State.RUNNING)

    @property
    def is_success(self) -> bool:
        """Whether the outputs are there."""
        return self in (State.SUCCEEDED, State.CACHED)


class TaskKind(str, Enum):
    """What a task of a run is."""

    TASK = "TASK"
    """Something that is executed."""
    GROUP = "GROUP"
    """A nested pipeline, a branch or a loop, that holds other tasks."""


class Direction(str, Enum):
    """Which way a parameter or an artifact passes a task."""

    INPUT = "INPUT"
    OUTPUT = "OUTPUT"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run, a task or an attempt failed.

    ``message`` is the sentence to show. A failing notebook cell also gives the exception's ``type``,
    the 0-based index of the ``cell`` in the user's notebook and the ``traceback``.
    """

    message: str
    type: str | None = None
    cell: int | None = None
    traceback: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run was made from. ``provenance`` is JSON: git commit, dirty flag, author, tool version."""

    notebook: str | None = None
    notebook_sha256: str | None = None
    provenance: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewRun:
    """What is known of a run before its engine starts. ``options`` are the engine's, as JSON."""

    id: str
    name: str
    pipeline: str
    ir: str
    root: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task as the IR names it. ``path`` is its dotted place in the run, ``key`` its name in its DAG.

    ``position`` is a text by which the tasks of a run are in the order of the pipeline.
    """

    path: str
    key: str
    display_name: str
    component: str
    kind: TaskKind = TaskKind.TASK
    position: str = ""


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """A file or directory a task made. ``sha256`` and ``size`` (bytes) are None where nothing was written."""

    name: str
    type: str
    uri: str
    metadata: Mapping[str, Json] = field(default_factory=dict)
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a task read, and that is no artifact of its run: ``name`` is the parameter's, or what the code calls it.

    ``sha256`` and ``size`` (bytes) are None where they are not known. ``version`` is what a tool for versions of data
    says of it.
    """

    name: str
    uri: str
    sha256: str | None = None
    size: int | None = None
    version: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class TaskOrigin:
    """What a task's outputs come from.

    ``facts``: hashes of its code and cells, its image and the image's digest, whether it was imported. ``environment``:
    the Python that ran it and what was installed, which the store keeps once under its ``environment_sha256``.
    ``files`` are as they were at ``files_at``, before the task began.
    """

    facts: Mapping[str, Json] = field(default_factory=dict)
    environment: Mapping[str, Json] | None = None
    environment_sha256: str | None = None
    files: tuple[InputFile, ...] = ()
    files_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ArtifactRecord(NewArtifact):
    """An artifact of a run; ``task`` is the path of the task that made it (None: it was imported)."""

    id: int = 0
    run_id: str = ""
    task: str | None = None
    port: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try at a task. ``exit_code`` is negative for a signal, as in Python's subprocess."""

    number: int
    state: State
    directory: str
    log: str
    started_at: datetime
    ended_at: datetime | None = None
    exit_code: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task of a run, with what went in and came out, by port name."""

    run_id: str
    path: str
    key: str
    display_name: str
    component: str
    state: State
    started_at: datetime | None
    ended_at: datetime | None
    failure: Failure | None
    kind: TaskKind = TaskKind.TASK
    attempts: tuple[AttemptRecord, ...] = ()
    input_parameters: Mapping[str, Json] = field(default_factory=dict)
    output_parameters: Mapping[str, Json] = field(default_factory=dict)
    input_artifacts: Mapping[str, tuple[ArtifactRecord, ...]] = field(default_factory=dict)
    output_artifacts: Mapping[str, tuple[ArtifactRecord, ...]] = field(default_factory=dict)
    reused_from: tuple[str, str] | None = None
    """Of a CACHED task: the run and the path of the task that made its outputs; None if that is gone."""

    @property
    def log(self) -> str | None:
        """The path of the last attempt's log."""
        return self.attempts[-1].log if self.attempts else None


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A task that has ended, with what it made; ``id`` is the store's."""

    id: int
    run_id: str
    path: str
    state: State
    failure: Failure | None
    ended_at: datetime | None
    parameters: Mapping[str, Json]
    artifacts: Mapping[str, tuple[ArtifactRecord, ...]]


@dataclass(frozen=True, slots=True)
class Tries:
    """The attempts of a task in an earlier life of its run: how many, and how many of them failed by themselves.

    Where the task is to have all its tries again, ``failed`` is 0.
    """

    count: int
    failed: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. ``interrupted``: its engine died before it ended."""

    id: str
    name: str
    pipeline: str
    state: State
    root: str
    parameters: Mapping[str, Json]
    origin: Origin
    options: Mapping[str, Any]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cancel_requested_at: datetime | None
    failure: Failure | None
    host: str | None
    pid: int | None
    pid_started: float | None
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of a run's history. ``task`` is the task's path; None: the event is about the whole run.

    ``kind`` is ``run``, ``task`` or ``group`` (a change to ``state``), ``attempt`` (a try began or ended),
    ``warning`` or ``note``. A group that fails by itself, and not because of a task inside, is told of as a task. ``id`` grows; events of one run are in order.
    """

    id: int
    run_id: str
    time: datetime
    kind: str
    task: str | None
    state: State | None
    message: str
