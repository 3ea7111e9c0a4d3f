"""The README's first promise: the quickstart as a pipeline gives what Run All gives."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
NAMES = ("accuracy", "auc", "winner", "scores", "best", "test")
STEPS = ["load", "split", "train-linear", "train-forest", "compare", "draw"]


@dataclass(frozen=True)
class Pipeline:
    """A run of the quickstart: the document it printed, and where its files are."""

    document: dict[str, Any]
    home: Path

    def task(self, name: str) -> dict[str, Any]:
        return next(task for task in self.document["tasks"] if task["name"] == name)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Pipeline:
    home = tmp_path_factory.mktemp("quickstart") / "home"
    ended = subprocess.run(
        [sys.executable, "-m", "jupyter_kfp.cli", "run", "--json", str(NOTEBOOK)],
        env={**environment, "JUPYTER_KFP_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return Pipeline(json.loads(ended.stdout), home)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> dict[str, Any]:
    """The same names after Run All, in a real kernel, cells whole."""
    directory = tmp_path_factory.mktemp("run-all")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    save = f"import pickle\nwith open('values', 'wb') as file:\n    pickle.dump(({', '.join(NAMES)}), file)"
    notebook.cells.append(nbformat.v4.new_code_cell(save))
    nbformat.write(notebook, directory / "quickstart.ipynb")
    # In a process of its own, so that the kernel gets the tests' environment.
    main = "from nbclient.cli import main; main()"  # what `jupyter execute` is
    execute = [sys.executable, "-c", main, "quickstart.ipynb", "--timeout=200"]
    ended = subprocess.run(
        execute, cwd=directory, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return dict(zip(NAMES, pickle.loads((directory / "values").read_bytes()), strict=True))


def test_the_document_has_exactly_the_promised_form(pipeline: Pipeline) -> None:
    document = pipeline.document
    assert list(document) == ["run_id", "state", "outputs", "tasks", "error"]
    assert document["state"] == "SUCCEEDED"
    assert document["error"] is None
    assert list(document["outputs"]) == ["accuracy", "auc", "best", "figure", "scores", "winner"]
    for name in ("scores", "best", "figure"):
        assert list(document["outputs"][name]) == ["uri", "type", "metadata"]
    assert sorted(task["name"] for task in document["tasks"]) == sorted(STEPS)
    for task in document["tasks"]:
        assert list(task) == [
            "name", "path", "state", "attempts", "started_at", "ended_at", "outputs", "error",
        ]  # fmt: skip
        assert task["path"] == task["name"]
        assert (task["state"], task["attempts"], task["error"]) == ("SUCCEEDED", 1, None)
        assert datetime.fromisoformat(task["started_at"]) < datetime.fromisoformat(task["ended_at"])
    assert set(pipeline.task("split")["outputs"]) == {"train", "test", "executed_notebook", "executed_html"}


def test_artifacts_say_what_they_are(pipeline: Pipeline) -> None:
    import pandas as pd

    scores = pipeline.document["outputs"]["scores"]
    assert scores["type"] == "system.Dataset"
    assert scores["metadata"]["python_type"] == f"{pd.DataFrame.__module__}.DataFrame"
    assert scores["metadata"]["rows"] == 2
    assert json.loads(scores["metadata"]["schema"]) == {"linear": "float64", "forest": "float64"}
    assert len(scores["metadata"]["sha256"]) == 64
    assert scores["metadata"]["size"] == Path(scores["uri"]).stat().st_size
    assert Path(scores["uri"]).is_relative_to(pipeline.home)
    figure = Path(pipeline.document["outputs"]["figure"]["uri"])
    assert figure.stat().st_size > 5_000


def test_every_step_left_its_executed_notebook(pipeline: Pipeline) -> None:
    for task in pipeline.document["tasks"]:
        executed = nbformat.read(task["outputs"]["executed_notebook"]["uri"], as_version=4)
        code = [cell for cell in executed.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code), task["name"]
        page = Path(task["outputs"]["executed_html"]["uri"]).read_text(encoding="utf-8")
        assert page.lstrip().lower().startswith("<!doctype html")
    split = nbformat.read(pipeline.task("split")["outputs"]["executed_notebook"]["uri"], as_version=4)
    shown = [
        output.data["text/plain"]
        for cell in split.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert "(426, 143)" in shown


def test_the_two_trainings_ran_at_the_same_time(pipeline: Pipeline) -> None:
    linear, forest = pipeline.task("train-linear"), pipeline.task("train-forest")
    assert linear["started_at"] < forest["ended_at"]
    assert forest["started_at"] < linear["ended_at"]
    assert pipeline.task("split")["ended_at"] <= min(linear["started_at"], forest["started_at"])


def test_numbers_are_those_of_run_all(pipeline: Pipeline, whole: dict[str, Any]) -> None:
    outputs = pipeline.document["outputs"]
    assert {name: outputs[name] for name in ("accuracy", "auc", "winner")} == {
        name: whole[name] for name in ("accuracy", "auc", "winner")
    }
    assert outputs["accuracy"] > 0.9


def test_frames_and_models_are_those_of_run_all(
    pipeline: Pipeline, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    from jupyter_kfp.api import Run

    monkeypatch.setenv("JUPYTER_KFP_HOME", str(pipeline.home))
    run = Run(pipeline.document["run_id"])
    pd.testing.assert_frame_equal(run.outputs["scores"].load(), whole["scores"], check_exact=True)
    pd.testing.assert_frame_equal(run["split"].artifacts["test"].load(), whole["test"], check_exact=True)
    best, features = run.outputs["best"].load(), whole["test"].drop(columns="target")
    assert type(best) is type(whole["best"])
    assert (best.predict(features) == whole["best"].predict(features)).all()
    # Not to the last bit: BLAS adds in another order where a frame's columns lie otherwise in memory.
    likelihoods = whole["best"].predict_proba(features)
    assert best.predict_proba(features) == pytest.approx(likelihoods, rel=1e-9)
    assert run["train_linear"].artifacts["linear"].load().predict(features).shape == (143,)
