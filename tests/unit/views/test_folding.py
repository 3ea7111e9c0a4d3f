from __future__ import annotations

from collections import Counter
from itertools import pairwise

from jupyter_kfp.views.folding import crowded, folded
from jupyter_kfp.views.graph import with_states
from jupyter_kfp.views.model import Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, PipelineInput
from jupyter_kfp.views.svg import to_svg


def loops(count: int, size: int) -> Graph:
    """``load`` before ``count`` loops of chains of ``size`` tasks, the last of each before ``end``."""
    nodes, edges, groups = [Node("load", "load")], [], []
    for number in range(count):
        box = f"loop-{number}"
        groups.append(Group(box, box, GroupKind.LOOP, f"for x in items_{number}"))
        chain = [Node(f"{box}.t{task}", f"t{task}", parent=box) for task in range(size)]
        nodes += chain
        edges += [Edge("load", box, ("items",)), Edge("load", chain[0].id, ("rows",))]
        edges += [Edge(a.id, b.id, ("y",)) for a, b in pairwise(chain)]
        edges.append(Edge(chain[-1].id, "end", kind=EdgeKind.ORDER))
    nodes.append(Node("end", "end"))
    return Graph(
        "many",
        tuple(nodes),
        tuple(edges),
        tuple(groups),
        (PipelineInput("n", "int", targets=("loop-0.t1",)),),
    )


def test_a_closed_box_is_one_node_that_stands_for_all_inside() -> None:
    graph = with_states(
        loops(2, 3), {"loop-0.t0[0]": "SUCCEEDED", "loop-0.t0[1]": "FAILED", "loop-0.t1[0]": "RUNNING"}
    )
    closed = folded(graph, {"loop-0", "unknown"})
    assert [node.id for node in closed.nodes] == [
        "load",
        "loop-0",
        "loop-1.t0",
        "loop-1.t1",
        "loop-1.t2",
        "end",
    ]
    node = closed.nodes[1]
    assert (node.kind, node.name) == (NodeKind.GROUP, "3 tasks: for x in items_0")
    assert node.counts == {"FAILED": 1, "RUNNING": 1, "SUCCEEDED": 1}
    assert node.state == "FAILED"
    assert [group.id for group in closed.groups] == ["loop-1"]
    assert [edge for edge in closed.edges if "loop-0" in (edge.source, edge.target)] == [
        Edge("load", "loop-0", ("items", "rows")),
        Edge("loop-0", "end", kind=EdgeKind.ORDER),
    ]
    assert closed.inputs[0].targets == ("loop-0",)
    assert 'data-id="loop-0"' in to_svg(closed, ids=True)
    assert "data-id" not in to_svg(closed)


def test_nested_boxes_close_into_the_outermost() -> None:
    graph = loops(1, 2)
    inner = Group("loop-0.if", "if", GroupKind.CONDITION, "if x", parent="loop-0")
    deep = Node("loop-0.if.d", "d", parent="loop-0.if")
    graph = Graph("deep", (*graph.nodes, deep), graph.edges, (*graph.groups, inner))
    assert {node.id for node in folded(graph, {"loop-0.if"}).nodes} == {
        "load",
        "loop-0.t0",
        "loop-0.t1",
        "loop-0.if",
        "end",
    }
    both = folded(graph, {"loop-0", "loop-0.if"})
    assert ([node.id for node in both.nodes], both.groups) == (["load", "loop-0", "end"], ())
    assert both.nodes[1].name.startswith("3 tasks")


def test_large_pipelines_close_their_largest_boxes_until_they_are_readable() -> None:
    assert crowded(loops(3, 10)) == frozenset()
    graph = loops(30, 10)
    closed = crowded(graph)
    shown = folded(graph, closed)
    assert len(shown.nodes) <= 150 < len(shown.nodes) + 9  # no more than has to be
    counted = Counter(int(node.name.split()[0]) for node in shown.nodes if node.kind is NodeKind.GROUP)
    assert len(shown.nodes) - len(closed) + counted[10] * 10 == len(graph.nodes)
    flat = Graph("flat", tuple(Node(f"t{n}", f"t{n}") for n in range(300)))
    assert (crowded(flat), len(folded(flat, crowded(flat)).nodes)) == (frozenset(), 300)
