"""Who made what of what, over a whole store: a graph, and walks in it. Pure.

Tasks and artifacts are joined by events. What comes from outside of its run - an importer's artifact, a file that a
parameter named - is joined to the artifact it is: the newest one before that was at the same place and, as far as known,
had the same content; else the newest one with the same content.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from jupyter_kfp.store.lineage.model import Edge, Link, Way
from jupyter_kfp.store.records import Direction

# The content of nothing says nothing of where it is from.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task. ``imports``: it took what was there already, and made nothing."""

    id: int
    run_id: str
    path: str
    cached: bool
    imports: bool


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """An artifact. ``uri`` in the form of :func:`place`."""

    id: int
    run_id: str
    uri: str
    sha256: str | None
    time: datetime


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that a task read (``task`` None: any task of the run)."""

    run_id: str
    task: str | None
    name: str
    uri: str
    sha256: str | None
    time: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """That a task took or left an artifact."""

    task: int
    direction: Direction
    artifact: int
    port: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What a store knows, as far as lineage asks."""

    tasks: Sequence[TaskRow]
    artifacts: Sequence[ArtifactRow]
    events: Sequence[EventRow]
    files: Sequence[FileRow] = ()


def task_id(number: int) -> str:
    """The id of a task's node."""
    return f"task:{number}"


def artifact_id(number: int) -> str:
    """The id of an artifact's node."""
    return f"artifact:{number}"


def file_id(uri: str, sha256: str | None) -> str:
    """The id of a file's node: the same file is one node, however many tasks read it; changed, it is another."""
    return f"file:{uri}@{(sha256 or '')[:12]}"


def place(uri: str) -> str:
    """A URI in the one form in which two that name the same place are equal."""
    return unquote(uri.removeprefix("file://")) if uri.startswith("file:///") else uri.rstrip("/")


class Graph:
    """The lineage of a whole store."""

    def __init__(self, rows: Rows) -> None:
        self._up: dict[str, list[Edge]] = defaultdict(list)
        self._down: dict[str, list[Edge]] = defaultdict(list)
        for edge in _edges(rows):
            self._up[edge.target].append(edge)
            self._down[edge.source].append(edge)

    def walk(self, start: Iterable[str], way: Way) -> tuple[list[str], list[Edge]]:
        """What is upstream or downstream of ``start`` (which is part of it): nodes, sources first, and edges.

        Upstream of an artifact is who made it, not who used it again out of the cache. Between two nodes that are
        found, all edges are.
        """
        start = list(dict.fromkeys(start))
        found = dict.fromkeys(start)
        if way is not Way.DOWN:
            found |= self._reach(start, up=True)
        if way is not Way.UP:
            found |= self._reach(start, up=False)
        edges = [edge for node in found for edge in self._up.get(node, ()) if edge.source in found]
        return _ordered(list(found), edges), edges

    def _reach(self, start: Sequence[str], *, up: bool) -> dict[str, None]:
        found: dict[str, None] = dict.fromkeys(start)
        waiting = list(start)
        while waiting:
            node = waiting.pop()
            edges = self._makers(node) if up else self._down.get(node, ())
            for edge in edges:
                other = edge.source if up else edge.target
                if other not in found:
                    found[other] = None
                    waiting.append(other)
        return found

    def _makers(self, node: str) -> Sequence[Edge]:
        """The edges up from a node; those of reuse only where who made it is gone."""
        edges = self._up.get(node, ())
        firsthand = [edge for edge in edges if edge.link is not Link.REUSED]
        return firsthand or edges


def _edges(rows: Rows) -> Iterator[Edge]:
    tasks = {task.id: task for task in rows.tasks}
    origins = _Origins(rows, tasks)
    artifacts = {artifact.id: artifact for artifact in rows.artifacts}
    for event in rows.events:
        if event.task not in tasks:
            continue  # of a group: those of the tasks inside say it
        task, node = task_id(event.task), artifact_id(event.artifact)
        if event.direction is Direction.INPUT:
            yield Edge(node, task, Link.READ, event.port)
            continue
        maker = tasks[event.task]
        yield Edge(task, node, Link.REUSED if maker.cached else Link.MADE, event.port)
        if maker.imports:
            imported = artifacts[event.artifact]
            origin = origins.of(imported.uri, imported.sha256, imported.time)
            if origin is not None:
                yield Edge(artifact_id(origin), task, Link.CONTENT)
    yield from _file_edges(rows, origins)


def _file_edges(rows: Rows, origins: _Origins) -> Iterator[Edge]:
    by_path = {(task.run_id, task.path): task.id for task in rows.tasks}
    of_run: dict[str, list[int]] = defaultdict(list)
    for task in rows.tasks:
        of_run[task.run_id].append(task.id)
    linked: set[tuple[str, int]] = set()
    for file in rows.files:
        node = file_id(file.uri, file.sha256)
        readers = (
            of_run[file.run_id]
            if file.task is None
            else [by_path[key] for key in [(file.run_id, file.task)] if key in by_path]
        )
        for reader in readers:
            yield Edge(node, task_id(reader), Link.READ, file.name)
        origin = origins.of(place(file.uri), file.sha256, file.time)
        if origin is not None and (node, origin) not in linked:
            linked.add((node, origin))
            yield Edge(artifact_id(origin), node, Link.CONTENT)


class _Origins:
    """Which artifact something from outside of a run is, among all that tasks have made."""

    def __init__(self, rows: Rows, tasks: Mapping[int, TaskRow]) -> None:
        made = {
            event.artifact
            for event in rows.events
            if event.direction is Direction.OUTPUT
            and event.task in tasks
            and not (tasks[event.task].imports or tasks[event.task].cached)
        }
        self._by_place: dict[str, list[ArtifactRow]] = defaultdict(list)
        self._by_content: dict[str, list[ArtifactRow]] = defaultdict(list)
        for artifact in sorted(rows.artifacts, key=lambda artifact: (artifact.time, artifact.id)):
            if artifact.id in made:
                self._by_place[artifact.uri].append(artifact)
                if artifact.sha256 and artifact.sha256 != EMPTY:
                    self._by_content[artifact.sha256].append(artifact)

    def of(self, uri: str, sha256: str | None, time: datetime) -> int | None:
        """The id of the artifact that was at ``uri``, or had this content, before ``time``; None: it is not known."""
        for artifact in _before(self._by_place.get(uri, ()), time):
            if sha256 is None or artifact.sha256 is None or artifact.sha256 == sha256:
                return artifact.id
        return next((a.id for a in _before(self._by_content.get(sha256 or "", ()), time)), None)


def _before(artifacts: Sequence[ArtifactRow], time: datetime) -> Iterator[ArtifactRow]:
    """Those that were there before ``time``, newest first."""
    end = bisect_left(artifacts, time, key=lambda artifact: artifact.time)
    return (artifacts[index] for index in range(end - 1, -1, -1))


def _ordered(nodes: list[str], edges: Iterable[Edge]) -> list[str]:
    """The nodes in an order in which sources come first (those of a circle, which only clocks could make, last)."""
    waits = dict.fromkeys(nodes, 0)
    follow: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        waits[edge.target] += 1
        follow[edge.source].append(edge.target)
    ready = [node for node in nodes if not waits[node]]
    ordered: list[str] = []
    for node in ready:
        ordered.append(node)
        for target in follow[node]:
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    seen = set(ordered)
    return ordered + [node for node in nodes if node not in seen]
