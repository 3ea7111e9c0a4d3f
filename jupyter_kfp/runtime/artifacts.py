"""KFP's artifact classes, the same in a live kernel and inside a step.

They have the names, methods and metadata shapes of ``kfp.dsl`` (``kfp/dsl/types/artifact_types.py``)
without importing it, which takes seconds. Objects of kfp's own classes are accepted wherever these
are: an artifact object is whatever has a ``schema_title``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any


def local_path(uri: str) -> str:
    """Where KFP's launcher mounts ``uri``: ``gs://b/x`` is ``/gcs/b/x``; plain paths stay as they are."""
    scheme, found, rest = uri.partition("://")
    return {"gs": "/gcs/", "file": ""}.get(scheme, f"/{scheme}/") + rest if found else uri


class Artifact:
    """A file or directory with metadata. Without a ``uri``, ``path`` is made on its first use."""

    schema_title = "system.Artifact"
    schema_version = "0.0.1"

    def __init__(
        self, name: str | None = None, uri: str | None = None, metadata: dict[str, Any] | None = None
    ):
        self.name = name or ""
        self.uri = uri or ""
        self.metadata = metadata or {}

    @property
    def path(self) -> str:
        """The local path of the content, in a fresh temporary directory if it has no uri yet."""
        if not self.uri:
            self.uri = str(Path(mkdtemp(), self.name or type(self).__name__))
        return local_path(self.uri)

    @path.setter
    def path(self, path: str) -> None:
        self.uri = path


class Dataset(Artifact):
    """Data a model is trained or tested on."""

    schema_title = "system.Dataset"


class Model(Artifact):
    """A trained model."""

    schema_title = "system.Model"

    @property
    def framework(self) -> str:
        """The framework the model was made with, kept in the metadata."""
        return str(self.metadata.get("framework", ""))

    @framework.setter
    def framework(self, framework: str) -> None:
        self.metadata["framework"] = framework


class HTML(Artifact):
    """A page KFP shows with the run."""

    schema_title = "system.HTML"


class Markdown(Artifact):
    """A Markdown text KFP shows with the run."""

    schema_title = "system.Markdown"


class Metrics(Artifact):
    """Named numbers KFP shows and compares."""

    schema_title = "system.Metrics"

    def log_metric(self, metric: str, value: float) -> None:
        """Set the number called ``metric``."""
        self.metadata[metric] = value


class ClassificationMetrics(Artifact):
    """A confusion matrix, a ROC curve, or both, which KFP draws."""

    schema_title = "system.ClassificationMetrics"

    def log_roc_data_point(self, fpr: float, tpr: float, threshold: float) -> None:
        """Add one point: false positive rate, true positive rate, threshold."""
        point = {"confidenceThreshold": threshold, "recall": tpr, "falsePositiveRate": fpr}
        self.metadata.setdefault("confidenceMetrics", []).append(point)

    def log_roc_curve(self, fpr: Sequence[float], tpr: Sequence[float], threshold: Sequence[float]) -> None:
        """Add points, given as three sequences of one length (else ValueError)."""
        if not len(fpr) == len(tpr) == len(threshold):
            raise ValueError(
                f"fpr, tpr, threshold differ in length: {len(fpr)}, {len(tpr)}, {len(threshold)}"
            )
        for point in zip(fpr, tpr, threshold):  # noqa: B905 - the lengths are checked above
            self.log_roc_data_point(*point)

    def set_confusion_matrix_categories(self, categories: Iterable[str]) -> None:
        """Start a confusion matrix of zeros with these categories."""
        names = list(categories)
        self.metadata["confusionMatrix"] = {
            "annotationSpecs": [{"displayName": name} for name in names],
            "rows": [{"row": [0] * len(names)} for _ in names],
        }

    def _position(self, category: str) -> int:
        names = [spec["displayName"] for spec in self.metadata["confusionMatrix"]["annotationSpecs"]]
        if category not in names:
            raise ValueError(f"unknown category {category!r}, not one of {names}")
        return names.index(category)

    def log_confusion_matrix_row(self, row_category: str, row: Iterable[float]) -> None:
        """Set the row of ``row_category``: one number per category (else ValueError)."""
        rows = self.metadata["confusionMatrix"]["rows"]
        values = list(row)
        if len(values) != len(rows):
            raise ValueError(f"a row has {len(rows)} values, not {len(values)}")
        rows[self._position(row_category)] = {"row": values}

    def log_confusion_matrix_cell(self, row_category: str, col_category: str, value: int) -> None:
        """Set one cell."""
        column = self._position(col_category)
        self.metadata["confusionMatrix"]["rows"][self._position(row_category)]["row"][column] = value

    def log_confusion_matrix(self, categories: Iterable[str], matrix: Iterable[Iterable[float]]) -> None:
        """Set the whole matrix: one row per category (else ValueError)."""
        names, rows = list(categories), list(matrix)
        if len(names) != len(rows):
            raise ValueError(f"{len(names)} categories, but {len(rows)} rows")
        self.set_confusion_matrix_categories(names)
        for name, row in zip(names, rows):  # noqa: B905 - the lengths are checked above
            self.log_confusion_matrix_row(name, row)
