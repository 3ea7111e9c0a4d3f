"""What counts as a difference, and what does not."""

from __future__ import annotations

import copy
import pickle
import re
from collections import Counter, defaultdict, deque, namedtuple
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from .describe import describe

Pair = namedtuple("Pair", "x y")


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Item:
    name: str
    parts: list[int]


def shared(*, one: bool) -> list[list[int]]:
    part = [1]
    return [part, part if one else list(part)]


FITTED = LinearRegression().fit([[1], [2]], [1, 2])
MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)

DIFFERENT = [
    (1, 1.0),
    (1, True),
    ((1,), [1]),
    ([1], [1, 1]),
    ({1}, frozenset({1})),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1: "x"}, {"1": "x"}),
    (0.0, -0.0),
    (float("nan"), None),
    (b"x", bytearray(b"x")),
    (shared(one=True), shared(one=False)),
    (np.float64(1.0), 1.0),
    (np.zeros(2), np.zeros(2, dtype="float32")),
    (np.zeros(3000), np.ones(3000)),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    (pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1.0]})),
    (pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1]}, index=["r"])),
    (pd.Series(["a"], dtype="category"), pd.Series(["a"], dtype=pd.CategoricalDtype(["a", "b"]))),
    (pd.Index([1], name="a"), pd.Index([1], name="b")),
    (FITTED, LinearRegression()),
    (Color.RED, Color.BLUE),
    (Item("a", [1]), Item("a", [2])),
    (Item("a", [1]), SimpleNamespace(name="a", parts=[1])),
    (Pair(1, 2), (1, 2)),
    (deque([1]), [1]),
    (Counter("a"), {"a": 1}),
    (defaultdict(list), defaultdict(int)),
    (Decimal("1.0"), Decimal("1.00")),
    (Path("a"), "a"),
    (partial(int, base=2), partial(int, base=3)),
    (lambda: 1, lambda: 2 + len("")),
    (len, max),
    (int, float),
]


def without_address(value: object) -> str:
    """A name that is the same in every process: pytest-xdist compares them."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=without_address)
def test_a_difference_is_seen(left, right):
    assert describe(left) != describe(right)


SAME = [value for pair in DIFFERENT[:-4] for value in pair]


@pytest.mark.parametrize("value", [*SAME, MOMENT, np.array([{"a": 1}], dtype=object)], ids=without_address)
def test_a_pickled_copy_is_the_same(value):
    assert describe(pickle.loads(pickle.dumps(value))) == describe(value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_copies_of_plain_values_are_the_same(value):
    assert describe(copy.deepcopy(value)) == describe(value)


def test_cycles_end():
    loop = [1]
    loop.append(loop)
    assert describe(loop) == "list\n  int 1\n  @0"


def test_what_cannot_be_pickled_still_has_a_description():
    assert "generator" in describe(i for i in [])
