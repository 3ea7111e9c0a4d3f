"""A run as a tree: the DAGs in progress, what is known in each, and the places of their tasks. Pure.

A nested pipeline, a branch or a loop is a task with a DAG inside; a loop has one per item. Each DAG in progress is
a `Frame` with a scope of its own. The path of a task is its dotted place in the pipeline, followed by the
iterations around it, the outermost first: ``loop.train[2]``, ``outer.inner.train[0][2]``. A path without them
names a task of a loop that never began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_kfp.engine import cel, loops
from jupyter_kfp.engine.dataflow import Scope, Values, as_text
from jupyter_kfp.engine.ir import in_order
from jupyter_kfp.engine.plan import Component, Dag, Plan, Task, TaskOutput
from jupyter_kfp.engine.scheduler import Node
from jupyter_kfp.store.records import Failure, NewTask, State, TaskKind

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

# google.rpc.Code, as in KFP's PipelineTaskFinalStatus.
_CANCELED_CODE, _UNKNOWN_CODE = 1, 2
# kfp.dsl documents SUCCEEDED, FAILED and CANCELLED; the backends up to 2.15 said COMPLETE for SUCCEEDED, and
# pipelines compiled then count on it.
_DOCUMENTED_SINCE = (2, 16)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is in a run. ``position`` orders the tasks of a run as texts."""

    keys: tuple[str, ...] = ()
    iterations: tuple[int, ...] = ()
    position: str = ""

    @property
    def path(self) -> str:
        """The place as text."""
        return ".".join(self.keys) + "".join(f"[{number}]" for number in self.iterations)

    def task(self, key: str, number: int) -> Place:
        """The place of the task ``key``, the ``number``-th of the DAG that is here."""
        return Place((*self.keys, key), self.iterations, f"{self.position}{number:05}.")

    def iteration(self, number: int) -> Place:
        """The place of one iteration of the loop that is here."""
        return Place(self.keys, (*self.iterations, number), f"{self.position}{number:06}.")


@dataclass(slots=True)
class Frame:
    """A DAG in progress. ``failures``: of everything inside, by path, in the order they happened."""

    dag: Dag
    place: Place
    scope: Scope
    parent: Frame | None = None
    failures: dict[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spot:
    """A task of a frame."""

    frame: Frame
    task: Task
    place: Place


@dataclass(frozen=True, slots=True)
class Opened:
    """What is in a box that has begun, for the scheduler, and the tasks that were not known before."""

    members: Mapping[str, Node]
    limit: int | None = None
    rows: tuple[NewTask, ...] = ()


class Tree:
    """The frames of a run and the tasks in them, by path."""

    def __init__(self, plan: Plan, inputs: Values) -> None:
        self._plan = plan
        self.root = Frame(plan.dag, Place(), Scope(inputs))
        self._spots: dict[str, Spot] = {}
        # What a box holds: a nested DAG or an iteration one frame, a loop those of its iterations.
        self._frames: dict[str, Frame] = {}
        self._loops: dict[str, list[Frame]] = {}

    def spot(self, path: str) -> Spot:
        """The task at a path."""
        return self._spots[path]

    def is_group(self, path: str) -> bool:
        """Whether a task holds others."""
        return self._plan.inner(self._spots[path].task) is not None

    def is_iteration(self, path: str) -> bool:
        """Whether a box is one iteration of a loop, and no task itself."""
        return path in self._frames and path not in self._spots

    def open_root(self) -> Opened:
        """Begin the pipeline's own DAG."""
        return Opened(self._members(self.root))

    def open_iteration(self, path: str) -> Opened:
        """Begin one iteration of a loop."""
        return Opened(self._members(self._frames[path]))

    def open(self, path: str, inputs: Values) -> Opened:
        """Begin a task that has a DAG inside. Raises InputError if it is a loop over what is no list."""
        spot = self._spots[path]
        dag = self._plan.inner(spot.task)
        assert dag is not None, "only boxes are opened"
        if spot.task.iterator is None:
            frame = self._frames[path] = Frame(dag, spot.place, Scope(inputs), spot.frame)
            return Opened(self._members(frame))
        items = loops.items(spot.task, self._plan.component(spot.task), inputs)
        places = [spot.place.iteration(number) for number in range(len(items))]
        frames = [
            Frame(dag, place, Scope(each), spot.frame) for place, each in zip(places, items, strict=True)
        ]
        self._loops[path] = frames
        self._frames.update({frame.place.path: frame for frame in frames})
        return Opened(
            {frame.place.path: Node(is_box=True) for frame in frames},
            spot.task.iterator.parallelism,
            tuple(row for place in places for row in outline(self._plan, dag, place)),
        )

    def close(self, path: str | None) -> Values:
        """What a box that has ended leaves: the outputs of its DAG, those of a loop as lists."""
        if path is None:
            return self.root.scope.outputs(self.root.dag)
        if path not in self._loops:
            frame = self._frames[path]
            return frame.scope.outputs(frame.dag)
        outputs = [frame.scope.outputs(frame.dag) for frame in self._loops[path]]
        dag = self._plan.inner(self._spots[path].task)
        assert dag is not None, "a loop has a DAG"
        return loops.collected(self._plan, dag, outputs)

    def fail(self, path: str, failure: Failure) -> None:
        """Note why a task failed, in all the DAGs around it."""
        frame: Frame | None = self._spots[path].frame
        while frame is not None:
            frame.failures[path] = failure
            frame = frame.parent

    def failures(self, path: str) -> dict[str, Failure]:
        """What failed inside a box that has begun."""
        frames = self._loops[path] if path in self._loops else [self._frames[path]]
        return {where: why for frame in frames for where, why in frame.failures.items()}

    def ended(
        self, path: str, state: State, *, run: str, outputs: Values | None = None, why: Failure | None = None
    ) -> None:
        """Let the others of its DAG know that a task has ended; ``run`` is the run's resource name."""
        spot = self._spots[path]
        status = final_status(spot.task.key, state, why, run, old=self._plan.sdk < _DOCUMENTED_SINCE)
        spot.frame.scope.ended(spot.task.key, status)
        if state.is_success and outputs is not None:
            spot.frame.scope.add(spot.task.key, outputs)

    def inside(self, path: str) -> list[tuple[NewTask, bool]]:
        """The tasks inside a group or an iteration that was not opened, and whether they are new.

        New are those of loops, which are not known before the loop begins.
        """
        if self.is_iteration(path):  # the loop has begun, so its tasks are known
            frame = self._frames[path]
            return list(_inside(self._plan, frame.dag, frame.place, is_new=False))
        spot = self._spots[path]
        dag, is_loop = self._plan.inner(spot.task), spot.task.iterator is not None
        return [] if dag is None else list(_inside(self._plan, dag, spot.place, is_new=is_loop))

    def _members(self, frame: Frame) -> dict[str, Node]:
        """The tasks of a frame as the scheduler sees them; they can be looked up from now on."""
        paths: dict[str, str] = {}
        for number, task in enumerate(in_order(frame.dag)):
            place = frame.place.task(task.key, number)
            paths[task.key] = place.path
            self._spots[place.path] = Spot(frame, task, place)
        return {
            paths[key]: Node(
                upstream=tuple(paths[other] for other in task.upstream),
                waits_for_all=task.waits_for_all,
                always=is_exit_task(task),
                is_box=self._plan.inner(task) is not None,
            )
            for key, task in frame.dag.tasks.items()
        }


def should_run(task: Task, component: Component, inputs: Values) -> bool:
    """Whether a task's condition, if it has one, holds. Raises ExpressionError if that cannot be told."""
    if task.condition is None:
        return True
    specs = component.input_parameters
    seen = {name: as_text(value, specs.get(name)) for name, value in inputs.parameters.items()}
    return cel.condition(task.condition, seen)


def is_exit_task(task: Task) -> bool:
    """Whether a task is there to clean up: it runs however others ended, and needs nothing they made."""
    sources = (*task.parameters.values(), *task.artifacts.values())
    return task.waits_for_all and not any(isinstance(source, TaskOutput) for source in sources)


def final_status(key: str, state: State, why: Failure | None, run: str, *, old: bool = False) -> Json:
    """KFP's PipelineTaskFinalStatus of a task, in the shape that ``kfp.dsl.executor`` reads.

    ``old``: with the word for success of the backends before the documented one.
    """
    done = "COMPLETE" if old else "SUCCEEDED"
    words = {State.CANCELED: "CANCELLED", State.SUCCEEDED: done, State.CACHED: done}
    word = words.get(state, state.value)
    error: dict[str, Json] = {}
    if state in (State.FAILED, State.CANCELED):
        code = _CANCELED_CODE if state is State.CANCELED else _UNKNOWN_CODE
        error = {"code": code, "message": why.message if why else f"{key} was canceled."}
    return {"state": word, "pipelineJobResourceName": run, "pipelineTaskName": key, "error": error}


def outline(plan: Plan, dag: Dag, place: Place | None = None) -> Iterator[NewTask]:
    """The tasks of a DAG and of those inside it, in order. What is in loops is not known before they begin."""
    place = place or Place()
    for number, task in enumerate(in_order(dag)):
        here = place.task(task.key, number)
        inner = plan.inner(task)
        yield _row(task, here, is_box=inner is not None)
        if inner is not None and task.iterator is None:
            yield from outline(plan, inner, here)


def _inside(plan: Plan, dag: Dag, place: Place, *, is_new: bool) -> Iterator[tuple[NewTask, bool]]:
    for number, member in enumerate(in_order(dag)):
        here = place.task(member.key, number)
        inner = plan.inner(member)
        yield _row(member, here, is_box=inner is not None), is_new
        if inner is not None:
            yield from _inside(plan, inner, here, is_new=is_new or member.iterator is not None)


def _row(task: Task, place: Place, *, is_box: bool) -> NewTask:
    return NewTask(
        path=place.path,
        key=task.key,
        display_name=task.display_name,
        component=task.component,
        kind=TaskKind.GROUP if is_box else TaskKind.TASK,
        position=place.position,
    )
