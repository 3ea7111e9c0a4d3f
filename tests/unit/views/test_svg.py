from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kfp.views.model import Edge, EdgeKind, Graph, Group, GroupKind, Node
from jupyter_kfp.views.states import STATES as ALL_STATES
from jupyter_kfp.views.svg import to_svg

from .helpers import STATES, check_golden, pipeline
from .strategies import graphs

NS = "{http://www.w3.org/2000/svg}"
any_text = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["]]>", "<!--", "&amp;", "\x00\x0b\ufffe", "\ud800", '"><script>alert(1)</script>', "a\nb"]
)


@settings(deadline=None)
@given(graphs(names=any_text))
def test_any_names_make_well_formed_xml_without_foreign_elements(graph: Graph) -> None:
    root = ET.fromstring(to_svg(graph))
    allowed = [
        "svg",
        "title",
        "desc",
        "style",
        "defs",
        "marker",
        "path",
        "rect",
        "g",
        "text",
        "tspan",
        "circle",
    ]
    assert {element.tag.removeprefix(NS) for element in root.iter()} <= set(allowed)
    drawn = [g for g in root.iter(f"{NS}g") if g.get("class", "").startswith("node ")]
    assert len(drawn) == len(graph.nodes)


def test_names_survive_escaping() -> None:
    name = 'say "hi" & <b>it\'s</b> 日本 ☕'
    root = ET.fromstring(to_svg(Graph(name, (Node("n", name),))))
    assert root.findtext(f"{NS}title") == name
    tooltip = root.findtext(f".//{NS}g[@class='node task']/{NS}title") or ""
    assert tooltip.startswith(name)


def test_the_picture_loads_nothing_and_names_itself() -> None:
    svg = to_svg(pipeline("two_branches"))
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    labels = (root.get("aria-labelledby") or "").split()
    assert [element.get("id") for element in root if element.tag in {f"{NS}title", f"{NS}desc"}] == labels
    assert root.findtext(f"{NS}desc") == "Pipeline two-branches: 6 tasks. Two models, one winner."
    assert "prefers-color-scheme:dark" in svg
    assert not re.search(r"@import|<script|href|https?://(?!www\.w3\.org/2000/svg)", svg)


def test_the_legend_shows_the_states_in_use_and_no_others() -> None:
    svg = to_svg(pipeline("two_branches", {"load": "CACHED", "split": "FAILED"}))
    shown = {state for state in ALL_STATES if f">{state.lower()}</text>" in svg}
    assert shown == {"CACHED", "FAILED"}
    assert "succeeded" not in to_svg(pipeline("two_branches"))


def test_every_state_has_its_own_class_and_icon() -> None:
    for state in ALL_STATES:
        assert f'class="node task {state}"' in to_svg(Graph("g", (Node("n", "n", state=state),)))


def test_order_is_dashed_and_values_are_labelled() -> None:
    nodes = (Node("a", "a"), Node("b", "b"), Node("c", "c"))
    svg = to_svg(Graph("g", nodes, (Edge("a", "b", ("df",)), Edge("a", "c", kind=EdgeKind.ORDER))))
    assert svg.count('class="wire order"') == 1
    assert svg.count('class="value"') == 1
    assert "df</text>" in svg
    assert 'class="value"' not in to_svg(Graph("g", nodes, (Edge("a", "b", ("df",)),)), labels=False)


def test_dense_pictures_leave_the_labels_to_the_tooltips() -> None:
    nodes = tuple(Node(f"n{i}", f"n{i}") for i in range(20))
    edges = tuple(Edge(f"n{i}", f"n{j}", ("df",)) for i in range(20) for j in range(i + 1, 20))
    svg = to_svg(Graph("g", nodes, edges))
    assert 'class="value"' not in svg
    assert "<title>df\nn0 → n1</title>" in svg


def test_two_pictures_in_one_page_share_no_id() -> None:
    one, other = to_svg(pipeline("two_branches")), to_svg(pipeline("control_flow"))
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, other)]
    assert all(ids)
    assert not ids[0] & ids[1]


def test_a_headline_that_no_place_is_free_for_covers_the_wire() -> None:
    group = Group("g", "g", GroupKind.CONDITION, "if some_long_name == 'value'")
    graph = Graph("p", (Node("a", "a"), Node("b", "b", parent="g")), (Edge("a", "b"),), (group,))
    assert 'class="cover"' in to_svg(graph)


def test_the_title_can_be_left_out() -> None:
    assert 'class="name"' in to_svg(pipeline("two_branches"))
    assert 'class="name"' not in to_svg(pipeline("two_branches"), title=False)


def test_svg_goldens() -> None:
    check_golden("two_branches.svg", to_svg(pipeline("two_branches", STATES)))
    check_golden("control_flow.svg", to_svg(pipeline("control_flow")))


def test_a_wire_that_ends_at_the_border_leaves_the_headline_alone() -> None:
    group = Group("g", "g", GroupKind.CONDITION, "if some_long_name == 'value'")
    graph = Graph("p", (Node("a", "a"), Node("b", "b", parent="g")), (Edge("a", "g"),), (group,))
    assert 'class="cover"' not in to_svg(graph)
