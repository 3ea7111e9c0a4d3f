"""Which outputs are one piece."""

from __future__ import annotations

import enum
import logging

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import scipy.stats
from matplotlib.figure import Figure
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jupyter_kfp.runtime.sharing import groups


class Node:
    def __init__(self, *parts):
        self.parts = parts


Colour = enum.Enum("Colour", "RED")
INNER = [1]
ARRAY = np.arange(6)
FRAME = pd.DataFrame({"a": [1, 2]})
SCALER = StandardScaler()
X, Y = load_iris(return_X_y=True)
FIGURE, OTHER_FIGURE = Figure(), Figure()
FIGURE.add_subplot().plot([1, 2])
OTHER_FIGURE.add_subplot().plot([1, 2])
LOG = logging.getLogger("sharing")


@pytest.mark.parametrize(
    "values",
    [
        {"a": INNER, "b": INNER},
        {"a": INNER, "b": [INNER]},
        {"a": [INNER], "b": {"k": (1, INNER)}},
        {"a": Node(INNER), "b": INNER},
        {"a": ARRAY, "b": ARRAY[1:]},
        {"a": ARRAY[:2], "b": ARRAY[3:].reshape(3, 1)},
        {"a": FRAME, "b": [FRAME]},
        {"a": SCALER, "b": make_pipeline(SCALER, LinearRegression())},
        {"a": np.array([INNER, None], dtype=object), "b": INNER},
        {"a": make_pipeline(SCALER), "b": make_pipeline(SCALER, LinearRegression())},
        {"a": FIGURE, "b": FIGURE.axes[0]},
    ],
)
def test_shared(values):
    assert groups(values) == [["a", "b"]]


@pytest.mark.parametrize(
    "values",
    [
        {"a": [1], "b": [1]},
        {"a": "text", "b": ["text"]},
        {"a": (1, "x"), "b": [(1, "x")]},
        {"a": [Colour.RED], "b": [Colour.RED]},
        {"a": Node(np.dtype("f8"), Colour.RED, int, LOG), "b": Node(np.dtype("f8"), Colour.RED, int, LOG)},
        {"a": FRAME, "b": FRAME[["a"]]},
        {"a": pd.Timestamp(0), "b": [pd.Timestamp(0)]},
        {"a": X, "b": KNeighborsClassifier().fit(X, Y)},
        {"a": FIGURE, "b": OTHER_FIGURE},
        {"a": go.Figure(go.Bar(x=[1])), "b": go.Figure(go.Bar(x=[1]))},
        {"a": scipy.stats.norm(0, 1), "b": scipy.stats.norm(0, 1)},
        {"a": LinearRegression().fit(X, Y), "b": LinearRegression().fit(X, Y)},
    ],
)
def test_apart(values):
    assert groups(values) == [["a"], ["b"]]


def test_groups_join_in_order():
    left, right = [1], [2]
    assert groups({"a": left, "x": 1, "b": right, "c": [left, right]}) == [["x"], ["a", "b", "c"]]


def test_loops_end():
    loop = []
    loop.append(loop)
    assert groups({"a": loop, "b": []}) == [["a"], ["b"]]
