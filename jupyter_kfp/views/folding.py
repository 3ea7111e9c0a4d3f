"""Boxes shown closed: a large pipeline becomes readable, and nothing of it is lost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from jupyter_kfp.views.model import Edge, EdgeKind, Graph, Group, Node, NodeKind
from jupyter_kfp.views.states import combined

MANY: Final = 150
"""How many nodes are shown before boxes are closed without being asked for."""


def crowded(graph: Graph, most: int = MANY) -> frozenset[str]:
    """The outermost boxes to close, the largest first, until at most ``most`` nodes are shown, if that can be."""
    shown = len(graph.nodes)
    closed: set[str] = set()
    sizes = Counter(outermost for node in graph.nodes if (outermost := _outermost(graph, node.id)))
    for box, size in sizes.most_common():
        if shown <= most:
            break
        if size > 1:
            closed.add(box)
            shown -= size - 1
    return frozenset(closed)


def _outermost(graph: Graph, item: str) -> str | None:
    boxes = [box for box in graph.ancestors(item) if box is not None]
    return boxes[-1] if boxes else None


def folded(graph: Graph, boxes: Collection[str]) -> Graph:
    """The same pipeline with each of ``boxes`` as one node of the kind GROUP.

    Such a node has the id of its box, says how many tasks are inside, and counts their states. Edges that led
    inside lead to it. Ids that are no boxes are of no effect.
    """
    closed = {group.id: group for group in graph.groups if group.id in boxes}
    place = {item.id: _shown_as(graph, item.id, closed) for item in graph.items}
    inside: dict[str, list[Node]] = {box: [] for box in closed if place[box] == box}
    for node in graph.nodes:
        if place[node.id] in inside:
            inside[place[node.id]].append(node)
    nodes: dict[str, Node] = {}
    for node in graph.nodes:  # a closed box stands where its first task stood: upstream first
        shown = place[node.id]
        nodes.setdefault(shown, _closed(closed[shown], inside[shown]) if shown in inside else node)
    return replace(
        graph,
        nodes=tuple(nodes.values()),
        groups=tuple(
            group for group in graph.groups if place[group.id] == group.id and group.id not in closed
        ),
        edges=_merged(graph.edges, place),
        inputs=tuple(replace(one, targets=_placed(one.targets, place)) for one in graph.inputs),
        outputs=tuple(replace(one, sources=_placed(one.sources, place)) for one in graph.outputs),
    )


def _shown_as(graph: Graph, item: str, closed: Collection[str]) -> str:
    """The outermost closed box around ``item``, or the item itself."""
    around = [item, *(box for box in graph.ancestors(item) if box is not None)]
    return next((box for box in reversed(around) if box in closed), item)


def _closed(box: Group, tasks: list[Node]) -> Node:
    counts: Counter[str] = Counter()
    for task in tasks:
        counts.update(task.counts or ({task.state: 1} if task.state else {}))
    return Node(
        id=box.id,
        name=f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}: {box.label}",
        kind=NodeKind.GROUP,
        parent=box.parent,
        state=box.state or combined([task.state for task in tasks if task.state]),
        counts=dict(sorted(counts.items())),
    )


def _merged(edges: Collection[Edge], place: dict[str, str]) -> tuple[Edge, ...]:
    """One edge between two nodes, with all its labels; none from a closed box to itself."""
    found: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        ends = place[edge.source], place[edge.target]
        if ends[0] == ends[1]:
            continue
        known = found.get(ends)
        labels = (*known.labels, *edge.labels) if known else edge.labels
        data = EdgeKind.DATA in (edge.kind, known.kind if known else edge.kind)
        kind = EdgeKind.DATA if data else EdgeKind.ORDER
        found[ends] = Edge(*ends, tuple(dict.fromkeys(labels)), kind)
    return tuple(found.values())


def _placed(ids: Collection[str], place: dict[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place[one] for one in ids))
