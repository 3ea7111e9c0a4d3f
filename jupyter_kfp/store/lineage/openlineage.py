"""A run's history as OpenLineage events (https://openlineage.io/spec), with the facets of its standard only.

Pure, but for the classes of ``openlineage-python``, an extra that takes a second to import.
"""

from __future__ import annotations

import json
import math
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.artifacts import local_path
from jupyter_kfp.store.records import ArtifactRecord, RunEvent, RunRecord, State, TaskOrigin, TaskRecord

if TYPE_CHECKING:
    from openlineage.client import event_v2 as ol

NAMESPACE = "jupyter_kfp"
"""The namespace of jobs, unless ``OPENLINEAGE_NAMESPACE`` names another."""
PRODUCER = "urn:jupyter-kfp"
"""The standard wants a URI of the program that makes the events."""
_ITERATIONS = re.compile(r"\[\d+\]")
_REPORTS = frozenset({"executed_notebook", "executed_html"})
_TYPES = {
    State.RUNNING: "START",
    State.SUCCEEDED: "COMPLETE",
    State.CACHED: "COMPLETE",
    State.FAILED: "FAIL",
    State.CANCELED: "ABORT",
}


class MissingPackageError(JupyterKfpError):
    """The extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "OpenLineage events need the package openlineage-python.",
            "Install it with: pip install 'jupyter-kfp[openlineage]'.",
        )


@dataclass(frozen=True, slots=True)
class Told:
    """A run as the store has it: its tasks, and by their paths what they come from."""

    run: RunRecord
    tasks: Mapping[str, TaskRecord]
    origins: Mapping[str, TaskOrigin] = field(default_factory=dict)


def namespace() -> str:
    """The namespace of jobs."""
    return os.environ.get("OPENLINEAGE_NAMESPACE") or NAMESPACE


def run_uuid(run_id: str) -> str:
    """The run's id as the standard wants it: a cluster's is a UUID; of others it is made, always the same."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"jupyter-kfp:{run_id}"))


def task_uuid(run_id: str, path: str) -> str:
    """The id of a task's run."""
    return str(uuid.uuid5(uuid.UUID(run_uuid(run_id)), path))


def events(told: Told, history: Iterable[RunEvent], *, namespace: str) -> Iterator[ol.RunEvent]:
    """The events of a run, in the order of its history: of the run, and of each task that began.

    A task that was CACHED starts and completes at once. Raises MissingPackageError.
    """
    for event in history:
        kind = _TYPES.get(event.state) if event.state is not None else None
        if kind is None:
            continue
        if event.kind == "run":
            yield _event(kind, event, *_of_run(told, event, namespace))
        elif event.kind == "task":
            task = told.tasks.get(event.task or "")
            if task is None or (event.state is State.CANCELED and task.started_at is None):
                continue
            if event.state is State.CACHED:
                yield _event("START", event, *_of_task(told, task, event, namespace))
            yield _event(kind, event, *_of_task(told, task, event, namespace))


def as_json(event: ol.RunEvent) -> dict[str, Any]:
    """An event as it is sent."""
    from openlineage.client.serde import Serde

    document: dict[str, Any] = json.loads(Serde.to_json(event))
    return document


def _event(
    kind: str, event: RunEvent, run: ol.Run, job: ol.Job, inputs: list[Any], outputs: list[Any]
) -> ol.RunEvent:
    from openlineage.client import event_v2 as ol

    return ol.RunEvent(
        eventTime=event.time.isoformat(),
        producer=PRODUCER,
        run=run,
        job=job,
        eventType=ol.RunState[kind],
        inputs=inputs,
        outputs=outputs,
    )


def _of_run(told: Told, event: RunEvent, namespace: str) -> tuple[ol.Run, ol.Job, list[Any], list[Any]]:
    ol, f = _client()
    run = told.run
    facets = {
        **_common(told),
        "nominalTime": f.nominal_time_run.NominalTimeRunFacet(run.created_at.isoformat()),
    }
    if run.parameters:
        facets["executionParameters"] = f.execution_parameters_run.ExecutionParametersRunFacet(
            [
                f.execution_parameters_run.ExecutionParameter(key=name, name=name, value=_text(value))
                for name, value in run.parameters.items()
            ]
        )
    if event.state is State.FAILED and run.failure is not None:
        facets["errorMessage"] = _error(run.failure)
    job = ol.Job(namespace, run.pipeline, {**_location(told, None), "jobType": _job_type("PIPELINE")})
    return ol.Run(run_uuid(run.id), facets), job, [], []


def _of_task(
    told: Told, task: TaskRecord, event: RunEvent, namespace: str
) -> tuple[ol.Run, ol.Job, list[Any], list[Any]]:
    ol, f = _client()
    parent = f.parent_run
    above = {
        "run": parent.Run(run_uuid(told.run.id)),
        "job": parent.Job(namespace, told.run.pipeline),
        "root": parent.Root(
            parent.RootRun(run_uuid(told.run.id)), parent.RootJob(namespace, told.run.pipeline)
        ),
    }
    facets = {**_common(told), "parent": parent.ParentRunFacet(**above)}
    if task.input_parameters:
        facets["executionParameters"] = f.execution_parameters_run.ExecutionParametersRunFacet(
            [
                f.execution_parameters_run.ExecutionParameter(key=name, name=name, value=_text(value))
                for name, value in task.input_parameters.items()
            ]
        )
    if event.state is State.FAILED and task.failure is not None:
        facets["errorMessage"] = _error(task.failure)
    name = f"{told.run.pipeline}.{_ITERATIONS.sub('', task.path)}"
    job = ol.Job(namespace, name, {**_location(told, task), "jobType": _job_type("TASK")})
    origin = told.origins.get(task.path, TaskOrigin())
    inputs = [_input(artifact) for artifact in _flat(task.input_artifacts)]
    known = {(dataset.namespace, dataset.name) for dataset in inputs}
    for file in origin.files:
        dataset = _file(file.uri, file.sha256, file.size)
        if (dataset.namespace, dataset.name) not in known:
            inputs.append(dataset)
    # What it leaves is known when it has ended.
    ended = event.state is not State.RUNNING
    outputs = (
        [_output(a) for a in _flat(task.output_artifacts)]
        if ended and not origin.facts.get("imported")
        else []
    )
    if origin.facts.get("imported") and ended:
        inputs += [_input(artifact) for artifact in _flat(task.output_artifacts)]
    return ol.Run(task_uuid(told.run.id, task.path), facets), job, inputs, outputs


def _flat(ports: Mapping[str, tuple[ArtifactRecord, ...]]) -> Iterator[ArtifactRecord]:
    return (artifact for port, several in ports.items() if port not in _REPORTS for artifact in several)


def _common(told: Told) -> dict[str, Any]:
    _ol, f = _client()
    # Runs before there was provenance, and of pipelines given as IR, do not say.
    version = str(told.run.origin.provenance.get("version") or metadata.version("jupyter-kfp"))
    engine = f.processing_engine_run.ProcessingEngineRunFacet(
        version=version, name="jupyter_kfp", openlineageAdapterVersion=version
    )
    return {"processing_engine": engine}


def _job_type(kind: str) -> Any:
    _ol, f = _client()
    return f.job_type_job.JobTypeJobFacet(processingType="BATCH", integration="JUPYTER_KFP", jobType=kind)


def _location(told: Told, task: TaskRecord | None) -> dict[str, Any]:
    """Where the code is: the notebook, and its commit. Nothing where it came from no repository and no notebook."""
    _ol, f = _client()
    origin, known = told.run.origin, told.run.origin.provenance
    path = known.get("notebook") or known.get("file")
    if not known.get("commit") and not origin.notebook:
        return {}
    cells: Any = told.origins.get(task.path, TaskOrigin()).facts.get("cells") if task is not None else None
    place = "#" + ",".join(f"cell-{cell['cell'] + 1}" for cell in cells) if cells else ""
    url = f"file://{origin.notebook}{place}" if origin.notebook else f"file:///{path}"
    location = f.source_code_location_job.SourceCodeLocationJobFacet(
        type="git" if known.get("commit") else "file",
        url=url,
        path=_optional(path),
        version=_optional(known.get("commit")),
        branch=_optional(known.get("branch")),
    )
    return {"sourceCodeLocation": location}


def _error(failure: Any) -> Any:
    _ol, f = _client()
    return f.error_message_run.ErrorMessageRunFacet(
        message=failure.message, programmingLanguage="python", stackTrace=failure.traceback
    )


def _input(artifact: ArtifactRecord) -> Any:
    ol, f = _client()
    statistics = f.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(**_statistics(artifact))
    return ol.InputDataset(
        *dataset_name(artifact.uri),
        facets=_dataset_facets(artifact),
        inputFacets={"inputStatistics": statistics},
    )


def _output(artifact: ArtifactRecord) -> Any:
    ol, f = _client()
    statistics = f.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        **_statistics(artifact)
    )
    return ol.OutputDataset(
        *dataset_name(artifact.uri),
        facets=_dataset_facets(artifact),
        outputFacets={"outputStatistics": statistics},
    )


def _file(uri: str, sha256: str | None, size: int | None) -> Any:
    ol, f = _client()
    facets = {**_source(uri), **_version(sha256)}
    statistics = f.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(size=size)
    return ol.InputDataset(*dataset_name(uri), facets=facets, inputFacets={"inputStatistics": statistics})


def dataset_name(uri: str) -> tuple[str, str]:
    """A URI as the standard names datasets: its store, and its path there (spec/Naming.md)."""
    path = local_path(uri)
    if path is not None:
        return "file", str(path)
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/"


def _dataset_facets(artifact: ArtifactRecord) -> dict[str, Any]:
    _ol, f = _client()
    facets = {**_source(artifact.uri), **_version(artifact.sha256)}
    facets["datasetType"] = f.dataset_type_dataset.DatasetTypeDatasetFacet(
        datasetType="FILE", subType=artifact.type.removeprefix("system.").upper()
    )
    columns = _columns(artifact.metadata.get("schema"))
    if columns:
        schema = f.schema_dataset
        fields = [
            schema.SchemaDatasetFacetFields(name=name, type=kind, ordinal_position=position)
            for position, (name, kind) in enumerate(columns.items(), 1)
        ]
        facets["schema"] = schema.SchemaDatasetFacet(fields)
    if artifact.type == "system.Metrics":
        tags = f.tags_dataset
        facets["tags"] = tags.TagsDatasetFacet(
            [
                tags.TagsDatasetFacetFields(key=name, value=_text(value), source="JUPYTER_KFP")
                for name, value in artifact.metadata.items()
                if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            ]
        )
    return facets


def _source(uri: str) -> dict[str, Any]:
    _ol, f = _client()
    namespace, _name = dataset_name(uri)
    path = local_path(uri)
    return {
        "dataSource": f.datasource_dataset.DatasourceDatasetFacet(namespace, path.as_uri() if path else uri)
    }


def _version(sha256: str | None) -> dict[str, Any]:
    _ol, f = _client()
    return {"version": f.dataset_version_dataset.DatasetVersionDatasetFacet(sha256)} if sha256 else {}


def _statistics(artifact: ArtifactRecord) -> dict[str, Any]:
    rows = artifact.metadata.get("rows")
    return {"rowCount": rows if isinstance(rows, int) else None, "size": artifact.size}


def _columns(schema: Any) -> Mapping[str, str]:
    """The columns of a table and their types: see `runtime.serializers`."""
    try:
        columns = json.loads(schema) if isinstance(schema, str) else schema
    except ValueError:
        return {}
    return {str(name): str(kind) for name, kind in columns.items()} if isinstance(columns, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _optional(value: Any) -> str | None:
    return str(value) if value else None


def _client() -> tuple[Any, Any]:
    """The classes of events and of facets. Raises MissingPackageError."""
    try:
        from openlineage.client import event_v2, facet_v2
    except ImportError as error:
        raise MissingPackageError from error
    facet_v2.set_producer(PRODUCER)
    return event_v2, facet_v2
