"""What the engine cannot run, said before any task starts; and what it ignores, said at the start."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_kfp.engine.attempt import find_program
from jupyter_kfp.engine.plan import Container, Dag, FinalStatus, OtherExecutor, Plan, Selected, Task
from jupyter_kfp.errors import JupyterKfpError, UsageError

# Images that are nothing but Python: this machine's Python stands in for them.
_PLAIN_PYTHON = re.compile(r"(docker\.io/)?(library/)?python:[\w.-]+")


def check(plan: Plan) -> None:
    """Raise UsageError if the plan holds something that cannot run here, naming it and the task."""
    for task in plan.dag.tasks.values():
        reason = _refusal(plan, task)
        if reason is not None:
            raise UsageError(f"The task {task.key!r} {reason}, which cannot run on this machine yet.")
    for task in plan.dag.tasks.values():
        _check_command(plan, task)
    _check_outputs(plan.dag)


def _refusal(plan: Plan, task: Task) -> str | None:
    executor = plan.executor(task)
    sources = task.parameters.values()
    reasons = {
        "is a loop": task.iterator is not None,
        "has a condition": task.condition is not None,
        "runs whether or not earlier tasks succeed": task.waits_for_all,
        "is a pipeline of its own": plan.component(task).dag is not None,
        "is imported": isinstance(executor, OtherExecutor) and executor.kind == "importer",
        "has no container": not isinstance(executor, Container),
        "reads how another task ended": any(isinstance(source, FinalStatus) for source in sources),
        "reads a part of a value": any(isinstance(source, Selected) for source in sources),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _check_outputs(dag: Dag) -> None:
    for name, sources in {**dag.parameter_outputs, **dag.artifact_outputs}.items():
        if len(sources) > 1:
            raise UsageError(
                f"The output {name!r} comes from one of several tasks, which cannot run on this machine yet."
            )


def _check_command(plan: Plan, task: Task) -> None:
    executor = plan.executor(task)
    assert isinstance(executor, Container)
    if not executor.command:
        raise UsageError(
            f"The task {task.key!r} has no command: what it does is inside the image {executor.image!r}.",
            "It can only run in a container.",
        )
    if "{{$" in executor.command[0]:
        return
    # As the steps' own: the interpreter's directory comes first.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    try:
        find_program(executor.command[0], sys.executable, path)
    except JupyterKfpError as error:
        raise UsageError(f"The task {task.key!r} cannot run: {error.message}", error.remedy) from error


def ignored(plan: Plan) -> str:
    """One sentence naming the options that have no effect on a process of this machine; empty if there are none."""
    parts = [f"{task.key}: {', '.join(names)}" for task, names in _ignored(plan) if names]
    if plan.ignored:
        parts.append(f"the pipeline: {', '.join(plan.ignored)}")
    return f"These options have no effect on a process of this machine: {'; '.join(parts)}." if parts else ""


def _ignored(plan: Plan) -> Iterator[tuple[Task, list[str]]]:
    for task in plan.dag.tasks.values():
        executor = plan.executor(task)
        if isinstance(executor, Container):
            image = executor.image
            foreign = [f"image {image}"] if image and not _PLAIN_PYTHON.fullmatch(image) else []
            yield task, [*foreign, *executor.ignored]
