"""The artifact classes do what kfp.dsl's do."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_kfp.runtime import artifacts


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://b/x", "/gcs/b/x"),
        ("s3://b/x", "/s3/b/x"),
        ("minio://b/x", "/minio/b/x"),
        ("file:///tmp/x", "/tmp/x"),
        ("/tmp/x", "/tmp/x"),
    ],
)
def test_paths_are_the_launchers(uri, path):
    assert artifacts.Artifact(uri=uri).path == path


def test_a_path_is_made_on_first_use():
    one, other = artifacts.Dataset(name="d"), artifacts.Dataset()
    assert one.uri == ""
    Path(one.path).write_text("x")
    assert one.path == one.uri
    assert Path(one.path).name == "d"
    assert other.path != one.path


def matrix(metrics):
    metrics.log_confusion_matrix(["a", "b"], [[1, 2], [3, 4]])
    metrics.log_confusion_matrix_row("b", [5, 6])
    metrics.log_confusion_matrix_cell("a", "b", 9)


def curve(metrics):
    metrics.log_roc_curve([0.0, 0.5], [0.1, 1.0], [0.9, 0.2])
    metrics.log_roc_data_point(1.0, 1.0, 0.0)


@pytest.mark.parametrize("fill", [matrix, curve, lambda m: m.set_confusion_matrix_categories(["x"])])
def test_metadata_has_kfps_shape(fill):
    dsl = pytest.importorskip("kfp.dsl")
    ours, theirs = artifacts.ClassificationMetrics(), dsl.ClassificationMetrics()
    fill(ours)
    fill(theirs)
    assert ours.metadata == theirs.metadata


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: m.log_roc_curve([0], [0, 1], [0]),
        lambda m: m.log_confusion_matrix(["a"], []),
        lambda m: m.log_confusion_matrix(["a"], [[1, 2]]),
        lambda m: (m.set_confusion_matrix_categories(["a"]), m.log_confusion_matrix_cell("a", "z", 1)),
    ],
)
def test_wrong_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match=r"differ in length|rows|a row has|unknown category"):
        wrong(artifacts.ClassificationMetrics())


@pytest.mark.parametrize(
    "name", ["Artifact", "Dataset", "Model", "Metrics", "ClassificationMetrics", "HTML", "Markdown"]
)
def test_schemas_are_kfps(name):
    dsl = pytest.importorskip("kfp.dsl")
    ours, theirs = getattr(artifacts, name), getattr(dsl, name)
    assert (ours.schema_title, ours.schema_version) == (theirs.schema_title, theirs.schema_version)


def test_metrics_and_model():
    metrics, model = artifacts.Metrics(), artifacts.Model()
    metrics.log_metric("accuracy", 0.9)
    model.framework = "sklearn"
    assert metrics.metadata == {"accuracy": 0.9}
    assert (model.framework, model.metadata) == ("sklearn", {"framework": "sklearn"})
