import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.engine import cel
from jupyter_kfp.engine.cel import ExpressionError

P = "inputs.parameter_values"
NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.mark.parametrize(
    ("expression", "value", "holds"),
    [
        (f"{P}['a'] == 'heads'", "heads", True),
        (f"!({P}['a'] == 'heads')", "heads", False),
        (f"int({P}['a']) > 5", 6, True),
        (f"int({P}['a']) == 7.0", 7, True),
        (f"int({P}['a']) < 7.5", 7, True),
        (f"{P}['a'] == 7", 7, True),
        (f"{P}['a'] == 7", 7.5, False),
        (f"{P}['a'] in [1, 2]", 1, True),
        (f"{P}['a'] == [1, 'x']", [1.0, "x"], True),
        (f"{P}['a'] == true", True, True),
        (f"{P}['a'] == true", 1, False),
        (f"{P}['a'] == 'True'", True, False),
        (f"{P}['a'] == null", None, True),
        (f"{P}['a'] >= 'b'", "c", True),
        (f"{P}['a'] != '1'", 1, True),
        (f"{P}['a'].b.c == 1", {"b": {"c": 1}}, True),
        (f"size({P}['a']) == 2", [1, 2], True),
        (f"{P}['a'] == 'x' && {P}['missing'] == 'y'", "z", False),
        (f"{P}['missing'] == 'y' || {P}['a'] == 'x'", "x", True),
    ],
)
def test_conditions(expression: str, value: Any, holds: bool) -> None:
    assert cel.condition(expression, {"a": value}) is holds


@pytest.mark.parametrize(
    ("expression", "value", "reason"),
    [
        (f"{P}['a']", "x", "is 'x', neither true nor false"),
        (f"{P}['a'] + 1.0", 2, "is 3.0, neither true nor false"),
        (f"{P}['pipelinechannel--b'] == 1", 1, "Its condition b == 1 cannot be evaluated: there is no 'b'"),
        (f"int({P}['a']) > 1", "x", "invalid literal for int"),
        (f"{P}['a'] > 1", "x", '"x" and 1 have no order'),
        (f"{P}['a'] > 1", True, "true and 1 have no order"),
        ("1 +", 1, "it is not valid CEL"),
        ("__import__('os')", 1, "there is no '__import__'"),
        (f"{P}['a'][5] == 1", [1], "out of range"),
    ],
)
def test_what_is_no_condition_is_told_in_one_sentence(expression: str, value: Any, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        cel.condition(expression, {"a": value})
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "celtypes" not in str(caught.value)


@given(a=NUMBERS, b=NUMBERS)
def test_numbers_compare_by_value_whatever_their_kinds(a: float, b: float) -> None:
    assert cel.condition(f"{P}['a'] < {P}['b']", {"a": a, "b": b}) is (a < b)
    assert cel.condition(f"{P}['a'] == {P}['b']", {"a": a, "b": b}) is (float(a) == float(b))


@given(text=st.text())
def test_values_are_never_part_of_the_expression(text: str) -> None:
    assert cel.condition(f"{P}['a'] == {P}['b']", {"a": text, "b": text}) is True
    assert cel.condition(f"{P}['a'] == 'x'", {"a": text}) is (text == "x")


def test_parts_of_values_keep_their_kinds() -> None:
    value = {"n": 1, "d": 1.0, "l": [1, 2.0, None, True], "s": "it's", "m": {"x": 2**53}}
    for name, part in value.items():
        found = cel.select(value, f'parseJson(string_value)["{name}"]')
        assert repr(found) == repr(part)
    assert cel.select('{"a": 3}', 'parseJson(string_value)["a"]') == 3, "a text is JSON already"


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"has no value for .*: there is no 'b'"):
        cel.select({"a": 1}, 'parseJson(string_value)["b"]')
    with pytest.raises(ExpressionError, match="has no value for no JSON: a part of it has no value"):
        cel.select("no JSON", 'parseJson(string_value)["b"]')


def test_a_condition_as_a_person_would_write_it() -> None:
    assert cel.readable(f"!(int({P}['pipelinechannel--n']) == 1)") == "!(int(n) == 1)"


def test_infinity_is_a_number() -> None:
    assert cel.condition(f"{P}['a'] > 1.0", {"a": math.inf}) is True
