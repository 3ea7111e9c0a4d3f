"""Notebooks called in KFP's DSL, run by the engine. KFP reads annotations at run time, hence no future import."""

import json
from pathlib import Path

import jupyter_kfp
from jupyter_kfp import component_from_notebook


def notebook(path: Path, *cells: tuple[str, str]) -> Path:
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
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": written}))
    return path


def test_a_whole_notebook_as_a_component(tmp_path: Path) -> None:
    from kfp import compiler, dsl

    path = notebook(
        tmp_path / "train.ipynb",
        ("parameters", "lr: float = 0.5\nepochs = 3"),
        ("step:load", "rows = [lr] * epochs"),
        ("step:fit", "score: float = sum(rows)"),
        ("outputs", "score"),
    )
    fit = component_from_notebook(path)

    @dsl.pipeline
    def nightly() -> float:
        return fit(epochs=4).output

    compiler.Compiler().compile(nightly, str(tmp_path / "nightly.yaml"))
    run = jupyter_kfp.run(tmp_path / "nightly.yaml")
    assert run.state == "SUCCEEDED", run
    assert run.outputs == {"Output": 2.0}


def test_a_pipeline_cell(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "explicit.ipynb",
        ("parameters", "start = 1"),
        ("step:grow", "n: int = start + 1"),
        ("step:show", "#| outputs: twice\ntwice: int = n * 2"),
        (
            "",
            "%%pipeline\nwith dsl.ParallelFor([1, 2]) as item:\n    grown = grow(start=item)\n    show(n=grown.output)\ntwice = show(n=grow(start=start).output)",
        ),
        ("outputs", "twice"),
    )
    run = jupyter_kfp.run(path, start=5)
    assert run.state == "SUCCEEDED", run
    assert run.outputs == {"twice": 12}
