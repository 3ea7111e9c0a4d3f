"""The Python API without running anything: loading, checking, compiling, and runs that were recorded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import jupyter_kfp
from jupyter_kfp.api import load, parse_parameters
from jupyter_kfp.engine import starting
from jupyter_kfp.errors import DiagnosticsError, JupyterKfpError, NotebookError, UsageError
from jupyter_kfp.runs import Run, StoredArtifact
from jupyter_kfp.store import liveness
from jupyter_kfp.store.records import ArtifactRecord, Failure, NewArtifact, NewRun, NewTask, State
from jupyter_kfp.store.store import open_store

SOURCES = {
    "good": ["%%component one\nx: int = 1", "%%component two\ny: int = x + 1"],
    "doubtful": ["from math import *", "%%component one\nx = sqrt(4)"],
    "wrong": ["%%component one\nx = 1\ny = nobody"],
}


def cell(source: str, *tags: str) -> dict[str, Any]:
    metadata = {"tags": list(tags)}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JUPYTER_KFP_STORE_URL", raising=False)
    for name, sources in SOURCES.items():
        cells = [
            cell("n: int = 1\nnames: list[str] = []", "parameters"),
            *map(cell, sources),
            cell("x", "outputs"),
        ]
        document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(document))
    return tmp_path


def test_the_package_says_what_it_has() -> None:
    for name in jupyter_kfp.__all__:
        assert getattr(jupyter_kfp, name) is not None
        assert name in dir(jupyter_kfp)
    assert jupyter_kfp.load is load
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        jupyter_kfp.nothing  # noqa: B018


def test_a_notebook_without_errors(notebooks: Path) -> None:
    loaded = load(notebooks / "good.ipynb")
    assert repr(loaded) == f"<pipeline of {notebooks / 'good.ipynb'}>"
    assert loaded.check() == ()
    assert [step.name for step in loaded.pipeline.steps] == ["one", "two"]
    assert loaded.sources[1] == SOURCES["good"][0]
    text = loaded.compile(notebooks / "good.yaml")
    assert (notebooks / "good.yaml").read_text() == text == load(str(notebooks / "good.ipynb")).compile()
    assert loaded.compile(provenance=True) != text
    assert loaded.compile() == text
    assert {node.id: node.state for node in loaded.graph({"one": "FAILED"}).nodes}["one"] == "FAILED"


def test_a_compiled_pipeline_is_loaded_as_it_is(notebooks: Path) -> None:
    text = load(notebooks / "good.ipynb").compile(notebooks / "good.yaml")
    loaded = load(notebooks / "good.yaml")
    assert loaded.compile() == text
    assert (loaded.check(), loaded.sources) == ((), {})
    assert loaded.graph() == load(notebooks / "good.ipynb").graph()
    with pytest.raises(UsageError, match="only a notebook has a model"):
        _ = loaded.pipeline


def test_errors_in_a_notebook_are_found_and_stop_compiling(notebooks: Path) -> None:
    loaded = load(notebooks / "wrong.ipynb")
    (found,) = [d for d in loaded.check() if d.code == "K201"]
    assert (found.cell, found.line, found.step) == (1, 3, "one")
    for call in (loaded.compile, loaded.graph, loaded.run, lambda: loaded.pipeline):
        with pytest.raises(DiagnosticsError, match="nobody"):
            call()
    assert not (notebooks / "home").exists()


def test_warnings_do_not_stop_compiling(notebooks: Path) -> None:
    loaded = load(notebooks / "doubtful.ipynb")
    assert [d.code for d in loaded.diagnostics] == ["K214"]
    assert loaded.compile()


def test_files_that_cannot_be_read_or_written(notebooks: Path) -> None:
    with pytest.raises(NotebookError, match="does not exist"):
        load(notebooks / "nowhere.ipynb")
    with pytest.raises(UsageError, match="There is no file"):
        load(notebooks / "nowhere.yaml")
    (notebooks / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        load(notebooks / "binary.yaml")
    (notebooks / "directory.yaml").mkdir()
    with pytest.raises(UsageError, match=r"directory\.yaml cannot be read"):
        load(notebooks / "directory.yaml")
    with pytest.raises(JupyterKfpError, match=r"directory\.yaml cannot be written"):
        load(notebooks / "good.ipynb").compile(notebooks / "directory.yaml")


def test_parameters_are_read_as_their_types(notebooks: Path) -> None:
    text = load(notebooks / "good.ipynb").compile()
    assert parse_parameters(text, []) == {}
    assert parse_parameters(text, ["n=3", 'names=["a=b"]']) == {"n": 3, "names": ["a=b"]}
    with pytest.raises(UsageError, match="not NAME=VALUE"):
        parse_parameters(text, ["n"])


@pytest.mark.parametrize(
    ("values", "said"),
    [({"m": 1}, "no parameter 'm'"), ({"n": "1"}, "of type int"), ({"names": [object()]}, "JSON")],
)  # fmt: skip
def test_wrong_parameters_start_nothing(notebooks: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(notebooks / "good.ipynb").run(**values)
    with pytest.raises(UsageError, match=said):
        jupyter_kfp.run(notebooks / "good.ipynb", **values)
    assert not (notebooks / "home/store.sqlite").exists()
    assert starting._waiting is None, "nor does an engine wait for another run"


# ---------------------------------------------------------------------- runs


@pytest.fixture
def recorded(notebooks: Path) -> Path:
    """Two runs in the store: abc123 succeeded, abd456 failed before its step wrote anything."""
    (notebooks / "value").write_text("not a pickle")
    (notebooks / "out.ipynb").write_text("{}")
    text = load(notebooks / "good.ipynb").compile()
    store = open_store()
    try:
        for run_id in ("abc123", "abd456"):
            new = NewRun(
                id=run_id, name="r", pipeline="good", ir=text, root=str(notebooks), parameters={"n": 1}
            )
            store.create_run(
                new, [NewTask(path="train-model", key="train-model", display_name="Train it", component="c")]
            )
            recorder = store.recorder(run_id)
            process = liveness.process_id(os.getpid())
            assert process is not None
            recorder.set_process(process)
            recorder.begin_attempt(
                "train-model", 1, directory=str(notebooks), log=str(notebooks / f"{run_id}.log")
            )
            if run_id == "abc123":
                (notebooks / "abc123.log").write_bytes(b"said \xff\n")
                made = {
                    "x": [
                        NewArtifact(
                            "x",
                            "system.Model",
                            str(notebooks / "value"),
                            {"serializer": "cloudpickle", "python_type": "a.B"},
                        )
                    ],
                    "gone": [
                        NewArtifact(
                            "gone", "system.Artifact", str(notebooks / "gone"), {"serializer": "json"}
                        )
                    ],
                    "unbound": [
                        NewArtifact("unbound", "system.Artifact", str(notebooks / "value"), {"unbound": 1})
                    ],
                    "executed_notebook": [
                        NewArtifact("executed_notebook", "system.Artifact", str(notebooks / "out.ipynb"), {})
                    ],
                }
                recorder.end_task(
                    "train-model", State.SUCCEEDED, parameters={"accuracy": 0.5}, artifacts=made
                )
                recorder.end_run(State.SUCCEEDED, values={"accuracy": 0.5})
            else:
                recorder.end_task("train-model", State.FAILED, failure=Failure("It broke.", "ValueError", 3))
                recorder.end_run(State.FAILED, failure=Failure("train-model: It broke."))
    finally:
        store.close()
    return notebooks


@pytest.mark.usefixtures("recorded")
def test_a_run_by_the_beginning_of_its_id() -> None:
    run = Run("abc")
    assert (run.id, run.state, run.error) == ("abc123", State.SUCCEEDED, None)
    assert repr(run) == "<run abc123 SUCCEEDED>"
    assert run.outputs == {"accuracy": 0.5}
    assert run.parameters == {"n": 1}
    assert run.as_dict()["run_id"] == "abc123"
    with pytest.raises(UsageError, match="Several runs"):
        Run("ab")
    with pytest.raises(UsageError, match="no run 'xyz'"):
        Run("xyz")
    with pytest.raises(UsageError, match="already ended"):
        run.cancel()
    assert run.wait() is run


@pytest.mark.parametrize("name", ["train-model", "train_model", "Train it", "Train_Model"])
@pytest.mark.usefixtures("recorded")
def test_a_step_by_any_of_its_names(name: str) -> None:
    assert repr(Run("abc123")[name]) == "<step train-model SUCCEEDED>"


def test_a_step_and_what_it_left(recorded: Path) -> None:
    step = Run("abc123")["train_model"]
    assert step.outputs == {"accuracy": 0.5}
    assert set(step.artifacts) == {"x", "gone", "unbound"}
    assert step.notebook == recorded / "out.ipynb"
    assert step.html is None
    assert step.log == "said �\n"
    assert step.error is None
    with pytest.raises(KeyError, match="no step 'predict'; the run has train-model"):
        Run("abc123")["predict"]
    with pytest.raises(KeyError, match="no artifact 'y'; there are "):
        step.artifacts["y"]


@pytest.mark.usefixtures("recorded")
def test_a_step_that_failed() -> None:
    run = Run("abd456")
    assert run.error == "train-model: It broke."
    assert run["train-model"].error == "It broke."
    assert run["train-model"].state is State.FAILED
    assert run["train-model"].log == ""
    assert run["train-model"].notebook is None
    assert dict(run["train-model"].artifacts) == {}


def test_values_that_cannot_be_loaded_say_why(recorded: Path) -> None:
    artifacts = Run("abc123")["train-model"].artifacts
    assert repr(artifacts["x"]) == f"<Model {recorded / 'value'}>"
    assert artifacts["x"].path == recorded / "value"
    with pytest.raises(JupyterKfpError, match=r"x \(a\.B\) cannot be loaded"):
        artifacts["x"].load()
    with pytest.raises(JupyterKfpError, match=r"gone .*is gone"):
        artifacts["gone"].load()
    with pytest.raises(JupyterKfpError, match="not bound when its step ended"):
        artifacts["unbound"].load()


def test_a_graph_has_the_states_of_its_run(recorded: Path) -> None:
    assert recorded.exists()
    assert {node.id for node in Run("abc123").graph().nodes} == {"one", "two"}


def test_a_stored_artifact_knows_its_record() -> None:
    record = ArtifactRecord(
        id=1, run_id="r", task="t", port="p", name="p", type="system.Dataset", uri="/x", metadata={"rows": 3}
    )
    artifact = StoredArtifact(record)
    assert (artifact.uri, artifact.metadata) == ("/x", {"rows": 3})
