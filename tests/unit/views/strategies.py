"""Arbitrary pipelines: tasks in nested boxes, edges that never form a circle."""

from __future__ import annotations

from hypothesis import strategies as st

from jupyter_kfp.views.model import Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, PipelineInput
from jupyter_kfp.views.states import STATES

texts = st.text(max_size=40)
states = st.none() | st.sampled_from(STATES)


@st.composite
def graphs(draw: st.DrawFn, max_items: int = 14, names: st.SearchStrategy[str] = texts) -> Graph:
    count = draw(st.integers(0, max_items))
    items: list[Node | Group] = []
    open_boxes: list[str] = []
    for index in range(count):
        # Depth-first: every item goes into one of the boxes that are still open.
        open_boxes = open_boxes[: draw(st.integers(0, len(open_boxes)))]
        parent = open_boxes[-1] if open_boxes else None
        key = f"i{index}"
        if draw(st.integers(0, 3)) == 0:
            kind = draw(st.sampled_from(GroupKind))
            items.append(Group(key, draw(names), kind, draw(names), parent, draw(states)))
            open_boxes = [*open_boxes, key]
        else:
            kind_of_node = draw(st.sampled_from(NodeKind))
            items.append(Node(key, draw(names), kind_of_node, parent, draw(states), note=draw(names)))
    groups = tuple(item for item in items if isinstance(item, Group))
    nodes = tuple(item for item in items if isinstance(item, Node))
    empty = Graph("", nodes, (), groups)
    # Edges run forward in depth-first order, so between the members of any box as well.
    pairs = [
        (source.id, target.id)
        for index, source in enumerate(items)
        for target in items[index + 1 :]
        if source.id not in empty.ancestors(target.id)
    ]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * count)) if pairs else []
    edges = []
    for source, target in chosen:
        labels = tuple(draw(st.lists(names, max_size=2)))
        edges.append(Edge(source, target, labels, EdgeKind.DATA if labels else EdgeKind.ORDER))
    inputs = tuple(
        PipelineInput(draw(names), "str", False, draw(names)) for _ in range(draw(st.integers(0, 2)))
    )
    return Graph(draw(names), nodes, tuple(edges), groups, inputs)
