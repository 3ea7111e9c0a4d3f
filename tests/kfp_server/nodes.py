"""What KFP shows of a run's tasks: the nodes of its Argo workflow.

As backend/src/v2/compiler/argocompiler/dag.go names them and toApiPipelineTaskDetail shows them: display
name, times to the second, state and the pod names of children. No errors, inputs, outputs or own pod names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jupyter_kfp.engine.plan import Dag, Plan
from jupyter_kfp.store.records import State, TaskKind, TaskRecord
from tests.kfp_server.database import stamp

_STATES = {State.CACHED: "SUCCEEDED", State.CANCELED: "FAILED"}


@dataclass(frozen=True)
class Node:
    """One node of the workflow. ``place`` identifies it."""

    place: str
    name: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    children: tuple[str, ...] = ()


def details(run_id: str, workflow: str, plan: Plan, tasks: Iterable[TaskRecord]) -> list[dict[str, Any]]:
    """The ``task_details`` of a run."""
    found = sorted(_nodes(plan, list(tasks)), key=lambda node: hashlib.md5(node.place.encode()).hexdigest())
    return [_detail(run_id, workflow, node) for node in found]


def pod(workflow: str, place: str) -> str:
    """The pod name of a node."""
    return f"{workflow}-{int(hashlib.sha256(place.encode()).hexdigest()[:8], 16)}"


def _detail(run_id: str, workflow: str, node: Node) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "run_id": run_id,
        "task_id": hashlib.sha256(f"{run_id}{node.place}".encode()).hexdigest()[:32],
        "display_name": node.name,
        "state": node.state,
    }
    if node.started_at:
        shown["create_time"] = shown["start_time"] = stamp(node.started_at)
        # A node that has not ended has the zero time of Go.
        shown["end_time"] = stamp(node.ended_at) if node.ended_at else "0001-01-01T00:00:00Z"
    if node.children:
        shown["child_tasks"] = [{"pod_name": pod(workflow, child)} for child in node.children]
    return shown


def _nodes(plan: Plan, tasks: list[TaskRecord]) -> Iterator[Node]:
    begun = [task.started_at for task in tasks if task.started_at]
    first = min(begun, default=None)
    yield Node("root-driver", "root-driver", "SUCCEEDED" if first else "RUNNING", first, first)
    for task in tasks:
        yield from _task_nodes(plan, task)


def _task_nodes(plan: Plan, task: TaskRecord) -> Iterator[Node]:
    if task.state is State.PENDING:
        return
    state = _STATES.get(task.state, task.state.value)
    if task.started_at is None:
        if task.state is State.CANCELED or _is_inside_skipped(plan, task):
            return  # nothing of it ever existed
        if task.state is State.FAILED:  # its driver could not tell what goes into it
            yield Node(f"{task.path}-driver", f"{task.key}-driver", "FAILED", task.ended_at, task.ended_at)
            return
        skipped = "SKIPPED" if _spec(plan, task.path).condition is not None else "RUNTIME_STATE_UNSPECIFIED"
        yield Node(task.path, task.key, skipped, task.ended_at, task.ended_at)
        return
    start, end = task.started_at, task.ended_at
    if task.kind is TaskKind.GROUP:
        is_loop = _spec(plan, task.path).iterator is not None
        driver = "iteration-driver" if is_loop else f"{task.key}-driver"
        yield Node(f"{task.path}-driver", driver, "SUCCEEDED", start, start)
        yield Node(task.path, task.key, state, start, end)
        return
    executor = f"{task.path}/executor"
    yield Node(f"{task.path}-driver", f"{task.key}-driver", "SUCCEEDED", start, start, (task.path,))
    yield Node(task.path, task.key, state, start, end, (executor,))
    shown = "SKIPPED" if task.state is State.CACHED else state
    yield Node(executor, "executor", shown, start, end)
    if len(task.attempts) > 1:
        for number, attempt in enumerate(task.attempts):
            tried = _STATES.get(attempt.state, attempt.state.value)
            yield Node(
                f"{executor}({number})", f"executor({number})", tried, attempt.started_at, attempt.ended_at
            )


def _keys(path: str) -> list[str]:
    return path.partition("[")[0].split(".")


def _spec(plan: Plan, path: str) -> Any:
    dag: Dag | None = plan.dag
    for key in _keys(path):
        assert dag is not None
        task = dag.tasks[key]
        dag = plan.inner(task)
    return task


def _is_inside_skipped(plan: Plan, task: TaskRecord) -> bool:
    return (
        len(_keys(task.path)) > 1 and task.state is State.SKIPPED and _spec(plan, task.path).condition is None
    )
