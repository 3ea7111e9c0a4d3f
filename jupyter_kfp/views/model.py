"""What every picture of a pipeline is drawn from: nodes, edges and nested groups, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any


class NodeKind(str, Enum):
    """What a node runs: a task's container, KFP's importer, which runs no code, or the tasks of a closed box.

    In a picture of lineage, artifacts and files are nodes, too.
    """

    TASK = "task"
    IMPORTER = "importer"
    GROUP = "group"
    ARTIFACT = "artifact"


class GroupKind(str, Enum):
    """Why tasks stand in one box."""

    LOOP = "loop"
    CONDITION = "condition"
    BRANCHES = "branches"
    EXIT_HANDLER = "exit_handler"
    PIPELINE = "pipeline"


class EdgeKind(str, Enum):
    """Whether a value flows along an edge, or only the order is fixed."""

    DATA = "data"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Port:
    """A named input or output of a task; ``type`` as a notebook says it (``float``, ``Dataset``)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Node:
    """One task. ``id`` is its dotted path (``loop.train``), ``parent`` the id of the box around it.

    ``note`` is a short remark (a condition on the task itself, "runs whatever happens"). Inside a
    loop ``state`` stands for all iterations and ``counts`` says how many are in which state.
    """

    id: str
    name: str
    kind: NodeKind = NodeKind.TASK
    parent: str | None = None
    state: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    image: str = ""
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A box around tasks and other boxes. ``label`` is its headline: ``for x in [1, 2]``, ``else``."""

    id: str
    name: str
    kind: GroupKind
    label: str
    parent: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """From one task or box to another; ``labels`` name the values that flow, empty for pure order."""

    source: str
    target: str
    labels: tuple[str, ...] = ()
    kind: EdgeKind = EdgeKind.DATA


@dataclass(frozen=True, slots=True)
class PipelineInput:
    """A pipeline parameter or input artifact; ``targets`` are the nodes and groups that read it."""

    name: str
    type: str
    required: bool = True
    default: Any = None
    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.name}: {self.type}"
        return text if self.required else f"{text} = {self.default!r}"


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    """A result of the whole pipeline; ``sources`` are the tasks that may have made it."""

    name: str
    type: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """A pipeline, ready to draw. Nodes and groups stand in a stable order, upstream first.

    Every id is unique over nodes and groups; every ``parent``, ``source`` and ``target`` is one.
    """

    name: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    groups: tuple[Group, ...] = ()
    inputs: tuple[PipelineInput, ...] = ()
    outputs: tuple[PipelineOutput, ...] = ()
    description: str = ""

    @property
    def items(self) -> tuple[Node | Group, ...]:
        """Every group and node."""
        return (*self.groups, *self.nodes)

    @cached_property
    def by_id(self) -> Mapping[str, Node | Group]:
        """Every node and group under its id."""
        return {item.id: item for item in self.items}

    def ancestors(self, item: str) -> Iterator[str | None]:
        """The boxes around ``item``, innermost first, ending with None: the whole pipeline."""
        parent = self.by_id[item].parent
        while parent is not None:
            yield parent
            parent = self.by_id[parent].parent
        yield None

    def boxes(self) -> dict[str | None, tuple[list[str], set[tuple[str, str]]]]:
        """Of each box (None: the pipeline) its direct members, and which of them comes before which."""
        members: dict[str | None, list[str]] = {}
        links: dict[str | None, set[tuple[str, str]]] = {}
        for item in self.items:
            members.setdefault(item.parent, []).append(item.id)
        for edge in self.edges:
            box, source, target = self.lifted(edge)
            links.setdefault(box, set()).add((source, target))
        return {box: (inside, links.get(box, set())) for box, inside in members.items()}

    def lifted(self, edge: Edge) -> tuple[str | None, str, str]:
        """The smallest box that holds both ends of ``edge``, and the two ends as its direct members.

        Raises ValueError for an edge between a box and something inside it.
        """
        up = [edge.source, *self.ancestors(edge.source)]
        down = [edge.target, *self.ancestors(edge.target)]
        common = next(box for box in up if box in down)
        at_source, at_target = up.index(common), down.index(common)
        if at_source == 0 or at_target == 0:
            raise ValueError(f"the edge {edge.source} → {edge.target} joins a box and its own content")
        source, target = up[at_source - 1], down[at_target - 1]
        if source is None or target is None:  # only the last of each list is None, and it is common
            raise AssertionError(edge)
        return common, source, target

    def as_dict(self) -> dict[str, Any]:
        """The document of ``graph --format json``; keys and their meaning are stable.

        ::

            {"schema": 1, "name": str, "description": str,
             "nodes":  [{"id", "name", "kind": "task"|"importer"|"group"|"artifact", "parent": id|null, "state": str|null,
                         "counts": {state: int}, "note": str, "image": str,
                         "inputs": [{"name", "type"}], "outputs": [{"name", "type"}]}],
             "edges":  [{"source": id, "target": id, "labels": [str], "kind": "data"|"order"}],
             "groups": [{"id", "name", "kind": "loop"|"condition"|"branches"|"exit_handler"|"pipeline",
                         "label": str, "parent": id|null, "state": str|null}],
             "inputs": [{"name", "type", "required": bool, "default": JSON, "targets": [id]}],
             "outputs": [{"name", "type", "sources": [id]}]}

        ``id`` is the dotted path; an edge may start or end at a group. ``state`` is one of KFP's
        states or null where none is known; ``counts`` is filled for tasks in loops only.
        """
        return {"schema": 1, **_plain(asdict(self))}


def _plain(value: Any) -> Any:
    """``value`` with enums and tuples as JSON has them."""
    match value:
        case Enum():
            return value.value
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
