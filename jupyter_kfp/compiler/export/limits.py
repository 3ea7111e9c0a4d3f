"""What KFP's SDK cannot express, or gets wrong, and this package's own compiler mends.

Everything here was observed with kfp 2.17; see ``compiler.channels`` and ``compiler.repairs``.
"""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_kfp.compiler.places import Places
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.pipeline import Constant, ExitHandler, External, Pipeline


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
    for task in found.tasks.values():
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


def _account(pipeline: Pipeline) -> str | None:
    return pipeline.options.service_account
