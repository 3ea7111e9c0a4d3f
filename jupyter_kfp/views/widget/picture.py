"""A graph as Cytoscape's elements: where they stand and how they look in their states. Pure.

The places are those of the static picture (`views.layout`), so the two look alike and the browser lays nothing out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_kfp.views import geometry
from jupyter_kfp.views.geometry import Box, Point
from jupyter_kfp.views.layout import layout
from jupyter_kfp.views.measure import clipped
from jupyter_kfp.views.model import Edge, Graph, Group, GroupKind, Node
from jupyter_kfp.views.states import LOOKS, symbol
from jupyter_kfp.views.style import PALETTE

_ITERATIONS = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Look:
    """What changes with the states: an element's text and its classes."""

    label: str
    classes: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A node or an open box; ``position`` is its middle, None for a box, which its members hold."""

    id: str
    parent: str | None
    position: Point | None
    size: Point
    look: Look


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge with its bends: how far along it (1: at its end) and how far beside it, in pixels."""

    source: str
    target: str
    classes: str
    weights: tuple[float, ...] = ()
    distances: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """All elements, boxes before what they hold."""

    shapes: tuple[Shape, ...]
    wires: tuple[Wire, ...]


def picture(graph: Graph, iterations: Mapping[str, int]) -> Picture:
    """The elements of ``graph``; ``iterations`` says how often loops have been gone through, by their id."""
    plan = layout(graph, labels=False)
    known = looks(graph, iterations)
    depth = {group.id: len(list(graph.ancestors(group.id))) for group in graph.groups}
    boxes = sorted(graph.groups, key=lambda group: depth[group.id])
    shapes = [
        Shape(g.id, g.parent, None, (plan.groups[g.id].width, plan.groups[g.id].height), known[g.id])
        for g in boxes
    ]
    shapes += [
        Shape(
            n.id,
            n.parent,
            _middle(plan.nodes[n.id]),
            (plan.nodes[n.id].width, plan.nodes[n.id].height),
            known[n.id],
        )
        for n in graph.nodes
    ]
    places = {**plan.nodes, **plan.groups}
    wires = [
        _wire(route.edge, places[route.edge.source], places[route.edge.target], route.points)
        for route in plan.routes
    ]
    return Picture(tuple(shapes), tuple(wires))


def _middle(box: Box) -> Point:
    return box.x + box.width / 2, box.y + box.height / 2


def _wire(edge: Edge, start: Box, end: Box, points: tuple[Point, ...]) -> Wire:
    """The bends of a route, as Cytoscape has them: relative to the line between the middles of its ends."""
    (x, y), (to_x, to_y) = _middle(start), _middle(end)
    across, down = to_x - x, to_y - y
    square = across * across + down * down
    bends = points[1:-1] if square else ()
    return Wire(
        edge.source,
        edge.target,
        edge.kind.value,
        tuple(round(((px - x) * across + (py - y) * down) / square, 4) for px, py in bends),
        tuple(round(((py - y) * across - (px - x) * down) / square**0.5, 1) for px, py in bends),
    )


def looks(graph: Graph, iterations: Mapping[str, int]) -> dict[str, Look]:
    """How every node and box looks in its state."""
    return {
        **{group.id: _box_look(group, iterations.get(group.id, 0)) for group in graph.groups},
        **{node.id: _node_look(node, iterations.get(node.id, 0)) for node in graph.nodes},
    }


def _node_look(node: Node, iterations: int) -> Look:
    lines = [*geometry.node_lines(node.name)]
    if node.state:
        lines[0] = f"{symbol(node.state)} {lines[0]}"
    if iterations:
        lines.append(_times(iterations))
    elif node.counts:
        lines.append("  ".join(f"{symbol(state)} {count}" for state, count in node.counts.items()))
    return Look("\n".join(lines), f"{node.kind.value} {node.state or ''}".strip())


def _box_look(group: Group, iterations: int) -> Look:
    label = clipped(group.label, geometry.GROUP_FONT, geometry.GROUP_LABEL_MAX)
    mark = f"{symbol(group.state)} " if group.state else ""
    count = f" · {_times(iterations)}" if iterations else ""
    return Look(f"{mark}{label}{count}", f"box {group.kind.value} {group.state or ''}".strip())


def _times(iterations: int) -> str:
    return f"{iterations} iteration" + ("" if iterations == 1 else "s")


def iterations(graph: Graph, paths: Mapping[str, Any]) -> dict[str, int]:
    """How many iterations each loop of ``graph`` has begun, by the paths of a run's tasks (``loop.train[2]``).

    Of a loop in a loop, those of all the outer ones together.
    """
    depth: dict[str, int] = {}
    for group in graph.groups:
        around = [group.id, *(box for box in graph.ancestors(group.id) if box is not None)]
        loops = [box for box in around if _is_loop(graph, box)]
        if group.kind is GroupKind.LOOP:
            depth[group.id] = len(loops)
    seen: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for path in paths:
        numbers = tuple(_ITERATIONS.findall(path))
        bare = _ITERATIONS.sub("", path)
        if not numbers or bare not in graph.by_id:
            continue
        for box in (bare, *graph.ancestors(bare)):
            # The loop itself is named once for every iteration of the loops around it.
            if box in depth and len(numbers) >= depth[box]:
                seen[box].add(numbers[: depth[box]])
    return {box: len(found) for box, found in seen.items()}


def _is_loop(graph: Graph, box: str) -> bool:
    item = graph.by_id[box]
    return isinstance(item, Group) and item.kind is GroupKind.LOOP


def stylesheet() -> list[dict[str, Any]]:
    """Cytoscape's style sheet. The canvas knows nothing of the page's theme: it is light, as paper is."""
    colours = {name: day for name, day, _ in PALETTE}
    rules: list[tuple[str, dict[str, Any]]] = [
        ("node", _NODE | {"background-color": colours["node"], "border-color": colours["edge-of-node"], "color": colours["ink"]}),
        ("node.box", _BOX | {"color": colours["soft"]}),
        ("edge", _EDGE | {"line-color": colours["line"], "target-arrow-color": colours["line"]}),
        ("edge.bent", {"curve-style": "segments", "segment-weights": "data(weights)", "segment-distances": "data(distances)"}),
        ("edge.order", {"line-style": "dashed"}),
    ]  # fmt: skip
    # One class a selector: Cytoscape 3.21 takes "box.loop" for the name of one.
    for state, look in LOOKS.items():
        line, fill = look.light
        rules.append((f"node.{state}", {"border-color": line, "border-width": 2, "background-color": fill}))
    for kind in GroupKind:
        colour = colours[kind.value]
        rules.append(
            (f"node.{kind.value}", {"border-color": colour, "background-color": colour, "color": colour})
        )
    rules.append(("node.group", {"border-width": 4, "border-style": "double"}))
    rules.append(("node.chosen", {"border-width": 4}))
    return [{"selector": selector, "style": style} for selector, style in rules]


_FONT = "system-ui, Roboto, Arial, sans-serif"
_NODE = {
    "shape": "round-rectangle", "width": "data(width)", "height": "data(height)", "label": "data(label)",
    "text-valign": "center", "text-halign": "center", "text-wrap": "wrap", "font-family": _FONT,
    "font-size": geometry.NODE_FONT, "border-width": 1.2,
}  # fmt: skip
_BOX = {
    "shape": "round-rectangle", "background-opacity": 0.06, "padding": f"{geometry.GROUP_SIDE}px",
    "text-valign": "top", "text-margin-y": -2, "font-size": geometry.GROUP_FONT, "border-width": 1.2,
    "compound-sizing-wrt-labels": "exclude",
    "text-background-color": "#ffffff", "text-background-opacity": 1, "text-background-padding": "1px",
}  # fmt: skip
_EDGE = {
    "width": 1.4, "curve-style": "bezier", "target-arrow-shape": "triangle", "arrow-scale": 0.9,
    "edge-distances": "node-position", "z-compound-depth": "bottom",  # under the headlines of boxes
}  # fmt: skip
