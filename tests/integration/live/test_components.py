"""`--from` in a real kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .executing import TIMEOUT, Look, execute

pytestmark = pytest.mark.timeout(TIMEOUT)

COMPONENTS = """
from kfp import compiler, dsl

@dsl.component(base_image="python:3.11")
def add(a: int, b: float = 2.0) -> float:
    return a + b

@dsl.component(base_image="python:3.11")
def train(data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model], n: int = 1) -> str:
    with open(data.path) as file, open(model.path, "w") as written:
        written.write(file.read() * n)
    model.metadata["n"] = n
    return "done"

@dsl.component(base_image="python:3.11")
def breaks():
    raise ValueError("this one breaks")

@dsl.component(base_image="python:3.11")
def tells() -> str:
    import os
    return os.environ["TOLD"]

@dsl.container_component
def contained():
    return dsl.ContainerSpec(image="alpine:3", command=["no-such-program-here"])

for component in (add, train, breaks, tells, contained):
    compiler.Compiler().compile(component, component.name + ".yaml")
"""
CELLS = {
    "load": "%load_ext jupyter_kfp",
    "add": "%%component add --from add.yaml\na = 3",
    "added": "Output",
    "fit": "%%component fit --from train.yaml\ndata = {'a': 1}\nn = 2",
    "fitted": "from pathlib import Path\nmodel, Path(model.path).read_text(), model.metadata, model.uri == model.path, Output",
    "fit again": "%%component fit --from train.yaml\ndata = model",
    "fitted again": "type(model).__name__, Path(model.path).read_text()",
    "options": "%%component tells --from tells.yaml --packages pandas\n#| env: {TOLD: by an option}",
    "with options": "Output",
    "breaks": "%%component breaks --from breaks.yaml",
    "contained": "%%component contained --from contained.yaml",
    "no input": "%%component add --from add.yaml\na = 3\nc = 1",
    "no component": "%%component add --from nowhere.yaml",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Look:
    directory = tmp_path_factory.mktemp("components")
    (directory / "components.py").write_text(COMPONENTS)  # kfp reads the source of each function
    subprocess.run(
        [sys.executable, "components.py"], cwd=directory, check=True, timeout=200, capture_output=True
    )
    return execute(directory, CELLS)


def test_a_component(shown: Look) -> None:
    assert shown("add").text == "add bound Output\n"
    assert shown("added").results == ("5.0",)
    (fitted,) = shown("fitted").results
    assert "'{\"a\": 1}{\"a\": 1}', {'n': 2}, True, 'done')" in " ".join(fitted.split())
    (again,) = shown("fitted again").results
    assert "('Model', '{\"a\": 1}{\"a\": 1}')" in again


def test_a_component_runs_with_the_options_of_its_cell(shown: Look) -> None:
    assert shown("with options").results == ("'by an option'",)
    assert "Warning: " in shown("options").text
    assert "packages" in shown("options").text


def test_a_component_that_does_not_work(shown: Look) -> None:
    assert "ValueError: this one breaks" in shown("breaks").error
    assert "LiveError: breaks.yaml failed: " in shown("breaks").error
    assert "'no-such-program-here' is not on this machine's PATH" in shown("contained").error
    assert "nowhere.yaml does not exist" in shown("no component").error
    assert "has no input `c`. It takes a, b." in shown("no input").error
