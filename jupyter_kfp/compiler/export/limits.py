"""What KFP's SDK cannot express, or gets wrong, and this package's own compiler mends.

Everything here was observed with kfp 2.17; see ``compiler.channels`` and ``compiler.repairs``.
"""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_kfp.compiler import names
from jupyter_kfp.compiler.places import Places
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.pipeline import (
    Branch,
    Constant,
    ExitHandler,
    External,
    FromLoop,
    FromParameter,
    FromStep,
    Loop,
    Pipeline,
    Source,
    Step,
    walk,
)


def explicit_limit(pipeline: Pipeline) -> Iterator[Diagnostic]:
    """A ``%%pipeline`` cell calls the steps by the names of their variables, which exported functions keep for code."""
    if pipeline.dsl is not None:
        yield Diagnostic(
            "export-explicit",
            Severity.ERROR,
            "The pipeline is a %%pipeline cell, KFP's DSL already, and cannot be written as a file of its own.",
            "Compile the notebook, or take the cell out and export the order that follows from the data.",
            cell=pipeline.dsl.cell,
        )


def lost_outputs(pipeline: Pipeline) -> list[Diagnostic]:
    """KFP's SDK hands out nothing from the group of an exit handler."""
    if not pipeline.outputs or not any(isinstance(node, ExitHandler) for node in pipeline.body):
        return []
    listed = ", ".join(output.name for output in pipeline.outputs)
    return [
        Diagnostic(
            "export-outputs",
            Severity.WARNING,
            f"The exported pipeline has no outputs ({listed}): KFP's SDK hands out nothing from an exit handler.",
            "They are outputs of the tasks that make them.",
        )
    ]


def group_limits(pipeline: Pipeline, found: Places) -> Iterator[Diagnostic]:
    """Loops KFP's SDK refuses, and options it has no place for."""
    for loop in found.loops.values():
        if isinstance(loop.items, Constant) and loop.items.value == []:
            yield Diagnostic(
                "export-loop",
                Severity.ERROR,
                f"The loop over {loop.text or loop.name!r} has no items, which KFP's SDK refuses.",
                "Take it out, or make the list a parameter.",
            )
        yield from _confused(found, loop)
    for task in found.tasks.values():
        yield from _lists_in_groups(found, task)
        cache = task.options.cache
        if cache is not None and not isinstance(cache, bool):
            yield Diagnostic(
                "export-cache",
                Severity.WARNING,
                f"The exported step {task.name!r} reuses results of any age, not only of the last {cache} seconds.",
                "KFP's cache has no age; give it a cache_key that changes.",
                step=task.name,
            )
        inner = isinstance(task, External) and isinstance(task.component, Pipeline)
        if task.options.service_account and not inner and task.options.service_account != _account(pipeline):
            yield Diagnostic(
                "export-service-account",
                Severity.WARNING,
                f"KFP is told the service account {task.options.service_account!r} of step {task.name!r} where a "
                "run is started.",
                f"Start it with service_account={task.options.service_account!r}.",
                step=task.name,
            )


def _confused(found: Places, loop: Loop) -> Iterator[Diagnostic]:
    """KFP looks for the names of channels *within* the name of a loop's item (see ``compiler.channels``).

    What it so takes for the item does not reach the tasks in the loop.
    """
    match loop.items:
        case Constant():
            item = "loop-item-param-"
        case FromParameter(name):
            item = f"{name}-loop-item"
        case FromStep(step, name):
            item = f"{names.task_name(step)}-{names.port(name)}-loop-item"
    for node in walk(loop.body):
        if isinstance(node, Loop) and not isinstance(node.items, Constant) and node.items == loop.items:
            yield _error(f"Two loops, one in the other, go over {loop.text or loop.name!r}", "items")
        sources: list[Source] = [i.source for i in node.inputs] if isinstance(node, Step | External) else []
        if isinstance(node, Branch):
            sources = [side for arm in node.arms if arm.test for side in (arm.test.left, arm.test.right)]
        for source in dict.fromkeys(sources):
            if isinstance(source, FromParameter) and source.name in item:
                yield _error(f"The loop over {loop.text or loop.name!r} reads {source.name!r}", "names")
            if isinstance(source, FromStep) and source == loop.items:
                yield _error(f"The loop over {loop.text or loop.name!r} reads {source.name!r}", "names")


def _error(what: str, confused: str) -> Diagnostic:
    return Diagnostic(
        "export-loop",
        Severity.ERROR,
        f"{what}; KFP's SDK confuses their {confused}.",
        "Rename the parameter, or make a copy in a step before the loop.",
    )


def _lists_in_groups(found: Places, task: Step | External) -> Iterator[Diagnostic]:
    for variable in task.inputs:
        if variable.type.many and isinstance(variable.source, FromLoop):
            around = found.paths[variable.source.loop]
            if found.paths[task.name] != around:
                yield Diagnostic(
                    "export-list",
                    Severity.ERROR,
                    f"Step {task.name!r} reads the list of artifacts {variable.name!r} in a branch or loop; KFP's SDK "
                    "cannot hand it in there.",
                    "Read the list in a step before, and pass on what is needed of it.",
                    step=task.name,
                )


def _account(pipeline: Pipeline) -> str | None:
    return pipeline.options.service_account
