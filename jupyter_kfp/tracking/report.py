"""What MLflow is told of a run: an entry for the run, and one below it for every step that was executed. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.store.records import ArtifactRecord, RunRecord, State, TaskRecord
from jupyter_kfp.store.values import is_history, is_number, metrics_in, short_path

_LONGEST_PARAMETER, _LONGEST_TAG = 6000, 5000  # MLflow's limits
_FORBIDDEN = re.compile(r"[^\w\-. :/]")
_STATUS = {State.FAILED: "FAILED", State.CANCELED: "KILLED"}
_REPORTS = ("executed_notebook", "executed_html")
_METRICS = "system.Metrics"


@dataclass(frozen=True, slots=True)
class Metric:
    """A value of a metric at a step (an epoch, from 0)."""

    key: str
    value: float
    step: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A run of MLflow's. ``task``: the path of the step it is about; None for the run itself.

    ``artifacts``: records with the folder each goes to.
    """

    name: str
    task: str | None
    status: str
    started: datetime
    ended: datetime
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: Sequence[tuple[ArtifactRecord, str]] = ()


def of_run(record: RunRecord, outputs: Mapping[str, Any], values: Mapping[str, Any]) -> Entry:
    """The entry of a run that has ended.

    ``outputs`` are its results (values and artifacts), ``values`` all it made by name (`store.values.named_values`).
    """
    named = {name: value for name, value in values.items() if "." not in name}
    return Entry(
        name=record.name,
        task=None,
        status=_STATUS.get(record.state, "FINISHED"),
        started=record.started_at or record.created_at,
        ended=record.ended_at or record.created_at,
        parameters=_parameters(record.parameters),
        metrics=tuple(_metrics(named)),
        tags=_tags(_described(record)),
        artifacts=tuple(_outputs(outputs)),
    )


def of_task(record: RunRecord, task: TaskRecord) -> Entry | None:
    """The entry of a step; None for one that did not begin."""
    if task.state is State.SKIPPED or task.started_at is None:
        return None
    made: dict[str, Any] = dict(task.output_parameters)
    tags: dict[str, Any] = {
        "jupyter_kfp.run_id": record.id,
        "jupyter_kfp.task": task.path,
        "jupyter_kfp.state": task.state.value,
        "jupyter_kfp.attempts": len(task.attempts),
        "jupyter_kfp.error": task.failure.message if task.failure else None,
    }
    for port, artifacts in task.output_artifacts.items():
        for artifact in artifacts:
            if artifact.type == _METRICS:
                made |= metrics_in(artifact.metadata)
            if port not in _REPORTS:
                tags[f"jupyter_kfp.artifact.{port}"] = f"{artifact.uri} {artifact.sha256 or ''}".strip()
    return Entry(
        name=short_path(task.path),
        task=task.path,
        status=_STATUS.get(task.state, "FINISHED"),
        started=task.started_at,
        ended=task.ended_at or task.started_at,
        parameters=_parameters(task.input_parameters),
        metrics=tuple(_metrics(made)),
        tags=_tags(tags),
        artifacts=[(made, "executed") for port in _REPORTS for made in task.output_artifacts.get(port, ())],
    )


def models(
    outputs: Mapping[str, Any], register: Mapping[str, str]
) -> Iterator[tuple[ArtifactRecord, str, str]]:
    """The results to register: each with its folder and the model's name.

    They are named in ``register``, or say so themselves: ``model.metadata["registered_model_name"]``.
    """
    folders = {record.id: folder for record, folder in _outputs(outputs)}
    for name, value in outputs.items():
        for record in _records(value):
            model = register.get(name) or record.metadata.get("registered_model_name")
            if model:
                yield record, folders[record.id], str(model)


def _described(record: RunRecord) -> dict[str, Any]:
    """Where the run comes from and where it is, as tags: MLflow's own, and ours."""
    provenance = record.origin.provenance
    remote = record.options.get("remote") or {}
    return {
        "jupyter_kfp.run_id": record.id,
        "jupyter_kfp.pipeline": record.pipeline,
        "jupyter_kfp.state": record.state.value,
        "jupyter_kfp.url": remote.get("url"),
        "jupyter_kfp.notebook_sha256": record.origin.notebook_sha256,
        "jupyter_kfp.dvc": json.dumps(provenance["dvc"], sort_keys=True) if "dvc" in provenance else None,
        "jupyter_kfp.error": record.failure.message if record.failure else None,
        "mlflow.source.name": record.origin.notebook,
        "mlflow.source.type": "NOTEBOOK" if record.origin.notebook else None,
        "mlflow.source.git.commit": provenance.get("commit"),
        "mlflow.source.git.branch": provenance.get("branch"),
        "mlflow.user": provenance.get("user"),
        "mlflow.note.content": f"Run `{record.id}` of the pipeline {record.pipeline}: `jupyter kfp show {record.id}`"
        + (f", {remote['url']}" if remote.get("url") else ""),
    }


def _tags(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        _FORBIDDEN.sub("_", name): str(value)[:_LONGEST_TAG]
        for name, value in values.items()
        if value is not None
    }


def _parameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as MLflow has them: texts."""
    texts = {
        _FORBIDDEN.sub("_", name): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if name != STEP_NOTEBOOK
    }
    return {name: text[:_LONGEST_PARAMETER] for name, text in texts.items()}


def _metrics(values: Mapping[str, Any]) -> Iterator[Metric]:
    """The numbers among values, and the histories: a list of numbers is one value an epoch."""
    for name, value in values.items():
        key = _FORBIDDEN.sub("_", name)
        if is_number(value):
            yield Metric(key, float(value))
        elif is_history(value):
            yield from (Metric(key, float(each), step) for step, each in enumerate(value))


def _outputs(outputs: Mapping[str, Any]) -> Iterator[tuple[ArtifactRecord, str]]:
    """The files of the results, each with its folder: ``outputs/model``, and of a list ``outputs/models/0/model``."""
    for output, value in outputs.items():
        name = _FORBIDDEN.sub("_", output)
        for number, record in enumerate(_records(value)):
            if isinstance(value, tuple):
                yield record, f"outputs/{name}/{number}"
            else:
                # MLflow 3 shows nothing in a folder that holds a file of the folder's own name.
                yield record, "outputs" if basename(record) == name else f"outputs/{name}"


def basename(record: ArtifactRecord) -> str:
    """The name of an artifact's file, or directory."""
    return record.uri.rstrip("/").rpartition("/")[2]


def _records(value: Any) -> list[ArtifactRecord]:
    match value:
        case ArtifactRecord():
            return [value]
        case tuple():
            return [record for record in value if isinstance(record, ArtifactRecord)]
        case _:
            return []
