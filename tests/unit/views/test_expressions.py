from __future__ import annotations

import pytest

from jupyter_kfp.views.expressions import branch_labels, field, item_name, listed, readable, referenced

X = "inputs.parameter_values['x']"


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        (f"{X} == 'heads'", "a == 'heads'"),
        (f"int({X}) > 5", "a > 5"),
        (f"!({X} == true)", "not (a == True)"),
        (f"{X} != 'a && !b || true'", "a != 'a && !b || true'"),
        (f'{X} == "it\'s !"', 'a == "it\'s !"'),
        (f"{X} == 1 && ({X} < 2 || false)", "a == 1 and (a < 2 or False)"),
        ("inputs.parameter_values['pipelinechannel--t-Output']\n  == 3", "t == 3"),
    ],
)
def test_conditions_read_like_python(condition: str, shown: str) -> None:
    assert readable(condition, {"x": "a"}) == shown


def test_a_name_that_looks_like_an_expression_is_left_alone() -> None:
    assert readable(f"{X} == 1", {"x": "true && int(1)"}) == "true && int(1) == 1"


def test_referenced_inputs() -> None:
    assert referenced(f'{X} == 1 && inputs.parameter_values["y"] < {X}') == ["x", "y"]


def test_branches_say_what_is_left_to_say() -> None:
    labels = branch_labels([("1", "a"), ("2", "!(a) && b"), ("3", "!(a) && !(b)")])
    assert labels == {"1": ("if", "a"), "2": ("elif", "b"), "3": ("else", "")}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("[1, 2.5, true, null]", "[1, 2.5, true, None]"),
        ('["a", "b"]', "['a', 'b']"),
        ("[]", "[]"),
        ("not json", "not json"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_items(raw: str, shown: str) -> None:
    assert listed(raw) == shown


def test_many_items_are_shortened() -> None:
    text = listed(str(list(range(1000))))
    assert text.endswith("… 1000 items]")
    assert len(text) <= 60


def test_item_names() -> None:
    assert item_name("pipelinechannel--loop-item-param-1", 1) == "item"
    assert item_name("pipelinechannel--loop-item-param-1", 2) == "item2"
    assert item_name("learning_rate", 2) == "learning_rate"
    assert field("item", 'parseJson(string_value)["lr"]') == "item.lr"
