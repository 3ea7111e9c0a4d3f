"""The picture of a pipeline as one SVG file: no scripts, no fonts, nothing loaded from elsewhere.

Follows the reader's light or dark colours, carries titles as tooltips, and names itself to screen
readers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from html import escape

from jupyter_kfp.views import geometry
from jupyter_kfp.views.geometry import Box, Point
from jupyter_kfp.views.layout import Layout, layout
from jupyter_kfp.views.measure import clipped, text_width
from jupyter_kfp.views.model import Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, Port
from jupyter_kfp.views.states import LOOKS
from jupyter_kfp.views.style import SMALL_FONT, TITLE_FONT, icon, number, stylesheet

MARGIN, LEGEND = 24.0, 16.0
# Above this many edges, and so many a task, labels would make the picture too wide to read.
_MANY_EDGES, _DENSE = 60, 1.5
# What is drawn where a node has no state: into a tray; a sheet with a folded corner.
_KINDS = {
    NodeKind.IMPORTER: "M0 -5V2M-3 -.6L0 2.4L3 -.6M-5 2.4V5H5V2.4",
    NodeKind.ARTIFACT: "M-4 -5H1L4 -2V5H-4ZM1 -5V-2H4",
}
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(graph: Graph, *, labels: bool | None = None, title: bool = True, ids: bool = False) -> str:
    """``graph`` as a standalone SVG document.

    Args:
        graph: the pipeline, with or without the states of a run.
        labels: whether edges name the values that flow; None: where the picture stays
            readable (a tooltip names them in any case).
        title: whether the pipeline's name, inputs and outputs stand above it.
        ids: whether nodes and the headlines of boxes carry their id as ``data-id``, for views that react to clicks.
    """
    if labels is None:
        labels = len(graph.edges) <= max(_MANY_EDGES, _DENSE * len(graph.nodes))
    return _Drawing(graph, layout(graph, labels=labels), title=title, ids=ids).document()


class _Drawing:
    def __init__(self, graph: Graph, plan: Layout, *, title: bool, ids: bool) -> None:
        self.graph, self.plan, self.ids = graph, plan, ids
        content = json.dumps(graph.as_dict(), sort_keys=True, default=str)
        # Several pictures may stand in one page, where ids are shared.
        self.key = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        states = {item.state for item in graph.items}
        self.states = [state for state in LOOKS if state in states]
        self.legend = self._legend_width() if self.states else 0.0
        self.head = self._head() if title else []
        needed = max([plan.width, self.legend, *(text_width(line, size) for line, size, _ in self.head)])
        self.width = needed + 2 * MARGIN
        self.left = (self.width - plan.width) / 2
        self.top = MARGIN + sum(size * 1.5 for _, size, _ in self.head) + (10 if self.head else 0)
        self.height = self.top + plan.height + MARGIN + (LEGEND + 20 if self.states else 0)

    def document(self) -> str:
        """The whole SVG."""
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        view = f'viewBox="0 0 {number(self.width)} {number(self.height)}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="jkfp" {size} {view} role="img" '
                f'aria-labelledby="jkfp-title-{self.key} jkfp-desc-{self.key}">',
                f'<title id="jkfp-title-{self.key}">{_text(self.graph.name)}</title>',
                f'<desc id="jkfp-desc-{self.key}">{_text(_description(self.graph))}</desc>',
                f"<style>{stylesheet(self.states)}</style>",
                f'<defs><marker id="jkfp-arrow-{self.key}" viewBox="0 0 8 8" refX="7.4" refY="4" '
                'markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
                '<path class="tip" d="M.5 .8L7.5 4L.5 7.2Z"/></marker></defs>',
                f'<rect class="ground" width="{number(self.width)}" height="{number(self.height)}" rx="10"/>',
                *self._title(),
                f'<g transform="translate({number(self.left)} {number(self.top)})">',
                *(self._group(group) for group in self.graph.groups),
                *self._edges(),
                *(self._group_label(group) for group in self.graph.groups),
                *(self._node(node) for node in self.graph.nodes),
                *self._labels(),
                "</g>",
                *self._legend(),
                "</svg>",
                "",
            ]
        )

    def _head(self) -> list[tuple[str, float, str]]:
        """The lines above the picture: text, font size, class."""
        room = max(self.plan.width, self.legend, 320.0)
        lines = [(clipped(self.graph.name, TITLE_FONT, room), TITLE_FONT, "name")]
        for word, values in (("inputs", self.graph.inputs), ("outputs", self.graph.outputs)):
            if values:
                text = ", ".join(str(value) if word == "inputs" else value.name for value in values)
                lines.append((clipped(f"{word}: {text}", SMALL_FONT, room), SMALL_FONT, "small"))
        return lines

    def _title(self) -> Iterator[str]:
        y = MARGIN
        for text, size, kind in self.head:
            y += size * 1.5
            full = ""
            if kind == "small":
                values: Iterable[object] = self.graph.inputs
                if text.startswith("outputs"):
                    values = [f"{output.name}: {output.type}" for output in self.graph.outputs]
                full = f"<title>{_text(chr(10).join(map(str, values)))}</title>"
            yield f'<text class="{kind}" x="{number(MARGIN)}" y="{number(y - size * 0.45)}">{full}{_text(text)}</text>'

    def _group(self, group: Group) -> str:
        box = self.plan.groups[group.id]
        return f'<rect class="box {group.kind.value}" {_rect(box)} rx="10"/>'

    def _group_label(self, group: Group) -> str:
        """The headline, where no wire enters the box if there is such a place, else over the wire."""
        box = self.plan.groups[group.id]
        room = geometry.NODE_ICON - 2 if group.state else 0.0
        text = clipped(group.label, geometry.GROUP_FONT, geometry.GROUP_LABEL_MAX)
        width = text_width(text, geometry.GROUP_FONT) + room
        wires = [
            x
            for route in self.plan.routes
            if route.edge.target != group.id  # such a wire ends at the border
            for x, y in route.points
            if abs(y - box.y) < 0.5 and box.x < x < box.right
        ]
        choices = [box.x + 12, box.right - 12 - width, box.x + (box.width - width) / 2]
        free = [x for x in choices if not any(x - 5 < wire < x + width + 5 for wire in wires)]
        x, y = (free or choices)[0], box.y + 7
        cover = ""
        if not free:
            rect = f'{_rect(Box(x - 4, y, width + 8, 17))} rx="4"/>'
            cover = f'<rect class="cover" {rect}<rect class="tint {group.kind.value}" {rect}'
        mark = icon(group.state, x + 7, y + 9) if group.state else ""
        lines = [group.label, f"{group.kind.value.replace('_', ' ')} {group.id}", group.state or ""]
        return (
            f"<g{self._id(group)}><title>{_text(chr(10).join(filter(None, lines)))}</title>{cover}{mark}"
            f'<text class="headline {group.kind.value}" x="{number(x + room)}" y="{number(y + 13)}">{_text(text)}</text></g>'
        )

    def _node(self, node: Node) -> str:
        box = self.plan.nodes[node.id]
        lines = geometry.node_lines(node.name)
        width = max(text_width(line, geometry.NODE_FONT) for line in lines)
        room = geometry.NODE_ICON if node.state or node.kind in _KINDS else 0.0
        left = box.x + (box.width - width - room) / 2
        center = number(box.x + (box.width + room) / 2)
        middle = box.y + box.height / 2
        first = middle - (len(lines) - 1) * geometry.LINE / 2 + geometry.NODE_FONT * 0.35
        spans = "".join(
            f'<tspan x="{center}" y="{number(first + index * geometry.LINE)}">{_text(line)}</tspan>'
            for index, line in enumerate(lines)
        )
        mark = ""
        if node.state:
            mark = icon(node.state, left + 6, middle)
        elif node.kind in _KINDS:
            x, y = number(left + 6), number(middle)
            mark = f'<path class="import" transform="translate({x} {y})" d="{_KINDS[node.kind]}"/>'
        corner = number(box.height / 2) if node.kind is NodeKind.ARTIFACT else "8"
        note = (
            f'<circle class="noted" cx="{number(box.right - 8)}" cy="{number(box.y + 8)}" r="3"/>'
            if node.note and node.kind is not NodeKind.ARTIFACT
            else ""
        )
        classes = f"node {node.kind.value}" + (f" {node.state}" if node.state else "")
        return (
            f'<g class="{classes}"{self._id(node)}><title>{_text(_tooltip(node))}</title>'
            f'<rect {_rect(box)} rx="{corner}"/>{mark}<text>{spans}</text>{note}</g>'
        )

    def _id(self, item: Node | Group) -> str:
        return f' data-id="{_text(item.id)}"' if self.ids else ""

    def _edges(self) -> Iterator[str]:
        for route in self.plan.routes:
            kind = "wire order" if route.edge.kind is EdgeKind.ORDER else "wire"
            yield (
                f'<path class="{kind}" d="{_path(route.points)}" marker-end="url(#jkfp-arrow-{self.key})">'
                f"<title>{_text(self._edge_title(route.edge))}</title></path>"
            )

    def _edge_title(self, edge: Edge) -> str:
        ends = f"{edge.source} → {edge.target}"
        return f"{', '.join(edge.labels)}\n{ends}" if edge.labels else f"{ends} (order only)"

    def _labels(self) -> Iterator[str]:
        for label in self.plan.labels:
            x, y = label.box.x + geometry.LABEL_INSET + 1, label.box.y + 11
            yield (
                f'<text class="value" x="{number(x)}" y="{number(y)}"><title>{_text(self._edge_title(label.edge))}</title>'
                f"{_text(label.text)}</text>"
            )

    def _legend_width(self) -> float:
        return sum(text_width(state.lower(), SMALL_FONT) + 34 for state in self.states)

    def _legend(self) -> Iterator[str]:
        x, y = (self.width - self.legend) / 2, self.height - MARGIN
        for state in self.states:
            yield icon(state, x + 6, y)
            yield f'<text class="small" x="{number(x + 18)}" y="{number(y + 4)}">{state.lower()}</text>'
            x += text_width(state.lower(), SMALL_FONT) + 34


def _path(points: tuple[Point, ...]) -> str:
    (x, y), *rest = points
    parts = [f"M{number(x)} {number(y)}"]
    for to_x, to_y in rest:
        if abs(to_x - x) < 0.05:
            parts.append(f"V{number(to_y)}")
        else:
            middle = (y + to_y) / 2
            parts.append(
                f"C{number(x)} {number(middle)} {number(to_x)} {number(middle)} {number(to_x)} {number(to_y)}"
            )
        x, y = to_x, to_y
    return "".join(parts)


def _rect(box: Box) -> str:
    return (
        f'x="{number(box.x)}" y="{number(box.y)}" width="{number(box.width)}" height="{number(box.height)}"'
    )


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text), quote=True)


def _tooltip(node: Node) -> str:
    counts = ", ".join(f"{count} {state.lower()}" for state, count in node.counts.items())
    lines = [
        node.name if node.name == node.id else f"{node.name}\n{node.id}",
        f"{(node.state or '').lower()} ({counts})" if counts else (node.state or "").lower(),
        node.note,
        _port_line("in", node.inputs),
        _port_line("out", node.outputs),
        node.image,
    ]
    return "\n".join(filter(None, lines))


def _port_line(word: str, found: Iterable[Port]) -> str:
    names = [f"{port.name}: {port.type}" for port in found]
    return f"{word}  {', '.join(names)}" if names else ""


def _description(graph: Graph) -> str:
    def counted(count: int, word: str) -> str:
        return f"{count} {word}" + ("" if count == 1 else "s")

    parts = [f"Pipeline {graph.name}: {counted(len(graph.nodes), 'task')}"]
    kinds = {GroupKind.LOOP: "loop", GroupKind.CONDITION: "condition", GroupKind.PIPELINE: "nested pipeline"}
    for kind, word in kinds.items():
        count = sum(group.kind is kind for group in graph.groups)
        if count:
            parts.append(counted(count, word))
    for state in LOOKS:
        count = sum(node.state == state for node in graph.nodes)
        if count:
            parts.append(f"{count} {state.lower()}")
    return ", ".join(parts) + "." + (f" {graph.description}" if graph.description else "")
