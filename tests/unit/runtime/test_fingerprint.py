"""The mutation guard's digest: blind to reading, sharp for changes."""

from __future__ import annotations

import copy
import dataclasses
import functools
import io
import pickle
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kfp.runtime.fingerprint import fingerprint


class Thing:
    """A plain object of the user's."""

    limit = 1

    def __init__(self, **values):
        self.__dict__.update(values)

    @functools.cached_property
    def total(self):
        return 42


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


@dataclasses.dataclass
class Point:
    x: list


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda v: st.lists(v) | st.tuples(v) | st.dictionaries(st.text(), v) | st.frozensets(st.integers()),
    max_leaves=10,
)


@settings(deadline=None)
@given(value=PLAIN)
def test_an_equal_value_has_an_equal_fingerprint(value):
    assert fingerprint(value) == fingerprint(pickle.loads(pickle.dumps(value)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("a", b"a"),
        ([1, 2], (1, 2)),
        ([1, 2], [2, 1]),
        ([[1], [2]], [[1, 2]]),
        (["ab", "c"], ["a", "bc"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2}, {1, 3}),
        (np.zeros(2), np.zeros((2, 1))),
        (np.zeros(2, "f4"), np.zeros(1, "f8")),
        (np.array([1, "a"], object), np.array([1, "b"], object)),
        (np.float32(1), np.float64(1)),
        (pd.Series([1]), pd.Series([1], name="a")),
        (pd.Index([1], name="a"), pd.Index([1], name="b")),
        (
            pd.date_range("2020", periods=3, freq="D"),
            pd.DatetimeIndex(pd.date_range("2020", periods=3), freq=None),
        ),
        (pd.Categorical(["a"], ["a"]), pd.Categorical(["a"], ["a", "b"])),
        (pd.array([1, None], "Int64"), pd.array([1, 0], "Int64")),
        (OrderedDict(a=1), {"a": 1}),
        (deque([1]), deque([1], 5)),
        (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})),
        (Path("a"), Path("b")),
        (Point([1]), Point([2])),
        (Slotted(1), Slotted(2)),
        (functools.partial(int, base=2), functools.partial(int, base=3)),
    ],
)
def test_different_values_differ(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_sharing_inside_a_value_is_part_of_it():
    row = [0]
    assert fingerprint([row, row]) != fingerprint([[0], [0]])


def test_endless_and_deep_values():
    loop = []
    loop.append(loop)
    assert fingerprint(loop) == fingerprint(loop)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert fingerprint(deep)


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), (i for i in ()), io.BytesIO(), object(), Thing, np, print, matplotlib.figure.Figure()],
)
def test_objects_that_cannot_be_taken_apart_raise_no_alarm(value):
    assert fingerprint([value]) == fingerprint([value])


FRAME = pd.DataFrame(
    {
        "a": [3, 1, 2],
        "s": ["x", "y", None],
        "c": pd.Categorical(list("aba")),
        "t": pd.date_range("2020", periods=3),
    }
)


def read_frame(frame):
    frame.describe(include="all")
    frame.groupby("c", observed=True)["a"].sum()
    frame.loc[0], frame["a"].mean(), frame.iloc[1], frame.T, frame.to_dict(), repr(frame)
    (
        frame.sort_values("a"),
        frame.merge(frame, on="a"),
        frame.set_index("t").asof("2020-01-02"),
        frame.memory_usage(),
    )
    (
        frame.index.is_unique,
        frame.columns.get_loc("a"),
        hash(tuple(frame.columns)),
        frame["t"].dt.day,
        frame.query("a > 1"),
    )


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (FRAME.copy, read_frame),
        (
            lambda: pd.Series([1, 2, 3], pd.date_range("2020", periods=3)),
            lambda s: (s.loc["2020-01-02"], s.resample("2D").sum()),
        ),
        (
            lambda: np.arange(6).reshape(2, 3),
            lambda a: (a.sum(), a.T, a[0], a.flags, a.tolist(), np.linalg.norm(a)),
        ),
        (
            lambda: {"a": [1, {2}]},
            lambda d: (d.get("b"), list(d.items()), sorted(d), copy.deepcopy(d), repr(d)),
        ),
        (lambda: defaultdict(list, a=[1]), lambda d: (d["a"], d.get("b"))),
        (lambda: Counter("abca"), lambda c: (c["z"], c.most_common())),
        (lambda: Thing(a=[1]), lambda t: (t.total, t.a, hash(t))),
        (
            lambda: scipy.sparse.random(5, 5, 0.5, "csr", random_state=0),
            lambda m: (m.has_sorted_indices, m.has_canonical_format, m @ m),
        ),
        (lambda: np.random.default_rng(0), repr),
    ],
)
def test_reading_is_no_change(make, read):
    value = make()
    before = fingerprint(value)
    read(value)
    assert fingerprint(value) == before


def change(code):
    def run(v):
        exec(code, {"v": v, "np": np, "pd": pd})

    run.__name__ = code
    return run


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize(
    ("make", "mutate"),
    [
        (lambda: {"a": {"b": [1, 2]}}, "v['a']['b'].append(3)"),
        (lambda: [[1], (2, [3])], "v[1][1][0] = 4"),
        (lambda: {1, 2}, "v.add(3)"),
        (lambda: bytearray(b"ab"), "v[0] = 99"),
        (lambda: deque([1]), "v.append(2)"),
        (lambda: defaultdict(list), "v['new']"),
        (lambda: np.arange(3), "v[1] = 9"),
        (lambda: np.arange(4), "v.shape = 2, 2"),
        (lambda: np.array([[1], None], object), "v[0].append(2)"),
        (lambda: np.zeros(3)[::2], "v[1] = 1"),
        (lambda: np.ma.array([1, 2]), "v[0] = np.ma.masked"),
        (FRAME.copy, "v.loc[0, 'a'] = 9"),
        (FRAME.copy, "v.iat[2, 1] = 'z'"),
        (FRAME.copy, "v['new'] = 1"),
        (FRAME.copy, "v.rename(columns={'a': 'b'}, inplace=True)"),
        (FRAME.copy, "v.index = [1, 2, 3]"),
        (FRAME.copy, "v.sort_values('a', inplace=True)"),
        (FRAME.copy, "v.attrs['k'] = 1"),
        (FRAME.copy, "v['a'] = v['a'].astype(float)"),
        (FRAME.copy, "v['c'] = v['c'].cat.add_categories('z')"),
        (lambda: pd.DataFrame({"o": [[1], [2]]}), "v.loc[0, 'o'].append(5)"),
        (lambda: pd.Series([1, 2]), "v[0] = 5"),
        (lambda: pd.Series([1, 2]), "v.name = 'n'"),
        (lambda: pl.DataFrame({"a": [1]}), "v.insert_column(0, v['a'].rename('b'))"),
        (lambda: Thing(a=Thing(b=[1])), "v.a.b.append(2)"),
        (lambda: Thing(a=1), "del v.a"),
        (lambda: Slotted([1]), "v.a.append(2)"),
        (lambda: Point([1]), "v.x.append(2)"),
        (lambda: np.random.default_rng(0), "v.random()"),
        (lambda: scipy.sparse.eye(3, format="csr"), "v[0, 0] = 5"),
        (lambda: functools.partial(max, [1]), "v.args[0].append(2)"),
    ],
    ids=lambda p: p if isinstance(p, str) else "",
)
def test_changes_are_caught(make, mutate):
    value = make()
    before = fingerprint(value)
    change(mutate)(value)
    assert fingerprint(value) != before


def test_classes_and_functions_of_the_notebook():
    space = {"__name__": "__main__"}
    exec(
        "class C:\n    limit = 1\n    def m(self): return 1\nseen = []\ndef f(x, memo=[]): memo.append(x)\ndef outer():\n    n = []\n    return lambda: n.append(1)\ng = outer()",
        space,
    )
    for code in ("C.limit = 2", "C.m = lambda self: 2", "f(1)", "g()", "f.calls = 1"):
        before = fingerprint([space[name] for name in "Cfg"])
        exec(code, space)
        assert fingerprint([space[name] for name in "Cfg"]) != before, code
