"""What only a pickle could keep, in steps that may write none: warned of where the code says it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.reading import Reading, StepCell
from jupyter_kfp.pipeline import ArtifactType, Pipeline, Step

_VARIABLE = "JUPYTER_KFP_NO_PICKLE"
_CALLS = frozenset(
    {"set", "frozenset", "tuple", "complex", "range", "Counter", "defaultdict", "OrderedDict", "deque"}
)


def check_pickles(reading: Reading, pipeline: Pipeline) -> Iterator[Diagnostic]:
    """Outputs that are evidently sets, tuples, functions or objects of the notebook's own classes.

    For steps with the option ``pickle: off``, and for all where ``JUPYTER_KFP_NO_PICKLE`` is 1. What the code does not
    say is known when the step has made it: the step then fails.
    """
    forbidden = os.environ.get(_VARIABLE) == "1"
    cells = {step.name: step.cells for step in reading.steps}
    everything = [*reading.preamble, *(cell for own in cells.values() for cell in own)]
    classes = {n.name for c in everything for n in _statements(c) if isinstance(n, ast.ClassDef)}
    for step in pipeline.steps:
        if forbidden or step.options.pickle is False:
            yield from _outputs(step, cells.get(step.name, ()), classes)


def _outputs(step: Step, cells: tuple[StepCell, ...], classes: set[str]) -> Iterator[Diagnostic]:
    last = {name: (cell, node) for cell in cells for node in _statements(cell) for name in _bound(node)}
    for output in step.outputs:
        cell, node = last.get(output.name, (None, None))
        what = _pickled(node, classes) if output.type.kind is ArtifactType.ARTIFACT else ""
        if cell is not None and node is not None and what:
            yield diagnostic(
                "K311",
                f"`{output.name}` is {what}, which only a pickle can keep, and step {step.name} may write none: it will fail.",
                cell=cell.cell,
                line=node.lineno,
                step=step.name,
            )


def _statements(cell: StepCell) -> list[ast.stmt]:
    return cell.python.tree.body if cell.python.tree is not None else []


def _bound(node: ast.stmt) -> list[str]:
    match node:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def _pickled(node: ast.stmt | None, classes: set[str]) -> str:
    """What a statement binds, in words; "" where something else may keep it."""
    match node:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            pass
        case _:
            return ""
    match value:
        case ast.Set() | ast.SetComp():
            return "a set"
        case ast.Tuple():
            return "a tuple"
        case ast.Lambda():
            return "a function"
        case ast.Call(func=ast.Name(id=name)) if name in classes:
            return f"an object of the class {name}"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _CALLS:
            return f"made by {name}()"
        case _:
            return ""
