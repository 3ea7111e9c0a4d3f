"""What KFP shows of a run's tasks: the nodes of its Argo workflow.

As backend/src/v2/compiler/argocompiler/dag.go names them and toApiPipelineTaskDetail shows them: display
name, times to the second, state and the pod names of children. No errors, inputs, outputs or own pod names.
"""

from __future__ import annotations

import hashlib
import re
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


def node_id(workflow: str, place: str) -> str:
    """As Argo names a node: 32 bits of FNV-1a (pkg/apis/workflow/v1alpha1, Workflow.NodeID)."""
    hashed = 2166136261
    for byte in f"{workflow}.{place}".encode():
        hashed = ((hashed ^ byte) * 16777619) % 2**32
    return f"{workflow}-{hashed}"


def pod(workflow: str, place: str) -> str:
    """As Argo names the pod of an executor's node: with the template between name and number."""
    template = "retry-system-container-impl" if place.endswith(")") else "system-container-impl"
    return f"{workflow}-{template}-{node_id(workflow, place).rpartition('-')[2]}"


def executors(plan: Plan, task: TaskRecord) -> list[str]:
    """The places of the nodes that executed a task, one per attempt."""
    place = f"{_place(plan, task.path)}.executor"
    if _spec(plan, task.path).retry.count == 0:
        return [place]
    return [f"{place}({number})" for number in range(len(task.attempts))]


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
        shown["child_tasks"] = [{"pod_name": node_id(workflow, child)} for child in node.children]
    return shown


def _nodes(plan: Plan, tasks: list[TaskRecord]) -> Iterator[Node]:
    begun = [task.started_at for task in tasks if task.started_at]
    first = min(begun, default=None)
    state = "SUCCEEDED" if first else "RUNNING"
    yield Node("root-driver", "root-driver", state, first, first, ("root",))
    for task in tasks:
        yield from _task_nodes(plan, task)
    yield from _iteration_nodes(plan, tasks)


def _task_nodes(plan: Plan, task: TaskRecord) -> Iterator[Node]:
    if task.state is State.PENDING:
        return
    state = _STATES.get(task.state, task.state.value)
    place = _place(plan, task.path)
    if task.started_at is None:
        if task.state is State.CANCELED or _is_inside_skipped(plan, task):
            return  # nothing of it ever existed
        if task.state is State.FAILED:  # its driver could not tell what goes into it
            yield Node(f"{place}-driver", f"{task.key}-driver", "FAILED", task.ended_at, task.ended_at)
            return
        skipped = "SKIPPED" if _spec(plan, task.path).condition is not None else "RUNTIME_STATE_UNSPECIFIED"
        yield Node(place, task.key, skipped, task.ended_at, task.ended_at)
        return
    if task.kind is TaskKind.GROUP:
        yield from _group_nodes(plan, task, place, state)
        return
    start, end, tried = task.started_at, task.ended_at, executors(plan, task)
    executor = f"{place}.executor"
    yield Node(f"{place}-driver", f"{task.key}-driver", "SUCCEEDED", start, start, (place,))
    yield Node(place, task.key, state, start, end, (executor,))
    is_pod = tried == [executor]
    shown = "SKIPPED" if task.state is State.CACHED else state
    yield Node(executor, "executor", shown, start, end, () if is_pod else tuple(tried))
    for number, attempt in enumerate(() if is_pod else task.attempts):
        result = _STATES.get(attempt.state, attempt.state.value)
        yield Node(tried[number], f"executor({number})", result, attempt.started_at, attempt.ended_at)


def _group_nodes(plan: Plan, task: TaskRecord, place: str, state: str) -> Iterator[Node]:
    start, end, spec = task.started_at, task.ended_at, _spec(plan, task.path)
    if spec.iterator is not None:
        driver = f"{place}.iteration-driver"
        yield Node(place, task.key, state, start, end, (driver,))
        yield Node(driver, "iteration-driver", "SUCCEEDED", start, start)
        return
    inner = plan.inner(spec)
    assert inner is not None
    children = tuple(f"{place}.{key}-driver" for key, other in inner.tasks.items() if not other.upstream)
    yield Node(f"{place}-driver", f"{task.key}-driver", "SUCCEEDED", start, start, (place,))
    yield Node(place, task.key, state, start, end, children)


def _iteration_nodes(plan: Plan, tasks: list[TaskRecord]) -> Iterator[Node]:
    """The iterations of loops, which the engine has no rows for; each is as long as what is in it."""
    inside: dict[str, list[TaskRecord]] = {}
    for task in tasks:
        if task.started_at is not None:
            for found in re.finditer(r"iteration-iterations\(\d+:\d+\)", _place(plan, task.path)):
                inside.setdefault(_place(plan, task.path)[: found.end()], []).append(task)
    for place, several in inside.items():
        start = min(task.started_at for task in several if task.started_at)
        ends = [task.ended_at for task in several]
        end = None if None in ends else max(moment for moment in ends if moment)
        state, item = ("RUNNING" if end is None else "SUCCEEDED"), f"{place}.iteration-item"
        yield Node(place, place.rpartition(".")[2], state, start, end, (f"{item}-driver",))
        yield Node(f"{item}-driver", "iteration-item-driver", "SUCCEEDED", start, start, (item,))
        yield Node(item, "iteration-item", state, start, end)


def _place(plan: Plan, path: str) -> str:
    """Where Argo has a task, below the workflow's name."""
    numbers = iter(re.findall(r"\[(\d+)\]", path))
    place, keys = "root", _keys(path)
    for depth, key in enumerate(keys):
        place += f".{key}"
        if _spec(plan, ".".join(keys[: depth + 1])).iterator is not None:
            number = next(numbers, None)
            if number is not None:
                place += f".iteration-iterations({number}:{number}).iteration-item"
    return place


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
