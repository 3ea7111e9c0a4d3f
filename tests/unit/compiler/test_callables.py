"""Notebooks as components of KFP. KFP's DSL reads annotations at run time, hence no future import."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_kfp import component_from_notebook, pipeline_from_notebook
from jupyter_kfp.errors import NotebookError, UsageError

from .references import dangling


def notebook(path: Path, *cells: tuple[str, str], **metadata: Any) -> Path:
    """A notebook of (tag, source) cells."""
    written = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {"tags": [tag] if tag else []},
            "outputs": [],
            "execution_count": None,
        }
        for tag, source in cells
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": written}))
    return path


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return notebook(
        tmp_path / "train.ipynb",
        ("parameters", "lr: float\nepochs = 3\nnote: str = None"),
        ("imports", "import math"),
        ("step:load", "#| memory: 2G\nrows = [lr] * epochs\nn: int = len(rows)"),
        ("step:fit", "#| env: {A: b}\nscore: float = math.fsum(rows)\nmodel = {'score': score}"),
        ("outputs", "score\nmodel"),
    )


def compiled(pipeline: Any, tmp_path: Path) -> dict[str, Any]:
    from kfp import compiler

    file = tmp_path / "out.yaml"
    compiler.Compiler().compile(pipeline, str(file))
    spec: dict[str, Any] = next(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    assert dangling(spec) == []
    return spec


def test_one_container_runs_the_whole_notebook(train: Path, tmp_path: Path) -> None:
    from kfp import dsl

    fit = component_from_notebook(train)

    @dsl.component
    def show(score: float) -> None:
        pass

    @dsl.pipeline
    def nightly(lr: float = 0.5) -> float:
        with dsl.ParallelFor([1, 2]) as epochs:
            fit(lr=lr, epochs=epochs)
        task = fit(lr=0.1)
        show(score=task.outputs["score"])
        return task.outputs["score"]

    spec = compiled(nightly, tmp_path)
    task = spec["root"]["dag"]["tasks"]["train-2"]
    component = spec["components"][task["componentRef"]["name"]]
    inputs = component["inputDefinitions"]["parameters"]
    assert inputs["epochs"] == {"defaultValue": 3.0, "isOptional": True, "parameterType": "NUMBER_INTEGER"}
    assert inputs["note"] == {"isOptional": True, "parameterType": "STRING"}
    assert "isOptional" not in inputs["lr"]
    assert {"score"} <= set(component["outputDefinitions"]["parameters"])
    container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    assert container["env"] == [{"name": "A", "value": "b"}]
    assert container["resources"]["resourceMemoryLimit"] == "2G"
    step = _unpacked(inputs["step_notebook"]["defaultValue"])
    assert [cell["source"].strip().splitlines()[-1] for cell in step["cells"]] == [
        "import math",
        "n: int = len(rows)",
        "model = {'score': score}",
    ]


def _unpacked(constant: str) -> dict[str, Any]:
    from jupyter_kfp.runtime.payload import unpack

    return unpack(["", constant])


def test_its_steps_are_those_of_a_nested_pipeline_several_levels_deep(train: Path, tmp_path: Path) -> None:
    from kfp import dsl

    fit = pipeline_from_notebook(train)

    @dsl.pipeline
    def inner(lr: float) -> float:
        return fit(lr=lr).outputs["score"]

    @dsl.pipeline
    def outer() -> float:
        with dsl.If(fit(lr=1.0).outputs["score"] > 3.0):
            fit(lr=0.1, epochs=1)
        return inner(lr=0.5).output

    spec = compiled(outer, tmp_path)
    nested = [
        c for c in spec["components"].values() if set(c.get("dag", {}).get("tasks", {})) == {"load", "fit"}
    ]
    assert len(nested) == 3


@pytest.mark.parametrize("make", [component_from_notebook, pipeline_from_notebook])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "'train' needs 'lr', which is not given."),
        ({"lr": 0.1, "epoch": 1}, "'train' has no input 'epoch'. Did you mean 'epochs'?"),
    ],
)
def test_a_wrong_call_says_which_input(train: Path, make: Any, inputs: dict[str, Any], message: str) -> None:
    component = make(train)
    with pytest.raises(TypeError, match="train") as caught:
        component(**inputs)
    assert isinstance(caught.value, UsageError)
    assert message in str(caught.value)
    with pytest.raises(TypeError, match="by name"):
        component(0.1)


def test_one_output_needs_no_name(tmp_path: Path) -> None:
    from kfp import dsl

    make = component_from_notebook(notebook(tmp_path / "make.ipynb", ("", "n: int = 1"), ("outputs", "n")))

    @dsl.pipeline
    def outer() -> int:
        return make().output

    compiled(outer, tmp_path)


def test_control_flow_needs_a_pipeline(tmp_path: Path) -> None:
    cells = [("", "%%component a --for x in [1]\ny = x")]
    path = notebook(tmp_path / "loop.ipynb", *cells)
    with pytest.raises(NotebookError, match=r"cell 1.*pipeline_from_notebook"):
        component_from_notebook(path)
    assert pipeline_from_notebook(path).name == "loop"
