from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.views.mermaid import escaped, to_mermaid
from jupyter_kfp.views.model import Graph, Node

from .helpers import STATES, check_golden, pipeline
from .strategies import graphs


def shown(label: str) -> str:
    """What Mermaid makes of a label."""
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label)


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1))
def test_labels_show_what_the_name_is(name: str) -> None:
    label = escaped(name)
    assert shown(label).strip() == name.strip()
    assert not set(re.sub(r"#\d+;", "", label)) & set('"#&<>;`*%\\{}$~|')


@pytest.mark.parametrize(
    "name", ["1. first", "12) second", "- dash", "+ plus", "_x_", "__x__", "a\nb", "end"]
)
def test_nothing_reads_as_markdown(name: str) -> None:
    label = escaped(name)
    assert not re.match(r"\d+[.)]|[-+=]", label)
    assert not re.search(r"(?<!\w)_|_(?!\w)", label)
    assert "\n" not in label


def test_names_inside_words_stay_readable() -> None:
    assert escaped("load_data v1.2") == "load_data v1.2"


@given(graphs())
def test_every_item_is_declared_once_and_boxes_are_closed(graph: Graph) -> None:
    text = to_mermaid(graph)
    assert len(re.findall(r"^ +n\d+[(\[]", text, re.MULTILINE)) == len(graph.nodes)
    assert len(re.findall(r"^ +subgraph ", text, re.MULTILINE)) == len(graph.groups)
    assert len(re.findall(r"^ +end$", text, re.MULTILINE)) == len(graph.groups)
    assert len(re.findall(r"-->|-\.->", text)) == len(graph.edges)


def test_the_title_is_a_yaml_string() -> None:
    yaml = pytest.importorskip("yaml")
    name = 'a "b": \\ # c'
    front = to_mermaid(Graph(name, (Node("n", "n"),))).split("---\n")[1]
    assert yaml.safe_load(front) == {"title": name}


def test_mermaid_goldens() -> None:
    check_golden("two_branches.mmd", to_mermaid(pipeline("two_branches", STATES)))
    check_golden("control_flow.mmd", to_mermaid(pipeline("control_flow")))
