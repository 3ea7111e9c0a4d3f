"""Parameters: what comes in as doubles, and what may go out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.runtime.parameters import check, coerce


@pytest.mark.parametrize(
    ("value", "declared", "result"),
    [
        (5.0, "int", 5),
        (5, "float", 5.0),
        (True, "bool", True),
        (None, "int", None),
        ("5", "str", "5"),
        ([1, 2.5], "list[float]", [1.0, 2.5]),
        ([1.0, 2], "list[int]", [1, 2]),
        ({"a": 1}, "dict[str, float]", {"a": 1.0}),
        ({"a": 1.0}, "dict[str, int]", {"a": 1}),
        ([1, 2.5, "x", [1.0]], "list", [1, 2.5, "x", [1.0]]),
        ([[1.0]], "list[list]", [[1.0]]),
    ],
)
def test_coerce(value, declared, result):
    assert repr(coerce(value, declared)) == repr(result)


@pytest.mark.parametrize(
    ("value", "declared", "result"),
    [
        (np.int32(3), "int", 3),
        (np.float32(0.5), "float", 0.5),
        (np.bool_(True), "bool", True),
        (np.str_("x"), "str", "x"),
        (3, "float", 3.0),
        ([1, 2.5], "list[float]", [1.0, 2.5]),
        (2**60, "int", 2**60),
        ({"a": [1, None]}, "dict", {"a": [1, None]}),
    ],
)
def test_check_gives_plain_values(value, declared, result):
    assert repr(check(value, declared)) == repr(result)


def test_infinities_travel():
    assert check(math.inf, "float") == math.inf
    assert math.isnan(check([math.nan], "list")[0])


@pytest.mark.parametrize(
    ("value", "declared", "reason"),
    [
        (None, "float", "NoneType"),
        ("3", "int", "it is str '3'"),
        (True, "int", "bool"),
        (1.0, "int", "float"),
        (1, "bool", "int"),
        ((1, 2), "list", "tuple"),
        ([(1, 2)], "list", "JSON cannot"),
        ({1: 2}, "dict", "JSON cannot"),
        ([np.int64(1)], "list", "JSON cannot"),
        ([{1}], "list", "JSON cannot"),
        (["a"], "list[int]", "it is str"),
        ({"a": "b"}, "dict[str, float]", "it is str"),
        (np.arange(2), "list", "ndarray"),
    ],
)
def test_check_refuses(value, declared, reason):
    with pytest.raises(TypeError, match=reason.replace("(", r"\(")):
        check(value, declared)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@given(value=st.lists(JSON) | st.dictionaries(st.text(), JSON))
def test_all_that_json_gives_back_may_go(value):
    declared = type(value).__name__
    assert repr(coerce(json.loads(json.dumps(check(value, declared))), declared)) == repr(value)
