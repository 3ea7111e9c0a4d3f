"""What a cluster shows of a run → the tasks of its pipeline. Pure.

KFP shows the nodes of an Argo workflow by display name (backend/src/v2/compiler/argocompiler/dag.go): a task
``train`` is ``train-driver``, ``train`` and, inside that, ``executor``; a loop is ``iteration-driver`` and the
like around the same names once per iteration. It does not show which iteration a node belongs to: the tasks
of a loop are numbered in the order they started, those of nested loops in one row. It has no word for
results that were reused either: where every executor was skipped, all were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from jupyter_kfp.engine.ir import in_order
from jupyter_kfp.engine.plan import Dag, Plan, Task
from jupyter_kfp.remote.objects import Detail, Run, RunState
from jupyter_kfp.store.mirror import SeenRun, SeenTask
from jupyter_kfp.store.records import Failure, NewTask, State, TaskKind

_DRIVER, _EXECUTOR = "-driver", "executor"
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


@dataclass(frozen=True, slots=True)
class Spot:
    """A task of the pipeline's graph. ``in_loop``: how many of it there are is known only from the run."""

    task: Task
    keys: tuple[str, ...]
    position: str
    in_loop: bool
    is_group: bool

    def new(self, number: int | None) -> NewTask:
        """It in a run; ``number``: the iteration, of a task in a loop."""
        mark, order = ("", "") if number is None else (f"[{number}]", f"{number:06}.")
        return NewTask(
            path=".".join(self.keys) + mark,
            key=self.task.key,
            display_name=self.task.display_name,
            component=self.task.component,
            kind=TaskKind.GROUP if self.is_group else TaskKind.TASK,
            position=self.position + order,
        )


def spots(plan: Plan, dag: Dag | None = None, around: Spot | None = None) -> Iterator[Spot]:
    """All tasks of a pipeline, those inside others after them."""
    for number, task in enumerate(in_order(dag or plan.dag)):
        inner = plan.inner(task)
        keys = (*around.keys, task.key) if around else (task.key,)
        in_loop = around is not None and (around.in_loop or around.task.iterator is not None)
        position = f"{around.position if around else ''}{number:05}."
        spot = Spot(task, keys, position, in_loop, inner is not None)
        yield spot
        if inner is not None:
            yield from spots(plan, inner, spot)


def run_state(run: Run, *, cancel_asked: bool) -> State:
    """The state of a run. What was terminated ends as FAILED in Argo; here it was canceled."""
    if run.state is RunState.FAILED:
        terminated = any(change.state is RunState.CANCELING for change in run.state_history)
        return State.CANCELED if terminated or cancel_asked else State.FAILED
    return _STATES[run.state]


def seen(plan: Plan, run: Run, *, cancel_asked: bool = False) -> SeenRun:
    """A run as the cluster shows it, without what its tasks made."""
    state = run_state(run, cancel_asked=cancel_asked)
    named: dict[str, list[Detail]] = defaultdict(list)
    for detail in run.details:
        named[detail.display_name].append(detail)
    for found in named.values():
        found.sort(key=lambda detail: (_time(detail.start_time), detail.task_id))
    all_cached = _all_cached(run.details)
    keys: dict[str, int] = defaultdict(int)
    for spot in spots(plan):
        keys[spot.task.key] += 1
    taken: dict[str, int] = defaultdict(int)
    tasks: list[SeenTask] = []
    for spot in spots(plan):
        nodes = named.get(spot.task.key, [])
        if keys[spot.task.key] > 1:  # tasks of nested pipelines may have the names of others
            nodes = nodes[taken[spot.task.key] :]
        if not spot.in_loop:
            nodes = nodes[:1]
            taken[spot.task.key] += 1
        tasks += _tasks(spot, nodes, named, state, all_cached=all_cached)
    began = [detail.start_time for detail in run.details if detail.start_time]
    started_at = min(began, default=run.created_at if state is not State.PENDING else None)
    failure = _failure(run, state, tasks)
    return SeenRun(state, started_at, run.ended_at if state.is_final else None, failure, tuple(tasks))


def _tasks(
    spot: Spot, nodes: Sequence[Detail], named: dict[str, list[Detail]], run: State, *, all_cached: bool
) -> Iterator[SeenTask]:
    if not nodes and not spot.in_loop:
        yield _without_node(spot, named.get(spot.task.key + _DRIVER, []), run)
        return
    for number, node in enumerate(nodes):
        state = _STATES[node.state]
        if node.state is RunState.UNSPECIFIED:  # Argo's Omitted: what it needs is not there
            state = State.SKIPPED
        if run.is_final and not state.is_final:
            state = State.CANCELED
        if run is State.CANCELED and state is State.FAILED:
            state = State.CANCELED
        if state is State.SUCCEEDED and all_cached and not spot.is_group:
            state = State.CACHED
        began = state not in (State.PENDING, State.SKIPPED)
        failure = _reason(node) if state is State.FAILED and not spot.is_group else None
        yield SeenTask(
            spot.new(number if spot.in_loop else None),
            state,
            node.start_time if began else None,
            node.end_time if state.is_final else None,
            failure,
            attempts=1 if began and not spot.is_group and node.start_time else 0,
        )


def _without_node(spot: Spot, drivers: Sequence[Detail], run: State) -> SeenTask:
    """A task that has not begun: it waits, it never will, or its driver failed."""
    new = spot.new(None)
    if any(driver.state is RunState.FAILED for driver in drivers):
        why = Failure("It could not be started: its driver failed. The pod's log says why.")
        return SeenTask(new, State.FAILED, ended_at=drivers[0].end_time, failure=why)
    if run.is_final:
        return SeenTask(new, State.CANCELED if run is State.CANCELED else State.SKIPPED)
    return SeenTask(new, State.PENDING)


def _all_cached(details: Iterable[Detail]) -> bool:
    executors = [detail for detail in details if detail.display_name == _EXECUTOR]
    return bool(executors) and all(detail.state is RunState.SKIPPED for detail in executors)


def _reason(node: Detail) -> Failure:
    text = node.error.message if node.error and node.error.message else ""
    return Failure(text or "It failed on the cluster.")


def _failure(run: Run, state: State, tasks: Sequence[SeenTask]) -> Failure | None:
    if state is not State.FAILED:
        return None
    if run.error and run.error.message:
        return Failure(run.error.message)
    failed = [task.task.path for task in tasks if task.state is State.FAILED and task.failure]
    return Failure(f"{', '.join(failed)} failed." if failed else "It failed on the cluster.")


def pods(run: Run) -> dict[str, list[str]]:
    """The pods of a run's tasks, by task: those of its executors, in the order the tasks started."""
    found: dict[str, list[str]] = defaultdict(list)
    for detail in sorted(run.details, key=lambda detail: (_time(detail.start_time), detail.task_id)):
        if detail.child_tasks and not detail.display_name.endswith(_DRIVER):
            found[detail.display_name].append(detail.child_tasks[0].pod_name)
    return found


def _time(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("inf")
