"""The named values of many runs at once: parameters, results, metrics and what steps left, for tables of runs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jupyter_kfp.store import schema
from jupyter_kfp.store.convert import portions
from jupyter_kfp.store.records import Direction

_METRICS = "system.Metrics"


def named_values(session: Session, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each run its values by `spelled` name, the nearest to the run's result first.

    A name is that of a result of the pipeline, of a metric, or of an output parameter of a step; metrics and outputs
    also have the step before them: ``train.accuracy``, in a loop ``train[2].accuracy``. Where several steps have a
    value of one name, the name alone is that of the last step in the pipeline's order.
    """
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for some in portions(run_ids):
        for run_id, path, name, value in _of_steps(session, some):
            found[run_id][spelled(name)] = value
            found[run_id][spelled(f"{short_path(path)}.{name}")] = value
        results = select(schema.RunOutput).where(
            schema.RunOutput.run_id.in_(some), schema.RunOutput.artifact_id.is_(None)
        )
        for output in session.scalars(results):
            found[output.run_id][spelled(output.name)] = output.value
    return found


def _of_steps(session: Session, run_ids: Sequence[str]) -> Iterator[tuple[str, str, str, Any]]:
    """Run, path of the task, name, value: of output parameters, then of metrics, in the order of the pipeline."""
    order = (schema.Task.position, schema.Task.id)
    parameters = (
        select(schema.Task.run_id, schema.Task.path, schema.TaskParameter.name, schema.TaskParameter.value)
        .join(schema.TaskParameter, schema.TaskParameter.task_id == schema.Task.id)
        .where(schema.Task.run_id.in_(run_ids), schema.TaskParameter.direction == Direction.OUTPUT)
        .order_by(*order)
    )
    for run_id, path, name, value in session.execute(parameters):
        yield run_id, path, name, value
    metrics = (
        select(schema.Task.run_id, schema.Task.path, schema.Artifact.info)
        .join(schema.Event, schema.Event.task_id == schema.Task.id)
        .join(schema.Artifact, schema.Event.artifact_id == schema.Artifact.id)
        .where(
            schema.Task.run_id.in_(run_ids),
            schema.Event.direction == Direction.OUTPUT,
            schema.Artifact.type == _METRICS,
        )
        .order_by(*order)
    )
    for run_id, path, info in session.execute(metrics):
        for name, value in metrics_in(info).items():
            yield run_id, path, name, value


# Of an artifact's metadata what `runtime.serializers.save` notes, which are no metrics.
_NOTED = frozenset({"size", "rows"})


def metrics_in(metadata: Mapping[str, Any]) -> dict[str, float | list[float]]:
    """The metrics in an artifact's metadata: numbers, and histories, which are lists of numbers, one per epoch."""
    own = metadata.get("serializer") in (None, "artifact")  # then all of it is the user's
    return {
        name: value
        for name, value in metadata.items()
        if (own or name not in _NOTED) and (is_number(value) or is_history(value))
    }


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_history(value: Any) -> bool:
    """Whether a value is a metric's history: a list of numbers, one per epoch."""
    return isinstance(value, list) and bool(value) and all(is_number(each) for each in value)


def spelled(name: str) -> str:
    """A name as expressions can have it: KFP writes ``train-model`` for ``train_model``."""
    return name.replace("-", "_")


def short_path(path: str) -> str:
    """The step of a task's path, without the groups around it: ``loop.train[2]`` is ``train[2]``."""
    place, bracket, iterations = path.partition("[")
    return place.rpartition(".")[2] + bracket + iterations


def names_in(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """All names of several rows, each once, in order."""
    return list(dict.fromkeys(name for row in rows for name in row))
