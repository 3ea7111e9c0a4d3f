"""Notebooks of other kernels than Python's are one step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_kfp.notebook import Analysis, analyze
from jupyter_kfp.notebook.source import parse_notebook
from jupyter_kfp.notebook.whole import whole_notebook
from jupyter_kfp.pipeline import Kernel

R = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
BASH = {"kernelspec": {"name": "bash", "language": "bash", "display_name": "Bash"}}


def analysis(metadata: dict[str, Any], *cells: tuple[str, str]) -> Analysis:
    written = [
        {
            "cell_type": "code",
            "source": s,
            "metadata": {"tags": [t] if t else []},
            "outputs": [],
            "execution_count": None,
        }
        for t, s in cells
    ]
    text = json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": written})
    return analyze(parse_notebook(text, "t"))


def test_it_is_one_step_with_declared_outputs() -> None:
    kfp = {"outputs": {"rows": "int", "table": "Dataset"}, "memory": "2G", "image": "r-base"}
    found = analysis(
        {**R, "kfp": kfp},
        (
            "parameters",
            "epochs <- 10L # how often\nlr <- 1e-3\nname <- 'a # b'\nverbose <- TRUE\nnote <- NULL",
        ),
        ("", "library(dplyr)"),
        ("skip", "stop()"),
        ("outputs", "score: float\nplot"),
        ("", "writeLines('1', rows_path)"),
    )
    assert found.diagnostics == ()
    (step,) = found.checked().steps
    assert step.kernel == Kernel("ir", "R")
    assert [(code.source, code.cell) for code in step.body] == [
        ("library(dplyr)", 1),
        ("writeLines('1', rows_path)", 4),
    ]
    assert [(p.name, str(p.type), p.default) for p in found.pipeline.parameters] == [
        ("epochs", "int", 10), ("lr", "float", 0.001), ("name", "str", "a # b"), ("verbose", "bool", True), ("note", "str", None),
    ]  # fmt: skip
    outputs = [("rows", "int"), ("table", "Dataset"), ("score", "float"), ("plot", "Artifact")]
    assert [(o.name, str(o.type)) for o in step.outputs] == outputs
    assert [(o.name, str(o.type)) for o in found.pipeline.outputs] == outputs
    assert (step.options.memory, step.options.image) == ("2G", "r-base")
    assert whole_notebook(found.reading.notebook) == found.pipeline


def test_parameters_of_bash() -> None:
    cell = 'epochs=3\nname="a b" # x\nword=plain\nempty=\nexport on=true\necho hello'
    found = analysis(BASH, ("parameters", cell), ("", "echo $name"))
    assert [(p.name, p.default) for p in found.pipeline.parameters] == [
        ("epochs", 3), ("name", "a b"), ("word", "plain"), ("empty", ""), ("on", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "cell", "code"),
    [
        (R, ("parameters", "x <- c(1, 2)"), "K301"),
        (BASH, ("parameters", "x=$(date)"), "K301"),
        (BASH, ("outputs", "x: nothing"), "K302"),
    ],
)
def test_what_is_wrong_has_its_place(metadata: dict[str, Any], cell: tuple[str, str], code: str) -> None:
    (finding,) = analysis(metadata, cell, ("", "1")).diagnostics
    assert (finding.code, finding.cell) == (code, 0)
