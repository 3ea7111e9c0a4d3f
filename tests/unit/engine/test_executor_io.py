import hashlib
import json
from pathlib import Path

import pytest

from jupyter_kfp.engine import executor_io
from jupyter_kfp.engine.dataflow import Produced, Values
from jupyter_kfp.engine.directories import AttemptDirectory
from jupyter_kfp.engine.executor_io import OutputError
from jupyter_kfp.engine.plan import ArtifactSpec, Component, ParameterKind, ParameterSpec
from jupyter_kfp.store.artifacts import ArtifactRoot
from jupyter_kfp.store.records import Failure, NewArtifact


@pytest.fixture
def directory(tmp_path: Path) -> AttemptDirectory:
    made = AttemptDirectory(tmp_path / "attempt")
    made.create(None)
    return made


@pytest.fixture
def root(tmp_path: Path) -> ArtifactRoot:
    (tmp_path / "root" / "t" / "1").mkdir(parents=True)
    return ArtifactRoot(str(tmp_path / "root"), tmp_path / "staging")


MODEL = {"model": ArtifactSpec("system.Model")}


def test_the_executor_input(directory: AttemptDirectory) -> None:
    component = Component(
        "c", output_parameters={"acc": ParameterSpec(ParameterKind.NUMBER_DOUBLE)}, output_artifacts=MODEL
    )
    data = Produced(NewArtifact("d", "system.Dataset", "s3://x", {"rows": 3}), 1, Path("/local/d"))
    message = executor_io.executor_input(
        component, Values({"n": 1}, {"d": (data,)}), directory, {"model": Path("/out/model")}
    )
    assert message["inputs"]["parameterValues"] == {"n": 1}
    assert message["inputs"]["artifacts"]["d"]["artifacts"] == [
        {
            "name": "d",
            "type": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
            "uri": "/local/d",
            "metadata": {"rows": 3},
        }
    ]
    assert message["outputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == "/out/model"
    assert message["outputs"]["parameters"]["acc"]["outputFile"] == str(directory.parameter("acc"))
    assert message["outputs"]["outputFile"] == str(directory.executor_output)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("STRING", " as it is\n", " as it is\n"),
        ("STRING", "3", "3"),
        ("NUMBER_INTEGER", "3\n", 3),
        ("NUMBER_INTEGER", "3.0", 3),
        ("NUMBER_DOUBLE", "3", 3.0),
        ("NUMBER_DOUBLE", "NaN", None),
        ("BOOLEAN", "True", True),
        ("LIST", "[1, 2.0]", [1, 2.0]),
        ("STRUCT", '{"a": 1}', {"a": 1}),
    ],
)
def test_parameters_written_as_files(
    directory: AttemptDirectory, kind: str, text: str, expected: object
) -> None:
    directory.parameter("x").write_text(text)
    values = executor_io.output_parameters({"x": ParameterSpec(ParameterKind(kind))}, {}, directory)
    if text != "NaN":
        assert repr(values) == repr({"x": expected})


def test_a_file_that_is_not_of_the_type_is_named(directory: AttemptDirectory) -> None:
    directory.parameter("x").write_text("many")
    with pytest.raises(OutputError, match="'x' is of type int, but the step wrote 'many'"):
        executor_io.output_parameters({"x": ParameterSpec(ParameterKind.NUMBER_INTEGER)}, {}, directory)


def test_parameters_in_the_executor_output_and_those_not_made(directory: AttemptDirectory) -> None:
    specs = {name: ParameterSpec(ParameterKind.NUMBER_INTEGER) for name in "xyz"}
    directory.parameter("y").write_text("2")
    values = executor_io.output_parameters(specs, {"parameterValues": {"x": 1.0, "y": 9, "w": 3}}, directory)
    assert repr(values) == "{'x': 1, 'y': 2}"


def test_an_artifact_gets_its_type_digest_and_metadata(root: ArtifactRoot) -> None:
    path = root.working_path("t", "1", "model")
    path.write_bytes(b"weights")
    told = {
        "artifacts": {
            "model": {"artifacts": [{"name": "m", "uri": str(path), "metadata": {"framework": "x"}}]}
        }
    }
    ((artifact, where),) = executor_io.output_artifacts(MODEL, told, root, ("t", "1"))["model"]
    assert artifact == NewArtifact(
        "m", "system.Model", str(path), {"framework": "x"}, hashlib.sha256(b"weights").hexdigest(), 7
    )
    assert where == path


def test_the_digest_a_step_computed_is_taken_if_the_size_fits(root: ArtifactRoot) -> None:
    path = root.working_path("t", "1", "model")
    path.write_bytes(b"weights")

    def digest(size: int) -> str | None:
        metadata = {"sha256": "a" * 64, "size": size}
        told = {"artifacts": {"model": {"artifacts": [{"metadata": metadata}]}}}
        return executor_io.output_artifacts(MODEL, told, root, ("t", "1"))["model"][0][0].sha256

    assert digest(7) == "a" * 64
    assert digest(8) == hashlib.sha256(b"weights").hexdigest()


def test_an_artifact_that_was_not_written_has_no_content(root: ArtifactRoot) -> None:
    ((artifact, _),) = executor_io.output_artifacts(MODEL, {}, root, ("t", "1"))["model"]
    assert (artifact.sha256, artifact.size) == (None, None)


def test_an_artifact_may_be_elsewhere(root: ArtifactRoot) -> None:
    told = {"artifacts": {"model": {"artifacts": [{"uri": "s3://bucket/model"}]}}}
    ((artifact, _),) = executor_io.output_artifacts(MODEL, told, root, ("t", "1"))["model"]
    assert artifact.uri == "s3://bucket/model"


def test_a_broken_executor_output_is_an_error_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    assert executor_io.read_executor_output(tmp_path / "none") == {}
    (tmp_path / "bad").write_text("{")
    with pytest.raises(OutputError, match="not JSON"):
        executor_io.read_executor_output(tmp_path / "bad")


def test_what_a_notebook_step_says_of_its_failure(tmp_path: Path) -> None:
    traceback = "KeyError   Traceback (most recent call last)\nCell \x1b[32mIn[4]\x1b[39m, line 2\n"
    error = {"type": "KeyError", "message": "'x'", "cell": 1, "step": "train", "traceback": traceback}
    assert executor_io.step_failure({"error": error}, cells=(0, 6)) == Failure(
        "cell 7, line 2: KeyError: 'x'", "KeyError", 6, traceback
    )
    assert executor_io.step_failure({"error": error}) == Failure("KeyError: 'x'", "KeyError", None, traceback)
    assert executor_io.step_failure(json.loads("{}")) is None
