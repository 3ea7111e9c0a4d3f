from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

from jupyter_kfp.views.geometry import Box, Point
from jupyter_kfp.views.layers import Cell, connect, crossings, order
from jupyter_kfp.views.layout import layout
from jupyter_kfp.views.measure import clipped, text_width, wrapped
from jupyter_kfp.views.model import Edge, Graph, Group, GroupKind, Node

from .strategies import graphs, texts


def inside(inner: Box, outer: Box) -> bool:
    slack = 0.01
    return (
        inner.x >= outer.x - slack
        and inner.y >= outer.y - slack
        and inner.right <= outer.right + slack
        and inner.bottom <= outer.bottom + slack
    )


def shrunk(box: Box, by: float = 0.1) -> Box:
    return Box(box.x + by, box.y + by, box.width - 2 * by, box.height - 2 * by)


def along(points: tuple[Point, ...], steps: int = 12) -> list[Point]:
    """Points on the drawn wire: straight where x stays, else the S-curve of the SVG."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(points):
        for step in range(steps + 1):
            t = step / steps
            u = 1 - t
            x = x0 * (u**3 + 3 * u * u * t) + x1 * (t**3 + 3 * u * t * t)
            middle = (y0 + y1) / 2
            found.append((x, y0 * u**3 + 3 * middle * (u * u * t + u * t * t) + y1 * t**3))
    return found


def hits(point: Point, box: Box) -> bool:
    return box.x < point[0] < box.right and box.y < point[1] < box.bottom


@settings(deadline=None)
@given(graphs())
def test_nothing_overlaps_and_boxes_hold_their_members(graph: Graph) -> None:
    plan = layout(graph)
    boxes = {**plan.nodes, **plan.groups}
    picture = Box(0, 0, plan.width, plan.height)
    for item in graph.items:
        around = picture if item.parent is None else boxes[item.parent]
        assert inside(boxes[item.id], around), item
    for one, other in combinations(graph.items, 2):
        if one.parent == other.parent:
            assert not shrunk(boxes[one.id]).overlaps(shrunk(boxes[other.id])), (one, other)


@settings(deadline=None)
@given(graphs())
def test_wires_run_down_from_border_to_border_and_touch_no_node(graph: Graph) -> None:
    plan = layout(graph)
    boxes = {**plan.nodes, **plan.groups}
    for route in plan.routes:
        source, target = boxes[route.edge.source], boxes[route.edge.target]
        (x0, y0), (x1, y1) = route.points[0], route.points[-1]
        assert y0 == pytest.approx(source.bottom, abs=0.02)
        assert source.x <= x0 <= source.right
        assert y1 == pytest.approx(target.y, abs=0.02)
        assert target.x <= x1 <= target.right
        heights = [y for _, y in route.points]
        assert heights == sorted(heights)
        assert y0 < y1
        around = {*graph.ancestors(route.edge.source), *graph.ancestors(route.edge.target)}
        for item, box in boxes.items():
            if item in around:
                continue
            assert not any(hits(point, shrunk(box, 0.5)) for point in along(route.points)), (route, item)


@settings(deadline=None)
@given(graphs())
def test_labels_stand_free(graph: Graph) -> None:
    plan = layout(graph)
    drawn = [edge for edge in graph.edges if edge.labels]
    assert [label.edge for label in plan.labels] == drawn
    for label in plan.labels:
        for box in plan.nodes.values():
            assert not shrunk(label.box).overlaps(box)
    for one, other in combinations(plan.labels, 2):
        assert not shrunk(one.box).overlaps(shrunk(other.box))


@settings(deadline=None, max_examples=30)
@given(graphs())
def test_the_same_graph_gets_the_same_layout(graph: Graph) -> None:
    assert layout(graph) == layout(graph)


def test_the_layout_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from jupyter_kfp.views.graph import graph_from_ir\n"
        "from jupyter_kfp.views.svg import to_svg\n"
        "sys.stdout.write(to_svg(graph_from_ir(Path(sys.argv[1]).read_text())))"
    )
    data = Path(__file__).parent / "data" / "control_flow.yaml"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, data],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_a_circle_is_refused() -> None:
    nodes = (Node("a", "a"), Node("b", "b"))
    with pytest.raises(ValueError, match="a → b → a"):
        layout(Graph("g", nodes, (Edge("a", "b"), Edge("b", "a"))))


def test_many_tasks_without_edges_stand_in_several_rows() -> None:
    plan = layout(Graph("g", tuple(Node(f"n{i}", f"n{i}") for i in range(30))))
    assert len({box.y for box in plan.nodes.values()}) > 3
    assert plan.width < 1000


def test_a_chain_is_one_straight_line() -> None:
    nodes = tuple(Node(f"n{i}", f"n{i}") for i in range(100))
    plan = layout(Graph("g", nodes, tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(99))))
    assert all(len(route.points) == 2 for route in plan.routes)
    assert all(abs(route.points[0][0] - route.points[1][0]) < 0.1 for route in plan.routes)


def test_a_source_stands_right_above_its_only_reader() -> None:
    nodes = tuple(Node(name, name) for name in ("a", "b", "c", "d"))
    edges = (Edge("a", "b"), Edge("b", "c"), Edge("d", "c"))
    plan = layout(Graph("g", nodes, edges))
    assert plan.nodes["d"].y == plan.nodes["b"].y


def test_ordering_removes_an_avoidable_crossing() -> None:
    layers = [[Cell(0, 10), Cell(0, 10)], [Cell(1, 10), Cell(1, 10)]]
    connect(layers[0][0], layers[1][1])
    connect(layers[0][1], layers[1][0])
    for layer in layers:
        for index, cell in enumerate(layer):
            cell.order = index
    assert crossings(layers) == 1
    assert order(layers) == 0


@given(texts)
def test_wrapped_text_fits(text: str) -> None:
    lines = wrapped(text, 13, 120)
    assert len(lines) <= 2
    assert all(text_width(line, 13) <= 121 or len(line) <= 2 for line in lines)


def test_names_break_after_dashes_and_underscores() -> None:
    assert wrapped("component-with-pip-install", 13, 130) == ("component-with-", "pip-install")
    assert clipped("short", 13, 200) == "short"
    assert clipped("a very long name", 13, 60).endswith("…")


def test_a_wire_fans_out_from_the_middle_of_its_targets() -> None:
    box = Group("g", "g", GroupKind.PIPELINE, "g")
    nodes = (Node("a", "a"), *(Node(f"n{i}", f"n{i}", parent="g") for i in range(4)))
    plan = layout(Graph("p", nodes, tuple(Edge("a", f"n{i}") for i in range(4)), (box,)))
    port = plan.routes[0].points[1][0]
    assert port == pytest.approx(plan.groups["g"].x + plan.groups["g"].width / 2, abs=2)
