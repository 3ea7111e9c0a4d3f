"""The notebook steps of a pipeline as they were packed: their cells, and which names they take and leave."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from jupyter_kfp.engine.plan import Constant, Container, Dag, Plan, Task
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK, unpack_step

_ITERATIONS = re.compile(r"\[\d+\]")
# Of a step's arguments the first three are KFP's executor input, the packages and the runtime.
COMMON = 3


def packed_step(plan: Plan, path: str) -> dict[str, Any] | None:
    """What `runtime.payload.pack` packed for the task at ``path``; None where it is no step of a notebook.

    ``path`` is a task's dotted path, with or without its iterations.
    """
    task = _task(plan, _ITERATIONS.sub("", path).split("."))
    if task is None:
        return None
    try:
        return unpack_step(_text(plan, task))
    except ValueError:
        return None


def _task(plan: Plan, keys: list[str]) -> Task | None:
    dag: Dag | None = plan.dag
    task = None
    for key in keys:
        task = dag.tasks.get(key) if dag is not None else None
        dag = plan.inner(task) if task is not None else None
    return task


def _text(plan: Plan, task: Task) -> str:
    """The packed step, be it a constant of the task, the default of its component, or in the arguments."""
    component = plan.component(task)
    if STEP_NOTEBOOK in task.parameters:
        source = task.parameters[STEP_NOTEBOOK]
        return str(source.value) if isinstance(source, Constant) else ""
    if STEP_NOTEBOOK in component.input_parameters:
        return str(component.input_parameters[STEP_NOTEBOOK].default or "")
    executor = plan.executors.get(component.executor or "")
    return "".join(executor.args[COMMON:]) if isinstance(executor, Container) else ""


def sources(plan: Plan) -> dict[str, str]:
    """The code of every notebook step of a pipeline by the dotted path of its task, without the headers of its cells."""
    found = {}
    waiting: list[tuple[str, Dag]] = [("", plan.dag)]
    while waiting:
        prefix, dag = waiting.pop()
        for key, task in dag.tasks.items():
            inner = plan.inner(task)
            if inner is not None:
                waiting.append((f"{prefix}{key}.", inner))
                continue
            with suppress(ValueError):
                cells = unpack_step(_text(plan, task)).get("cells", ())
                found[f"{prefix}{key}"] = "\n".join(
                    str(cell["source"]).strip("\n").removeprefix("#\n") for cell in cells
                )
    return found
