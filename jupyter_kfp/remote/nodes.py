"""What a cluster shows of a run → the tasks of its pipeline. Pure.

KFP shows the nodes of an Argo workflow by display name (backend/src/v2/compiler/argocompiler/dag.go): a task
``train`` is ``train-driver``, ``train`` and, inside that, ``executor``, with ``executor(0)``, ``executor(1)``... below
where it may be tried again; a loop is ``iteration-driver`` and the like around the same names once per iteration.
Which is which its children tell (`argo`). Where they do not, the tasks of a loop are numbered in the order they
started. KFP has no word for results that were reused: where every executor was skipped, all were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from jupyter_kfp.engine.ir import in_order
from jupyter_kfp.engine.plan import Dag, Plan, Task
from jupyter_kfp.remote import argo
from jupyter_kfp.remote.objects import Detail, Run, RunState
from jupyter_kfp.store.mirror import SeenAttempt, SeenRun, SeenTask
from jupyter_kfp.store.records import Failure, NewTask, State, TaskKind

_DRIVER = "-driver"
_STATES = {
    RunState.UNSPECIFIED: State.PENDING,
    RunState.PENDING: State.PENDING,
    RunState.PAUSED: State.PENDING,
    RunState.RUNNING: State.RUNNING,
    RunState.CANCELING: State.RUNNING,
    RunState.SUCCEEDED: State.SUCCEEDED,
    RunState.SKIPPED: State.SKIPPED,
    RunState.FAILED: State.FAILED,
    RunState.CANCELED: State.CANCELED,
}
_FAILED = Failure("It failed on the cluster.")


@dataclass(frozen=True, slots=True)
class Spot:
    """A task of the pipeline's graph; ``inner``: the DAG it holds. ``levels`` lead to it, its own the last."""

    task: Task
    inner: Dag | None
    levels: tuple[argo.Level, ...]
    numbers: tuple[int, ...]

    @property
    def in_loop(self) -> bool:
        """Whether only the run knows how many of it there are."""
        return any(level.is_loop for level in self.levels[:-1])

    def new(self, around: Sequence[int] = ()) -> NewTask:
        """It in a run, in these iterations of the loops around it; with path and position as the engine has them."""
        iterations, position = iter(around), ""
        for level, number in zip(self.levels, self.numbers, strict=True):
            position += f"{number:05}."
            if level.is_loop and (iteration := next(iterations, None)) is not None:
                position += f"{iteration:06}."
        return NewTask(
            path=".".join(level.key for level in self.levels) + "".join(f"[{number}]" for number in around),
            key=self.task.key,
            display_name=self.task.display_name,
            component=self.task.component,
            kind=TaskKind.TASK if self.inner is None else TaskKind.GROUP,
            position=position,
        )

    @property
    def children(self) -> Iterator[str]:
        """What the children of its node may be, as seen from its place."""
        if self.inner is None:
            yield f".{argo.EXECUTOR}"
        elif self.levels[-1].is_loop:
            yield f".iteration{_DRIVER}"
        else:
            yield from (f".{key}{end}" for key in self.inner.tasks for end in (_DRIVER, ""))


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a run that is a task. ``place``: its own, if its children tell."""

    spot: Spot
    detail: Detail
    around: tuple[int, ...] = ()
    place: str | None = None


def spots(plan: Plan, dag: Dag | None = None, around: Spot | None = None) -> Iterator[Spot]:
    """All tasks of a pipeline, those inside others after them."""
    for number, task in enumerate(in_order(dag or plan.dag)):
        own = argo.Level(task.key, task.iterator is not None)
        levels, numbers = (
            ((*around.levels, own), (*around.numbers, number)) if around else ((own,), (number,))
        )
        inner = plan.inner(task)
        spot = Spot(task, inner, levels, numbers)
        yield spot
        if inner is not None:
            yield from spots(plan, inner, spot)


def located(plan: Plan, run: Run, workflow: argo.Workflow) -> list[tuple[Spot, list[Node]]]:
    """The tasks of a pipeline, each with its nodes: none before it begins, several in a loop."""
    left: dict[str, list[Detail]] = defaultdict(list)
    for detail in sorted(run.details, key=lambda detail: (_time(detail.start_time), detail.task_id)):
        left[detail.display_name].append(detail)
    found = []
    for spot in spots(plan):
        nodes = list(_recognized(spot, left[spot.task.key], workflow))
        for node in nodes:
            left[spot.task.key].remove(node.detail)
        found.append((spot, nodes))
    for spot, nodes in found:
        rest, taken = left[spot.task.key], {node.around for node in nodes}
        if spot.in_loop:
            free = ((number,) for number in count() if (number,) not in taken)
            nodes += [Node(spot, detail, next(free)) for detail in rest]
            rest.clear()
        elif not nodes and rest:
            nodes.append(Node(spot, rest.pop(0)))
    return found


def _recognized(spot: Spot, details: Sequence[Detail], workflow: argo.Workflow) -> Iterator[Node]:
    if not details:
        return
    known: dict[str, tuple[tuple[int, ...], str]] = {}
    for around, place in workflow.places(spot.levels).items():
        for child in spot.children:
            known[argo.node_id(workflow.name, f"{place}{child}")] = (around, place)
    seen_before = set()
    for detail in details:
        match = next((known[child.pod_name] for child in detail.child_tasks if child.pod_name in known), None)
        if match is not None and match not in seen_before:
            seen_before.add(match)
            yield Node(spot, detail, *match)


def run_state(run: Run, *, cancel_asked: bool) -> State:
    """The state of a run. What was terminated ends as FAILED in Argo; here it was canceled."""
    if run.state is RunState.FAILED:
        terminated = any(change.state is RunState.CANCELING for change in run.state_history)
        return State.CANCELED if terminated or cancel_asked else State.FAILED
    return _STATES[run.state]


def seen(plan: Plan, run: Run, *, cancel_asked: bool = False) -> SeenRun:
    """A run as the cluster shows it, without what its tasks made."""
    state = run_state(run, cancel_asked=cancel_asked)
    workflow = argo.workflow(run)
    tries = _Tries(workflow, run.details)
    all_cached = _all_cached(run.details)
    tasks: list[SeenTask] = []
    for spot, nodes in located(plan, run, workflow):
        if not nodes and not spot.in_loop:
            tasks.append(_without_node(spot, run, state))
        tasks += [_task(node, state, tries, all_cached=all_cached) for node in nodes]
    began = [detail.start_time for detail in run.details if detail.start_time]
    started_at = min(began, default=run.created_at if state is not State.PENDING else None)
    failure = _failure(run, state, tasks)
    return SeenRun(state, started_at, run.ended_at if state.is_final else None, failure, tuple(tasks))


def _task(node: Node, run: State, tries: _Tries, *, all_cached: bool) -> SeenTask:
    detail, is_group = node.detail, node.spot.inner is not None
    state = _state(detail, run)
    if state is State.SUCCEEDED and all_cached and not is_group:
        state = State.CACHED
    began = detail.start_time if state not in (State.PENDING, State.SKIPPED) else None
    ended = detail.end_time if state.is_final else None
    failure = _reason(detail) if state is State.FAILED and not is_group else None
    attempts: tuple[SeenAttempt, ...] = ()
    if began is not None and not is_group:
        last = SeenAttempt(1, state, began, ended, failure)
        attempts = tries.of(node, last, run)
    return SeenTask(node.spot.new(node.around), state, began, ended, failure, attempts)


def _state(detail: Detail, run: State) -> State:
    """The state of what a node stands for, in a run of this state."""
    state = _STATES[detail.state]
    if detail.state is RunState.UNSPECIFIED:  # Argo's Omitted: what it needs is not there
        state = State.SKIPPED
    if run.is_final and not state.is_final:
        return State.CANCELED
    return State.CANCELED if run is State.CANCELED and state is State.FAILED else state


class _Tries:
    """The nodes of a run that are single tries: ``executor(0)``, ``executor(1)``... of all tasks together."""

    def __init__(self, workflow: argo.Workflow, details: Iterable[Detail]) -> None:
        self._workflow = workflow
        self._left: dict[str, list[Detail]] = defaultdict(list)
        for detail in sorted(details, key=lambda detail: _time(detail.start_time)):
            self._left[detail.display_name].append(detail)

    def of(self, node: Node, only: SeenAttempt, run: State) -> tuple[SeenAttempt, ...]:
        """The tries at a task; ``only`` is the one that counts where there were no others."""
        number = len(self._workflow.tries(node.place)) if node.place else 0
        found: list[SeenAttempt] = []
        for index in range(number):
            # Only after one that failed is there another.
            state = only.state if index == number - 1 else State.FAILED
            began = found[-1].ended_at or only.started_at if found else only.started_at
            detail = self._take(f"{argo.EXECUTOR}({index})", state, run, began, only.ended_at)
            ended = detail.end_time if detail else only.ended_at
            failure = (_reason(detail) if detail else _FAILED) if state is State.FAILED else None
            start = detail.start_time or began if detail else began
            found.append(SeenAttempt(index + 1, state, start, ended if state.is_final else None, failure))
        return tuple(found) or (only,)

    def _take(
        self, name: str, state: State, run: State, after: datetime, before: datetime | None
    ) -> Detail | None:
        """The first node of a name, a state and within these times. Of two tasks at once it may be the other's."""
        for detail in self._left[name]:
            inside = before is None or detail.end_time is None or detail.end_time <= before
            begun = detail.start_time is not None and after <= detail.start_time
            if begun and inside and _state(detail, run) is state:
                self._left[name].remove(detail)
                return detail
        return None


def _without_node(spot: Spot, run: Run, state: State) -> SeenTask:
    """A task that has not begun: it waits, it never will, or its driver failed."""
    new = spot.new()
    for detail in run.details:
        if detail.display_name == f"{spot.task.key}{_DRIVER}" and detail.state is RunState.FAILED:
            why = Failure("It could not be started: its driver failed. The pod's log says why.")
            return SeenTask(new, State.FAILED, ended_at=detail.end_time, failure=why)
    if state.is_final:
        return SeenTask(new, State.CANCELED if state is State.CANCELED else State.SKIPPED)
    return SeenTask(new, State.PENDING)


def _all_cached(details: Iterable[Detail]) -> bool:
    executors = [detail for detail in details if detail.display_name == argo.EXECUTOR]
    return bool(executors) and all(detail.state is RunState.SKIPPED for detail in executors)


def _reason(node: Detail) -> Failure:
    text = node.error.message if node.error and node.error.message else ""
    return Failure(text) if text else _FAILED


def _failure(run: Run, state: State, tasks: Sequence[SeenTask]) -> Failure | None:
    if state is not State.FAILED:
        return None
    if run.error and run.error.message:
        return Failure(run.error.message)
    failed = [task.task.path for task in tasks if task.state is State.FAILED and task.failure]
    return Failure(f"{', '.join(failed)} failed.") if failed else _FAILED


def pods(plan: Plan, run: Run) -> Mapping[str, list[list[str]]]:
    """What the pods of a run's tasks may be called, by path: one list of names per try."""
    workflow = argo.workflow(run)
    found: dict[str, list[list[str]]] = {}
    for spot, nodes in located(plan, run, workflow):
        for node in nodes if spot.inner is None else ():
            children = [child.pod_name for child in node.detail.child_tasks[:1]]
            tried = (workflow.tries(node.place) if node.place else []) or children
            retried = spot.task.retry.count > 0
            found[spot.new(node.around).path] = [workflow.pods(pod, retried=retried) for pod in tried]
    return found


def _time(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("inf")
