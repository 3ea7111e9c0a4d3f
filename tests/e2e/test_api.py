"""The Python API over one real run, and values of classes that the notebook defines."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

import jupyter_kfp
from jupyter_kfp.errors import JupyterKfpError

from .conftest import document

CLASSES = "class Point:\n    def __init__(self, x):\n        self.x = x\n    def double(self):\n        return Point(2 * self.x)"
NOTEBOOK = document(
    ("start: int = 1\npath: str = 'a'", "parameters"),
    (CLASSES, "functions"),
    "%%component make_point\npoint = Point(start)\nprint('made', point.x, path)",
    "%%component use_point\ntwice = [point.double(), point]\nx: int = twice[0].x\nclass Local:\n    y = 5\nlocal = Local()",
    "%%component last\nz: float = x / 2 + local.y",
    ("x\nz\ntwice", "outputs"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(autouse=True)
def surroundings(home: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**environment, "JUPYTER_KFP_HOME": str(home / "home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


@pytest.fixture(scope="module")
def run_id(home: Path, environment: dict[str, str]) -> str:
    (home / "n.ipynb").write_text(json.dumps(NOTEBOOK))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, "JUPYTER_KFP_HOME": str(home / "home")}.items():
            patch.setenv(name, value)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        # `path` is a parameter of this notebook, and of the function.
        run = jupyter_kfp.run(home / "n.ipynb", start=4, path="b")
        assert run.state.value == "SUCCEEDED", run.error
        return run.id


def test_results(run_id: str) -> None:
    run = jupyter_kfp.Run(run_id)
    assert run.outputs["x"] == 8
    assert run.outputs["z"] == 9.0
    assert run["use_point"].outputs["x"] == 8
    assert run.parameters == {"start": 4, "path": "b"}
    assert "made 4 b" in run["make_point"].log
    with pytest.raises(KeyError, match="no output 'y'; there are "):
        run.outputs["y"]
    with pytest.raises(KeyError, match="no step 'use'; the run has "):
        run["use"]
    assert {node.id: node.state for node in run.graph().nodes} == dict.fromkeys(
        ["make-point", "use-point", "last"], "SUCCEEDED"
    )


def test_the_executed_notebook(run_id: str) -> None:
    step = jupyter_kfp.Run(run_id)["make_point"]
    assert step.notebook is not None
    executed = nbformat.read(step.notebook, as_version=4)
    assert any(
        "made 4 b" in output.get("text", "") for c in executed.cells for output in c.get("outputs", [])
    )
    assert step.html is not None
    assert "made 4 b" in step.html.read_text(encoding="utf-8")


def test_a_value_of_the_notebooks_own_class(run_id: str) -> None:
    run = jupyter_kfp.Run(run_id)
    point, twice = run["make_point"].artifacts["point"], run.outputs["twice"]
    with pytest.raises(JupyterKfpError, match="cannot be loaded") as told:
        point.load()
    assert "Run the cells that define its class first" in str(told.value)
    assert "Point" in str(told.value)
    namespace: dict[str, type] = {}
    exec(CLASSES, namespace)
    assert isinstance(point.load(namespace), namespace["Point"])
    assert [type(p) for p in twice.load(namespace)] == [namespace["Point"]] * 2
    assert [p.x for p in twice.load(namespace)] == [8, 4]


def test_a_value_of_a_class_in_the_interactive_namespace(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import __main__

    namespace: dict[str, type] = {}
    exec(CLASSES, namespace)
    monkeypatch.setattr(__main__, "Point", namespace["Point"], raising=False)
    assert jupyter_kfp.Run(run_id)["make_point"].artifacts["point"].load().double().x == 8


def test_a_value_of_a_class_that_one_step_defines(run_id: str) -> None:
    local = jupyter_kfp.Run(run_id)["use_point"].artifacts["local"]
    namespace: dict[str, type] = {}
    exec("class Local:\n    y = 5", namespace)
    assert local.load(namespace).y == 5
