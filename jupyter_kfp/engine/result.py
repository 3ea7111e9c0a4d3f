"""A run as the JSON document that `run --json` prints."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jupyter_kfp.store.records import ArtifactRecord, RunRecord, TaskRecord
from jupyter_kfp.store.store import Store

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json


def document(store: Store, run_id: str) -> dict[str, Any]:
    """The run with its outputs and tasks.

    ``{"run_id", "state", "outputs": {name: value or {"uri", "type", "metadata"}}, "tasks": [{"name", "path",
    "state", "attempts", "started_at", "ended_at", "outputs", "error"}], "error"}``; times are ISO 8601 in UTC. ``mlflow`` is the page of the run there, if it has one.
    """
    run = store.run(run_id)
    return {
        "run_id": run.id,
        "state": run.state.value,
        "outputs": {name: _output(value) for name, value in store.outputs(run.id).items()},
        "tasks": [_task(task) for task in store.tasks(run.id)],
        "error": run.failure.message if run.failure else None,
        **_links(run),
    }


def _links(run: RunRecord) -> dict[str, Any]:
    """Where else the run can be looked at."""
    url = (run.options.get("mlflow") or {}).get("url")
    return {"mlflow": url} if url else {}


def _task(task: TaskRecord) -> dict[str, Any]:
    artifacts = {port: made[0] if len(made) == 1 else made for port, made in task.output_artifacts.items()}
    return {
        "name": task.key,
        "path": task.path,
        "state": task.state.value,
        "attempts": len(task.attempts),
        "started_at": _time(task.started_at),
        "ended_at": _time(task.ended_at),
        "outputs": {**task.output_parameters, **{port: _output(made) for port, made in artifacts.items()}},
        "error": task.failure.message if task.failure else None,
    }


def _output(value: Json | ArtifactRecord | tuple[ArtifactRecord, ...]) -> Any:
    match value:
        case ArtifactRecord():
            return {"uri": value.uri, "type": value.type, "metadata": dict(value.metadata)}
        case tuple():
            return [_output(item) for item in value]
    return value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
