"""The live graph: a picture as ipycytoscape's widgets.

ipycytoscape 1.3.3 survives changes of ``data`` and ``classes`` only; where nodes come or go, the whole widget is
exchanged. It opens a comm for every node and edge and closes none of them: that is done here. Its tooltips would
put text into the page as HTML; there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipycytoscape as cytoscape
import ipywidgets as widgets

from jupyter_kfp.views.model import Graph
from jupyter_kfp.views.widget.picture import Look, Picture, Shape, Wire, looks, picture, stylesheet

_CHOSEN = "chosen"


class Canvas(widgets.Box):
    """Shows a graph; ``on_click`` hears the id of a node or box that was clicked."""

    def __init__(self, on_click: Callable[[str], None]) -> None:
        super().__init__(
            layout=widgets.Layout(width="100%", border="1px solid var(--jp-border-color2, #ddd)")
        )
        self._on_click = on_click
        self._shown: tuple[Any, ...] = ()
        self._nodes: dict[str, Any] = {}
        self._looks: dict[str, Look] = {}
        self._chosen: str | None = None
        self._widget: Any = None

    def show(self, graph: Graph, iterations: Mapping[str, int]) -> None:
        """Draw ``graph``, or only its states where it is the one that is shown."""
        shown = (
            tuple((item.id, item.parent) for item in graph.items),
            tuple((edge.source, edge.target) for edge in graph.edges),
        )
        if shown == self._shown and self._widget is not None:
            self._colour(looks(graph, iterations))
            return
        self._shown = shown
        self._exchange(picture(graph, iterations))

    def choose(self, item: str | None) -> None:
        """Mark one node."""
        before, self._chosen = self._chosen, item
        for one in {before, item}:
            if one in self._nodes:
                self._nodes[one].classes = self._classes(one, self._looks[one])

    @property
    def labels(self) -> dict[str, str]:
        """The text of every node and box that is drawn, by id."""
        return {item: look.label for item, look in self._looks.items()}

    def close(self) -> None:
        """Take the graph out of the page, with all its comms."""
        super().close()
        self._close(self._widget)
        self._widget, self._nodes = None, {}
        self.layout.close()

    def _colour(self, new: Mapping[str, Look]) -> None:
        for item, look in new.items():
            before, node = self._looks.get(item), self._nodes[item]
            if before is None or look.label != before.label:
                node.data = {**node.data, "label": look.label}
            if before is None or look.classes != before.classes:
                node.classes = self._classes(item, look)
        self._looks = dict(new)

    def _classes(self, item: str, look: Look) -> str:
        return f"{look.classes} {_CHOSEN}" if item == self._chosen else look.classes

    def _exchange(self, drawn: Picture) -> None:
        self._looks = {shape.id: shape.look for shape in drawn.shapes}
        self._nodes = {shape.id: self._node(shape) for shape in drawn.shapes}
        graph = cytoscape.Graph()
        graph.nodes = list(self._nodes.values())
        graph.edges = [_edge(number, wire) for number, wire in enumerate(drawn.wires)]
        new = _Cytoscape(
            graph=graph,
            cytoscape_layout={"name": "preset", "fit": True, "padding": 14},
            cytoscape_style=stylesheet(),
            max_zoom=1.2,
            min_zoom=0.05,
            auto_ungrabify=True,
            tooltip_source="",
            # No height: the browser would have fitted the graph into ipycytoscape's own before it is known.
            layout=widgets.Layout(width="100%"),
        )
        new.on("node", "click", lambda event: self._on_click(str(event["data"]["id"])))
        before, self._widget = self._widget, new
        self.children = (new,)
        self._close(before)

    def _node(self, shape: Shape) -> Any:
        data: dict[str, Any] = {"id": shape.id, "label": shape.look.label}
        data |= {"width": shape.size[0], "height": shape.size[1]}
        if shape.parent is not None:
            data["parent"] = shape.parent
        node = cytoscape.Node(data=data, classes=self._classes(shape.id, shape.look), grabbable=False)
        if shape.position is not None:
            node.position = {"x": shape.position[0], "y": shape.position[1]}
        return node

    @staticmethod
    def _close(widget: Any) -> None:
        if widget is None:
            return
        for element in (*widget.graph.nodes, *widget.graph.edges):
            element.close()
        widget.graph.close()
        widget.layout.close()
        widget.close()


class _Cytoscape(cytoscape.CytoscapeWidget):
    """The same, with its graph from the beginning: else it makes two others that nobody closes."""

    def __init__(self, **traits: Any) -> None:
        super(cytoscape.CytoscapeWidget, self).__init__(**traits)
        self.on_msg(self._handle_interaction)


def _edge(number: int, wire: Wire) -> Any:
    data = {"id": f"edge {number}", "source": wire.source, "target": wire.target}
    if not wire.weights:
        return cytoscape.Edge(data=data, classes=wire.classes)
    bends = {"weights": _numbers(wire.weights), "distances": _numbers(wire.distances)}
    return cytoscape.Edge(data=data | bends, classes=f"{wire.classes} bent")


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(map(str, values))
