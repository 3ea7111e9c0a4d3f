"""What the tasks of a run made, from what they left under the pipeline root.

KFP's API gives neither values nor metadata: those of our own steps are in the notebook they executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_kfp.compiler.names import EXECUTED_NOTEBOOK
from jupyter_kfp.engine.plan import Component, ComponentInput, Constant, Dag, Importer, Plan, TaskOutput
from jupyter_kfp.remote.leftovers import LOGS, Leftovers, Root
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.store.mirror import SeenRun, SeenTask
from jupyter_kfp.store.records import Failure, NewArtifact, State

_NOTEBOOK_LIMIT = 64 << 20
_ITERATIONS = re.compile(r"\[\d+\]")


def completed(
    plan: Plan,
    seen: SeenRun,
    root: Root,
    lefts: Mapping[str, Leftovers],
    logs: Mapping[str, Sequence[str]],
    parameters: Mapping[str, Any],
) -> SeenRun:
    """A run with what its tasks made (``lefts``), and what those that failed printed last (``logs``), by path.

    ``parameters`` are the run's.

    Raises ArtifactRootError where it cannot be read.
    """
    # Whatever is executed leaves its log: where there are any, what has none was not executed.
    tells = any(port.startswith(LOGS) for left in lefts.values() for port in left.ports)
    tasks: dict[str, SeenTask] = {}
    for task in explained(seen, logs).tasks:
        path, left = task.task.path, lefts.get(task.task.path)
        imported = _imported(plan, task, parameters)
        if imported is not None:
            tasks[path] = imported
        elif left is not None:
            tasks[path] = _with_outputs(task, plan.components[task.task.component], left, root)
        else:
            reused = tells and task.state is State.SUCCEEDED and bool(task.attempts)
            tasks[path] = replace(task, state=State.CACHED) if reused else task
    _connect(plan, tasks)
    return _with_run_outputs(plan, replace(seen, tasks=tuple(tasks.values())))


def _imported(plan: Plan, task: SeenTask, parameters: Mapping[str, Any]) -> SeenTask | None:
    """An importer's task, with its artifact where the pipeline or a parameter of the run names it; None for others."""
    component = plan.components[task.task.component]
    executor = plan.executors.get(component.executor or "")
    if not isinstance(executor, Importer):
        return None
    *around, key = _ITERATIONS.sub("", task.task.path).split(".")
    dag = _dag(plan, around)
    source: object = executor.uri
    if isinstance(source, ComponentInput) and dag is not None:
        source = dag.tasks[key].parameters.get(source.name)
    if isinstance(source, ComponentInput) and not around:
        source = Constant(parameters.get(source.name))
    uri = source.value if isinstance(source, Constant) else None
    if not task.state.is_success or not isinstance(uri, str) or not uri:
        return task
    port = next(iter(component.output_artifacts), "artifact")
    name = uri.rstrip("/").rpartition("/")[2] or port
    return replace(task, artifacts={port: [NewArtifact(name, executor.type.schema_title, uri)]})


def explained(seen: SeenRun, logs: Mapping[str, Sequence[str]]) -> SeenRun:
    """A run whose tasks say why they failed, as far as their logs tell: one text per try, by path."""
    return replace(seen, tasks=tuple(_explained(task, logs.get(task.task.path, ())) for task in seen.tasks))


def _explained(task: SeenTask, logs: Sequence[str]) -> SeenTask:
    attempts = tuple(
        replace(attempt, failure=Failure(words))
        if attempt.state is State.FAILED and (words := last_words(log))
        else attempt
        for attempt, log in zip(task.attempts, logs, strict=False)
    )
    attempts += task.attempts[len(attempts) :]
    failed = task.state is State.FAILED and bool(attempts)
    return replace(task, attempts=attempts, failure=attempts[-1].failure if failed else task.failure)


def _with_outputs(task: SeenTask, component: Component, left: Leftovers, root: Root) -> SeenTask:
    told = _told(left, root)
    if not task.state.is_success:
        return replace(task, inputs=told.inputs)
    artifacts = {}
    for port, spec in component.output_artifacts.items():
        if port in left.ports:
            metadata = told.metadata.get(port, {})
            digest = metadata.get("sha256")
            artifacts[port] = [
                NewArtifact(
                    port, spec.schema_title, f"{left.uri}/{port}", metadata, str(digest) if digest else None, left.size(port)
                )
            ]  # fmt: skip
    return replace(task, inputs=told.inputs, outputs=told.outputs, artifacts=artifacts)


@dataclass(frozen=True, slots=True)
class _Told:
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _told(left: Leftovers, root: Root) -> _Told:
    """What the executed notebook says of the values that went in and came out."""
    if not 0 < left.size(EXECUTED_NOTEBOOK) <= _NOTEBOOK_LIMIT:
        return _Told()
    try:
        metadata = json.loads(root.text(f"{left.uri}/{EXECUTED_NOTEBOOK}")).get("metadata", {})
    except ValueError:
        return _Told()
    made = metadata.get("jupyter_kfp") or {}
    inputs = (metadata.get("papermill") or {}).get("parameters") or {}
    artifacts = {
        port: (several.get("artifacts") or [{}])[0].get("metadata") or {}
        for port, several in (made.get("artifacts") or {}).items()
    }
    given = {name: value for name, value in inputs.items() if name != STEP_NOTEBOOK}
    return _Told(given, made.get("parameterValues") or {}, artifacts)


def _connect(plan: Plan, tasks: dict[str, SeenTask]) -> None:
    """Say which artifacts went into which tasks, as the pipeline connects them; loops are left out."""
    for path, task in list(tasks.items()):
        if "[" in path:
            continue
        *around, key = path.split(".")
        dag = _dag(plan, around)
        sources = dag.tasks[key].artifacts if dag else {}
        uris = {
            port: _uris(plan, dag, around, source, tasks)
            for port, source in sources.items()
            if isinstance(source, TaskOutput) and dag is not None
        }
        tasks[path] = replace(task, input_artifacts={port: found for port, found in uris.items() if found})


def _with_run_outputs(plan: Plan, seen: SeenRun) -> SeenRun:
    tasks = {task.task.path: task for task in seen.tasks}
    values: dict[str, Any] = {}
    for name, sources in plan.dag.parameter_outputs.items():
        for source in sources:
            for path, port in _producers(plan, plan.dag, [], source):
                if path in tasks and port in tasks[path].outputs:
                    values.setdefault(name, tasks[path].outputs[port])
    artifacts = {
        name: [uri for source in sources for uri in _uris(plan, plan.dag, [], source, tasks)]
        for name, sources in plan.dag.artifact_outputs.items()
    }
    return replace(seen, outputs=values, output_artifacts={n: uris for n, uris in artifacts.items() if uris})


def _uris(
    plan: Plan, dag: Dag, around: Sequence[str], source: TaskOutput, tasks: Mapping[str, SeenTask]
) -> list[str]:
    found = []
    for path, port in _producers(plan, dag, around, source):
        several = (
            [tasks[path]] if path in tasks else [t for p, t in tasks.items() if p.startswith(f"{path}[")]
        )
        found += [artifact.uri for task in several for artifact in task.artifacts.get(port, ())]
    return found


def _producers(plan: Plan, dag: Dag, around: Sequence[str], source: TaskOutput) -> list[tuple[str, str]]:
    """The executed tasks an output comes from (several: whichever ran), as paths without iterations, and ports."""
    task = dag.tasks.get(source.task)
    if task is None:
        return []
    inner = plan.inner(task)
    here = [*around, task.key]
    if inner is None:
        return [(".".join(here), source.name)]
    sources = inner.artifact_outputs.get(source.name) or inner.parameter_outputs.get(source.name) or ()
    return [found for each in sources for found in _producers(plan, inner, here, each)]


def _dag(plan: Plan, keys: Sequence[str]) -> Dag | None:
    dag: Dag | None = plan.dag
    for key in keys:
        dag = plan.inner(dag.tasks[key]) if dag is not None and key in dag.tasks else None
    return dag


def last_words(log: str) -> str:
    """The last line of a log that is not empty, if any."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:1000] if lines else ""
