"""Lineage as values: artifacts, tasks and files, and what was made of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no reader of runs needs
    from jupyter_kfp.pipeline import Json


class Way(str, Enum):
    """Which way to look from the subject."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class Kind(str, Enum):
    """What a node is."""

    TASK = "task"
    ARTIFACT = "artifact"
    FILE = "file"
    """A file that a parameter or the code of a task named, and that is no artifact."""


class Link(str, Enum):
    """Why an edge is there. All run from what was first to what came of it."""

    READ = "read"
    """A task took an artifact or a file."""
    MADE = "made"
    """A task executed, and left an artifact."""
    REUSED = "reused"
    """A task was CACHED: an artifact that another task made is its output, too."""
    CONTENT = "content"
    """What was imported or read from a file is what a task had made: the same place, or the same bytes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """``port``: by which port of the task; empty for CONTENT."""

    source: str
    target: str
    link: Link
    port: str = ""


@dataclass(frozen=True, slots=True)
class TaskNode:
    """A task of a run. ``provenance``: its cells, image, digest and environment, as far as recorded."""

    id: str
    run_id: str
    path: str
    name: str
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    provenance: Mapping[str, Json] = field(default_factory=dict)
    kind: Kind = Kind.TASK


@dataclass(frozen=True, slots=True)
class ArtifactNode:
    """An artifact; ``artifact_id`` is the store's, ``size`` in bytes."""

    id: str
    artifact_id: int
    run_id: str
    name: str
    type: str
    uri: str
    sha256: str | None
    size: int | None
    created_at: datetime
    metadata: Mapping[str, Json] = field(default_factory=dict)
    kind: Kind = Kind.ARTIFACT


@dataclass(frozen=True, slots=True)
class FileNode:
    """A file as it was when a task began. ``version``: what a tool for versions of data says of it."""

    id: str
    name: str
    uri: str
    sha256: str | None
    size: int | None
    version: Mapping[str, Json] | None = None
    kind: Kind = Kind.FILE


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What an auditor asks of a run. ``provenance``: git commit, branch, dirty flag, user, tool version."""

    id: str
    name: str
    pipeline: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    host: str | None
    parameters: Mapping[str, Json]
    notebook: str | None
    notebook_sha256: str | None
    provenance: Mapping[str, Json]
    url: str | None = None


@dataclass(frozen=True)
class Lineage:
    """The part of the lineage that was asked for. Nodes are in an order in which what was first comes first.

    ``subject`` are the ids of the nodes it was asked of; ``runs`` has every run a node is of.
    """

    title: str
    way: Way
    subject: tuple[str, ...]
    nodes: tuple[TaskNode | ArtifactNode | FileNode, ...]
    edges: tuple[Edge, ...]
    runs: Mapping[str, RunFacts] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> Mapping[str, TaskNode | ArtifactNode | FileNode]:
        """Every node under its id."""
        return {node.id: node for node in self.nodes}

    def sources(self, node: str) -> list[Edge]:
        """The edges that lead to a node."""
        return [edge for edge in self.edges if edge.target == node]

    def as_dict(self) -> dict[str, Any]:
        """The document of ``lineage --format json``; keys and their meaning are stable.

        ::

            {"schema": 1, "title": str, "way": "up"|"down"|"both", "subject": [id],
             "nodes": [{"id", "kind": "task"|"artifact"|"file", ...the fields of its kind}],
             "edges": [{"source": id, "target": id, "link": "read"|"made"|"reused"|"content", "port": str}],
             "runs":  {run id: {...the fields of RunFacts}}}
        """
        plain = {"title": self.title, "way": self.way, "subject": self.subject}
        nodes = [asdict(node) for node in self.nodes]
        edges = [asdict(edge) for edge in self.edges]
        runs = {run: asdict(facts) for run, facts in self.runs.items()}
        return {"schema": 1, **_plain({**plain, "nodes": nodes, "edges": edges, "runs": runs})}


def _plain(value: Any) -> Any:
    """``value`` with enums, times and tuples as JSON has them."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
