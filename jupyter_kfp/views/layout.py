"""Where everything stands: a layered layout of a graph with nested boxes.

Each box is laid out by itself, innermost first, and is then one large node of the box around it, so
boxes contain their members and never overlap. A wire that enters or leaves a box does so through a
port on the border. All wires of one source share a trunk. Wires bend only in the gaps between
layers, so they never touch a node; labels have a layer of their own above the node they lead to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from jupyter_kfp.views.boxes import Block, BoxPlan, Content, Wires
from jupyter_kfp.views.geometry import (
    GROUP_FONT,
    GROUP_LABEL_MAX,
    LABEL_FONT,
    LABEL_MAX,
    Box,
    Point,
    headline_width,
    node_size,
)
from jupyter_kfp.views.measure import clipped
from jupyter_kfp.views.model import Edge, Graph, Group


@dataclass(frozen=True, slots=True)
class Route:
    """The way of an edge: points downward, each leg straight where x stays, else an S-curve."""

    edge: Edge
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """An edge's label: ``text`` fits into ``box``."""

    edge: Edge
    text: str
    box: Box


@dataclass(frozen=True)
class Layout:
    """The result: a picture of ``width`` times ``height`` pixels that begins at (0, 0)."""

    width: float
    height: float
    nodes: Mapping[str, Box]
    groups: Mapping[str, Box]
    routes: tuple[Route, ...]
    labels: tuple[Label, ...]


def layout(graph: Graph, *, labels: bool = True) -> Layout:
    """Lays out ``graph``; ``labels`` says whether the edges' labels get room.

    The same graph always gets the same layout. Raises ValueError where the edges form a circle or
    join a box and its own content.
    """
    first = _Plan(graph, labels, {}).solve()
    # Ports on a box were put in order without knowing where their wires come from; now that is known.
    second = _Plan(graph, labels, first.port_hints()).solve()
    best = second if second.crossings < first.crossings else first
    return best.layout()


@dataclass
class _Plan:
    """The layout while it is being made. ``hints``: (box, source, inward) → x of a port's other end."""

    graph: Graph
    with_labels: bool
    hints: Mapping[tuple[str, str, bool], float]
    blocks: dict[str | None, Block] = field(default_factory=dict)

    @property
    def crossings(self) -> int:
        """How many wires cross, in all boxes."""
        return sum(block.crossings for block in self.blocks.values())

    def solve(self) -> _Plan:
        """Lays out every box, innermost first."""
        depth = {group.id: len(list(self.graph.ancestors(group.id))) for group in self.graph.groups}
        for box in [*sorted(depth, key=depth.__getitem__, reverse=True), None]:
            self.blocks[box] = BoxPlan(self._content(box)).solve()
        return self

    def _content(self, box: str | None) -> Content:
        members = self.members[box]
        least = None
        if box is not None:
            label = clipped(getattr(self.graph.by_id[box], "label", ""), GROUP_FONT, GROUP_LABEL_MAX)
            least = headline_width(label)
        return Content(
            members,
            {member: self._size(member) for member in members},
            {member: self.blocks[member] for member in members if member in self.blocks},
            self.wires[box],
            {source: self.hints.get((str(box), source, True)) for source in self.entries.get(str(box), [])},
            {source: self.hints.get((str(box), source, False)) for source in self.exits.get(str(box), [])},
            least,
        )

    @cached_property
    def members(self) -> Mapping[str | None, list[str]]:
        """The direct members of every box."""
        members: dict[str | None, list[str]] = {None: [], **{group.id: [] for group in self.graph.groups}}
        for item in self.graph.items:
            members[item.parent].append(item.id)
        return members

    @cached_property
    def wires(self) -> Mapping[str | None, Wires]:
        """The wires of every box."""
        wires: dict[str | None, Wires] = defaultdict(Wires)
        for edge in self.graph.edges:
            box, start, end = self.graph.lifted(edge)
            wires[box].starts[edge.source] = start
            wires[box].ends[edge.source][end] = None
            wires[box].links.add((start, end))
            inner = edge.source
            for outer in self.graph.ancestors(edge.source):
                if outer == box:
                    break
                wires[outer].starts[edge.source] = inner
                wires[outer].ends[edge.source][None] = None
                inner = str(outer)
            inner = edge.target
            for outer in self.graph.ancestors(edge.target):
                if outer == box:
                    break
                wires[outer].ends[edge.source][inner] = None
                inner = str(outer)
            if self.with_labels and edge.labels:
                parent = self.graph.by_id[edge.target].parent
                text = clipped(", ".join(edge.labels), LABEL_FONT, LABEL_MAX)
                wires[parent].texts[edge.source, edge.target] = text
        return wires

    @cached_property
    def entries(self) -> Mapping[str, list[str]]:
        """For every box, the sources outside it that lead to it or into it."""
        return self._ports(inward=True)

    @cached_property
    def exits(self) -> Mapping[str, list[str]]:
        """For every box, the sources in it, or the box itself, that lead out of it."""
        return self._ports(inward=False)

    def _ports(self, *, inward: bool) -> Mapping[str, list[str]]:
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for edge in self.graph.edges:
            box = self.graph.lifted(edge)[0]
            own = edge.target if inward else edge.source
            if isinstance(self.graph.by_id[own], Group):
                found[own][edge.source] = None
            for outer in self.graph.ancestors(own):
                if outer == box:
                    break
                found[str(outer)][edge.source] = None
        return {box: list(sources) for box, sources in found.items()}

    @cached_property
    def origins(self) -> Mapping[str | None, Point]:
        """The upper left corner of every node and box in the picture."""
        origins: dict[str | None, Point] = {None: (0.0, 0.0)}
        todo: list[str | None] = [None]
        while todo:
            box = todo.pop()
            x, y = origins[box]
            for item, (left, top) in self.blocks[box].places.items():
                origins[item] = (x + left, y + top)
                if item in self.blocks:
                    todo.append(item)
        return origins

    def port_hints(self) -> dict[tuple[str, str, bool], float]:
        """Where the far ends of every port's wires are in this layout."""
        boxes = {item: box.x + box.width / 2 for item, box in self._boxes().items()}
        hints: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
        for edge in self.graph.edges:
            common = self.graph.lifted(edge)[0]
            for own, far, inward in ((edge.target, edge.source, True), (edge.source, edge.target, False)):
                for box in (own, *self.graph.ancestors(own)):
                    if box == common:
                        break
                    hints[str(box), edge.source, inward].append(boxes[far])
        return {key: sum(values) / len(values) for key, values in hints.items()}

    def _boxes(self) -> dict[str, Box]:
        boxes = {}
        for item in self.graph.by_id:
            width, height = self._size(item)
            boxes[item] = Box(*self.origins[item], width, height)
        return boxes

    def _size(self, item: str) -> Point:
        if item in self.blocks:
            return self.blocks[item].width, self.blocks[item].height
        return node_size(self.graph.by_id[item].name)

    def layout(self) -> Layout:
        """The finished picture."""
        boxes = self._boxes()
        routes, labels = [], []
        for edge in self.graph.edges:
            routes.append(Route(edge, self._way(edge)))
            parent = self.graph.by_id[edge.target].parent
            place = self.blocks[parent].labels.get((edge.source, edge.target))
            if place is not None:
                x, y = self.origins[parent]
                box = Box(x + place.x, y + place.y, place.width, place.height)
                labels.append(Label(edge, self.wires[parent].texts[edge.source, edge.target], box))
        whole = self.blocks[None]
        return Layout(
            whole.width,
            whole.height,
            {node.id: boxes[node.id] for node in self.graph.nodes},
            {group.id: boxes[group.id] for group in self.graph.groups},
            tuple(routes),
            tuple(labels),
        )

    def _way(self, edge: Edge) -> tuple[Point, ...]:
        common, _, end = self.graph.lifted(edge)
        hops: list[tuple[str | None, str | None]] = []
        for box in self.graph.ancestors(edge.source):
            if box == common:
                break
            hops.append((box, None))
        down: list[tuple[str | None, str | None]] = []
        inner = edge.target
        for box in self.graph.ancestors(edge.target):
            if box == common:
                break
            down.append((box, inner))
            inner = str(box)
        points: list[Point] = []
        for box, member in (*hops, (common, end), *reversed(down)):
            x, y = self.origins[box]
            for left, top in self.blocks[box].ways[edge.source, member]:
                # Rounding two sums of the same height may differ by the last digit.
                low = points[-1][1] if points else 0.0
                point = (round(x + left, 2), max(low, round(y + top, 2)))
                if not points or point != points[-1]:
                    points.append(point)
        return tuple(points)
