"""Going on: whether a run can, and which earlier run a run from the middle builds on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_kfp.engine.ir import in_order
from jupyter_kfp.engine.plan import ComponentInput, Dag, Plan, Selected, Task
from jupyter_kfp.errors import UsageError
from jupyter_kfp.store.records import RunRecord, State
from jupyter_kfp.store.store import Store

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

# How many earlier runs are looked at.
_RUNS = 50


def check(run: RunRecord, *, failed_too: bool) -> None:
    """Raise UsageError if a run cannot go on (``failed_too``: be retried), saying what to do instead."""
    if "remote" in run.options:
        raise UsageError(
            f"Run {run.id} is of a cluster.", f"`jupyter kfp retry {run.id}` has it go on there."
        )
    if not run.state.is_final:
        raise UsageError(f"Run {run.id} is being executed.", "Wait for it, or cancel it.")
    if run.state.is_success:
        raise UsageError(f"Run {run.id} has ended well; nothing is left to do.", "Run the pipeline again.")
    if not failed_too and run.state is State.FAILED and not run.interrupted:
        raise UsageError(
            f"Run {run.id} was not interrupted: it has failed.",
            f"`jupyter kfp retry {run.id}` executes again what failed.",
        )


@dataclass(frozen=True, slots=True)
class Base:
    """The run to build on: ``before`` are the dotted places of what is taken from it, ``step`` is executed."""

    run: str
    step: str
    before: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """For the options of a run."""
        return {"run": self.run, "step": self.step, "before": list(self.before)}


def base_of(store: Store, plan: Plan, values: Mapping[str, Json], step: str) -> Base:
    """The newest run of the pipeline that has all that is before ``step``, made with the same parameters.

    Raises UsageError if there is no such step, or no such run.
    """
    keys = _find(plan, step)
    before, checkable, used = _before(plan, keys)
    wanted = {name: values[name] for name in used if name in values}
    lacking: str | None = None
    for run in store.runs(limit=_RUNS, pipeline=plan.name):
        if "remote" in run.options or not run.state.is_final:
            continue
        states = store.states(run.id)
        missing = [place for place in checkable if states.get(place) not in _ENDED_WELL]
        if missing:
            lacking = lacking or f"run {run.id} has not finished {', '.join(missing)}"
            continue
        other = [name for name in used if run.parameters.get(name) != wanted.get(name)]
        if other:
            lacking = lacking or f"run {run.id} had another {', '.join(other)}"
            continue
        return Base(run.id, ".".join(keys), tuple(before))
    why = f": {lacking}" if lacking else ""
    raise UsageError(
        f"No earlier run of {plan.name!r} has what comes before {step!r}{why}.",
        "Run the pipeline without --from.",
    )


_ENDED_WELL = frozenset({State.SUCCEEDED, State.CACHED, State.SKIPPED})


def _find(plan: Plan, step: str) -> tuple[str, ...]:
    """The keys of the step, outermost first, by its dotted place, its name or its name in the notebook."""
    places = list(_places(plan, plan.dag, ()))
    wanted = step.lower().replace("_", "-")  # KFP writes train_model as train-model
    exact = [keys for keys, _task in places if ".".join(keys) == step]
    found = exact or [
        keys for keys, task in places if keys[-1].lower() == wanted or task.display_name == step
    ]
    names = ", ".join(".".join(keys) for keys in (found or [keys for keys, _task in places]))
    if not found:
        raise UsageError(f"The pipeline has no step {step!r}.", f"Its steps: {names}.")
    if len(found) > 1:
        raise UsageError(f"Several steps are called {step!r}.", f"Say which: {names}.")
    return found[0]


def _places(plan: Plan, dag: Dag, around: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Task]]:
    for task in in_order(dag):
        keys = (*around, task.key)
        yield keys, task
        inner = plan.inner(task)
        if inner is not None:
            yield from _places(plan, inner, keys)


def _before(plan: Plan, keys: tuple[str, ...]) -> tuple[list[str], list[str], list[str]]:
    """What is before a step, as dotted places; those of it that are outside of loops; the parameters it depends on."""
    before: list[str] = []
    checkable: list[str] = []
    used: dict[str, None] = {}
    dag, in_loop = plan.dag, False
    for depth, key in enumerate(keys):
        ancestors = _ancestors(dag, key)
        places = [".".join((*keys[:depth], name)) for name in ancestors]
        before += places
        checkable += [] if in_loop else places
        around = [] if depth == len(keys) - 1 else [key]
        if depth == 0:
            for name in (*ancestors, *around):
                used.update(dict.fromkeys(_parameters(dag.tasks[name])))
        task = dag.tasks[key]
        inner = plan.inner(task)
        in_loop = in_loop or task.iterator is not None
        dag = inner or dag
    return before, checkable, list(used)


def _ancestors(dag: Dag, key: str) -> list[str]:
    found: dict[str, None] = {}
    waiting = [key]
    while waiting:
        for other in sorted(dag.tasks[waiting.pop()].upstream):
            if other not in found:
                found[other] = None
                waiting.append(other)
    return [task.key for task in in_order(dag) if task.key in found]


def _parameters(task: Task) -> Iterator[str]:
    """The pipeline's parameters that a task of its own DAG takes."""
    for source in task.parameters.values():
        inner = source.source if isinstance(source, Selected) else source
        if isinstance(inner, ComponentInput):
            yield inner.name
