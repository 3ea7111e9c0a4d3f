"""How the compiler's findings are made: with the step they are about, and its first cell."""

from __future__ import annotations

from jupyter_kfp.compiler.places import Task
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.pipeline import External, Step


def error(code: str, message: str, remedy: str, task: Task | None = None) -> Diagnostic:
    """A finding that stops compiling."""
    return _finding(Severity.ERROR, code, message, remedy, task)


def warning(code: str, message: str, remedy: str, task: Task) -> Diagnostic:
    """A finding that does not."""
    return _finding(Severity.WARNING, code, message, remedy, task)


def not_a_component(node: External, reason: Exception) -> Diagnostic:
    """The finding about a node whose YAML cannot be used."""
    return error(
        "kfp-component",
        f"What step {node.name!r} runs is no component or pipeline of KFP: {reason}.",
        "Give it the YAML that KFP 2 compiles, or a component.yaml.",
        node,
    )


def _finding(severity: Severity, code: str, message: str, remedy: str, task: Task | None) -> Diagnostic:
    cell = task.body[0].cell if isinstance(task, Step) and task.body else None
    return Diagnostic(code, severity, message, remedy, cell=cell, step=task.name if task else None)
