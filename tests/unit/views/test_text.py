from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.views.model import Edge, Graph, Node
from jupyter_kfp.views.text import to_rich, to_text

from .helpers import STATES, check_golden, pipeline
from .strategies import graphs


def test_text_goldens() -> None:
    check_golden("two_branches.txt", to_text(pipeline("two_branches")))
    check_golden("two_branches_run.txt", to_text(pipeline("two_branches", STATES), ascii_only=True))
    check_golden("control_flow.txt", to_text(pipeline("control_flow")))


@given(graphs(names=st.just("")))
def test_every_task_and_box_has_one_line_after_those_it_waits_for(graph: Graph) -> None:
    nodes = tuple(replace(node, name=node.id) for node in graph.nodes)
    groups = tuple(replace(group, name=group.id, label=group.id) for group in graph.groups)
    text = to_text(replace(graph, nodes=nodes, groups=groups))
    found = [item for line in text.splitlines() for item in re.findall(r"^[^a-z]*(i\d+)", line)]
    assert sorted(found) == sorted(item.id for item in graph.items)
    assert all(found.index(edge.source) < found.index(edge.target) for edge in graph.edges)


@given(graphs(), st.integers(20, 60))
def test_ascii_is_ascii_and_width_is_kept(graph: Graph, width: int) -> None:
    text = to_text(graph, ascii_only=True)
    assert text.isascii()
    assert all(len(line) <= width for line in to_text(Graph("g", graph.nodes[:3]), width=width).splitlines())


def test_the_coloured_text_is_the_same_text() -> None:
    graph = pipeline("two_branches", STATES)
    rich = to_rich(graph)
    assert "\n".join(line.rstrip() for line in rich.plain.split("\n")) == to_text(graph).rstrip("\n")
    assert any("red" in str(span.style) for span in rich.spans)


def test_names_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in to_text(Graph("a\x1b[31m", (Node("n", "b\x1b[2J\nc"),)))


def test_tasks_that_share_a_name_are_told_apart() -> None:
    nodes = (Node("a", "same"), Node("b", "same"), Node("c", "c"))
    text = to_text(Graph("g", nodes, (Edge("a", "c", ("x",)), Edge("b", "c"))))
    assert "← x (a); after b" in text


def test_independent_tasks_do_not_look_like_a_sequence() -> None:
    nodes = (Node("a", "a"), Node("b", "b"))
    assert to_text(Graph("g", nodes)).splitlines()[2:] == ["●  a", "", "●  b"]
    assert to_text(Graph("g", nodes, (Edge("a", "b"),))).splitlines()[2:] == ["●  a", "●  b  after a"]
