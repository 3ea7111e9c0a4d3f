"""Boxes for pipelines that have none: where too many tasks stand side by side, those that follow each other share one.

They can be closed as all boxes can (`views.folding`), so a pipeline of hundreds of tasks without loops is drawn
quickly, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from math import ceil, sqrt

from jupyter_kfp.views.folding import MANY, crowded, folded
from jupyter_kfp.views.model import Graph, Group, GroupKind, Node

_PREFIX = "section-"


def sectioned(graph: Graph, most: int = MANY) -> Graph:
    """The same graph; in every box with more than ``most`` members these stand in sections, upstream first.

    Members are cut where they stand in the order of the graph, so no two sections depend on each other.
    """
    members: dict[str | None, list[Node | Group]] = defaultdict(list)
    # Boxes where their first task stands: nodes and groups are each in order, together they need one.
    for item in _in_order(graph):
        members[item.parent].append(item)
    sections: list[Group] = []
    place: dict[str, str] = {}
    for parent, inside in members.items():
        if len(inside) <= most:
            continue
        size = ceil(sqrt(len(inside)))
        for start in range(0, len(inside), size):
            part = inside[start : start + size]
            name = f"{part[0].name} … {part[-1].name}"
            section = Group(f"{_PREFIX}{len(sections) + 1}", name, GroupKind.PIPELINE, name, parent)
            sections.append(section)
            place |= {item.id: section.id for item in part}
    if not sections:
        return graph
    return replace(
        graph,
        nodes=tuple(replace(node, parent=place.get(node.id, node.parent)) for node in graph.nodes),
        groups=(*sections, *(replace(g, parent=place.get(g.id, g.parent)) for g in graph.groups)),
    )


def _in_order(graph: Graph) -> list[Node | Group]:
    """Every node and group, upstream first: members of one box by what they depend on."""
    from jupyter_kfp.views.ordering import topological

    return [
        graph.by_id[one] for inside, links in graph.boxes().values() for one in topological(inside, links)
    ]


def first_look(graph: Graph) -> frozenset[str]:
    """The boxes that are closed until somebody opens them: all sections, and of the others those that are too many."""
    sections = frozenset(group.id for group in graph.groups if group.id.startswith(_PREFIX))
    return crowded(folded(graph, sections)) | sections


def shown(graph: Graph, closed: Collection[str]) -> Graph:
    """``graph`` with the boxes ``closed``."""
    return folded(graph, closed) if closed else graph
