"""What a run left under its pipeline root: ``<root>/<pipeline>/<run>/<task>/<salt>/<port>``.

backend/src/v2/driver/driver.go, provisionOutputs. The salt is new for every execution, so that a task of a
loop has several; which belongs to which iteration is told by when they ended. KFP's API gives neither values
nor metadata: those of our own steps are in the notebook they executed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from jupyter_kfp.compiler.names import EXECUTED_NOTEBOOK
from jupyter_kfp.engine.plan import Component, Dag, Plan, TaskOutput
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.store.artifacts import ArtifactRootError
from jupyter_kfp.store.mirror import SeenRun, SeenTask
from jupyter_kfp.store.records import Failure, NewArtifact, State, TaskKind

LOGS = "executor-logs"
_NOTEBOOK_LIMIT = 64 << 20


@dataclass(slots=True)
class Leftovers:
    """What one execution of a task left: sizes of files by path below it, and when it was done."""

    uri: str
    files: dict[str, int] = field(default_factory=dict)
    modified: float = 0.0

    @property
    def ports(self) -> list[str]:
        """The names of its outputs."""
        return list(dict.fromkeys(path.partition("/")[0] for path in self.files))

    def size(self, port: str) -> int:
        """Bytes of an output, a file or a directory."""
        return sum(n for path, n in self.files.items() if path == port or path.startswith(f"{port}/"))


class Root:
    """The place of one run's artifacts. Raises ArtifactRootError where it cannot be read."""

    def __init__(self, url: str) -> None:
        # KFP's own name for its S3-compatible store; where that is, AWS_ENDPOINT_URL says.
        self.url = url.replace("minio://", "s3://", 1).rstrip("/")

    def executions(self) -> dict[str, list[Leftovers]]:
        """What there is, by task, in the order it was done."""
        filesystem, base = self._filesystem(self.url)
        try:
            if not filesystem.exists(base):
                return {}
            files: Mapping[str, Mapping[str, Any]] = filesystem.find(base, detail=True)
        except Exception as error:  # file systems raise their libraries' own errors
            raise _unreadable(self.url, error) from error
        found: dict[tuple[str, str], Leftovers] = {}
        for path, info in files.items():
            task, salt, *rest = path.removeprefix(base).strip("/").split("/")
            if rest:
                uri = f"{self.url}/{task}/{salt}"
                left = found.setdefault((task, salt), Leftovers(uri))
                left.files["/".join(rest)] = int(info.get("size") or 0)
                left.modified = max(left.modified, _modified(info))
        by_task: dict[str, list[Leftovers]] = defaultdict(list)
        for (task, _salt), left in sorted(found.items(), key=lambda item: item[1].modified):
            by_task[task].append(left)
        return by_task

    def text(self, uri: str) -> str:
        """A file."""
        filesystem, path = self._filesystem(uri)
        try:
            # All of it: S3 refuses any range of an empty file.
            return str(filesystem.cat_file(path).decode("utf-8", "replace"))
        except Exception as error:  # as above
            raise _unreadable(uri, error) from error

    def _filesystem(self, url: str) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(url)
        except Exception as error:  # a missing driver, too, raises what it likes
            raise _unreadable(url, error) from error
        filesystem.invalidate_cache()
        return filesystem, str(path).rstrip("/")


def completed(plan: Plan, seen: SeenRun, root: Root) -> SeenRun:
    """A run with what its tasks made: artifacts, parameters, reused results, and what they printed last."""
    executions = root.executions()
    taken: dict[str, int] = defaultdict(int)
    any_log = any(LOGS in port for lefts in executions.values() for left in lefts for port in left.ports)
    tasks: dict[str, SeenTask] = {}
    for task in _by_end(seen.tasks):
        if task.task.kind is TaskKind.GROUP or not task.attempts:
            tasks[task.task.path] = task
            continue
        number = taken[task.task.key]
        taken[task.task.key] += 1
        lefts = executions.get(task.task.key, [])
        if number < len(lefts):
            component = plan.components[task.task.component]
            tasks[task.task.path] = _with_outputs(task, component, lefts[number], root)
        else:  # whatever is executed leaves its log: what has none was not executed
            reused = any_log and task.state is State.SUCCEEDED
            tasks[task.task.path] = replace(task, state=State.CACHED) if reused else task
    _connect(plan, tasks)
    return _with_run_outputs(plan, replace(seen, tasks=tuple(tasks[t.task.path] for t in seen.tasks)))


def log_uris(left: Leftovers) -> list[str]:
    """Where the logs of an execution are, one per attempt."""
    return [f"{left.uri}/{path}" for path in sorted(left.files) if path.startswith(LOGS)]


def _by_end(tasks: Iterable[SeenTask]) -> list[SeenTask]:
    return sorted(tasks, key=lambda task: task.ended_at.timestamp() if task.ended_at else float("inf"))


def _with_outputs(task: SeenTask, component: Component, left: Leftovers, root: Root) -> SeenTask:
    told = _told(left, root)
    failure = task.failure
    if task.state is State.FAILED and (uris := log_uris(left)):
        failure = Failure(last_words(root.text(uris[-1])) or (failure.message if failure else ""))
    if not task.state.is_success:
        return replace(task, failure=failure, inputs=told.inputs)
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


def _modified(info: Mapping[str, Any]) -> float:
    moment = (
        info.get("mtime") or info.get("LastModified") or info.get("updated") or info.get("created") or 0.0
    )
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, str):
        try:
            return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return 0.0
    return float(moment)


def _unreadable(place: str, error: Exception) -> ArtifactRootError:
    return ArtifactRootError(
        f"What the run left at {place} cannot be read here ({error}).",
        "Install the package for this kind of URL (pip install 'jupyter-kfp[s3]' or [gcs]) and give its "
        "credentials, and AWS_ENDPOINT_URL for an S3-compatible store.",
    )
