"""The `parameters` cell: top-level assignments of literals become pipeline parameters."""

from __future__ import annotations

import ast
from typing import Any

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.evidence import CONTAINERS, annotation_type, literal_type
from jupyter_kfp.notebook.roles import StepCell
from jupyter_kfp.pipeline import Json, Parameter, ParameterType, ValueType, natural_type

_MISSING = object()


def read_parameters(cell: StepCell) -> tuple[list[Parameter], list[Diagnostic]]:
    """The parameters a cell assigns, and what is wrong with it."""
    found: list[Parameter] = []
    problems: list[Diagnostic] = []
    for node in cell.python.tree.body if cell.python.tree is not None else []:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                _add(name, node.value, node.annotation, node, cell, found, problems)
            case ast.Assign(targets=targets) if all(isinstance(t, ast.Name) for t in targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        _add(target.id, node.value, None, node, cell, found, problems)
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Import() | ast.ImportFrom():
                # A docstring; an import for an annotation. Neither is a parameter.
                pass
            case _:
                problems.append(_not_literal(node, cell, "this line"))
    return found, problems


def _not_literal(node: ast.stmt, cell: StepCell, what: str) -> Diagnostic:
    return diagnostic(
        "K301",
        f"{what} of the parameters cell is not a literal that a parameter can hold.",
        cell=cell.cell,
        line=node.lineno,
    )


def _add(
    name: str,
    value: ast.expr | None,
    annotation: ast.expr | None,
    node: ast.stmt,
    cell: StepCell,
    found: list[Parameter],
    problems: list[Diagnostic],
) -> None:
    default: Any = _MISSING
    if value is not None:
        try:
            default = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            problems.append(_not_literal(node, cell, f"the value of `{name}`"))
            return
        if not _is_json(default):
            problems.append(_not_literal(node, cell, f"the value of `{name}`"))
            return
    declared = _declared(annotation)
    if annotation is not None and declared is None:
        problems.append(
            diagnostic(
                "K302",
                f"`{name}` is annotated {ast.unparse(annotation)}, which no parameter can be (use str, int, float, bool, list or dict).",
                cell=cell.cell,
                line=node.lineno,
            )
        )
        return
    kind = declared or _natural(default)
    if default is not _MISSING and default is not None:
        try:
            default = coerce(default, kind)
        except ValueError:
            problems.append(
                diagnostic(
                    "K302",
                    f"`{name}` is annotated {kind}, but its default is {default!r}.",
                    cell=cell.cell,
                    line=node.lineno,
                )
            )
            return
    if kind.is_parameter and kind.items is None and kind.kind in CONTAINERS and literal_type(default) is None:
        problems.append(
            diagnostic(
                "K307",
                f"`{name}` mixes integers and whole floats, which KFP carries as one kind of number.",
                cell=cell.cell,
                line=node.lineno,
            )
        )
    required = default is _MISSING
    parameter = Parameter(name, kind, None if required else default, required, cell.cell, node.lineno)
    if any(p.name == name for p in found):
        problems.append(
            diagnostic(
                "K302",
                f"`{name}` is assigned twice in the parameters cell; the last one counts.",
                cell=cell.cell,
                line=node.lineno,
                severity=Severity.WARNING,
            )
        )
        found[:] = [p for p in found if p.name != name]
    found.append(parameter)


def _is_json(value: object) -> bool:
    match value:
        case None | bool() | int() | float() | str():
            return True
        case list():
            return all(map(_is_json, value))
        case dict():
            return all(isinstance(k, str) and _is_json(v) for k, v in value.items())
        case _:
            return False


def _declared(annotation: ast.expr | None) -> ValueType | None:
    """The parameter type of an annotation; ``Optional[T]`` and ``T | None`` are T."""
    match annotation:
        case None:
            return None
        case ast.Constant(value=str(text)):
            try:
                return _declared(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _declared(left)
        case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Optional"), slice=inner):
            return _declared(inner)
        case _:
            known = annotation_type(annotation)
            return known if known is not None and known.is_parameter else None


def _natural(default: object) -> ValueType:
    """The type of a default that has no annotation; None gives a text, as nothing says more."""
    return literal_type(default) or natural_type(default) or ValueType(ParameterType.STRING)


def coerce(value: Json, kind: ValueType) -> Json:
    """``value`` as a parameter of type ``kind``: an int is a fine float, nothing else changes type.

    Raises ValueError where the value is of another type.
    """
    match kind.kind, value:
        case ParameterType.BOOLEAN, bool():
            return value
        case ((ParameterType.INTEGER | ParameterType.FLOAT), bool()):
            pass
        case ParameterType.INTEGER, int():
            return value
        case ParameterType.INTEGER, float() if value.is_integer():
            return int(value)
        case ParameterType.FLOAT, int() | float():
            return float(value)
        case ParameterType.STRING, str():
            return value
        case ParameterType.LIST, list():
            return [coerce(v, ValueType(kind.items)) for v in value] if kind.items else value
        case ParameterType.DICT, dict():
            return {k: coerce(v, ValueType(kind.items)) for k, v in value.items()} if kind.items else value
        case _:
            pass
    raise ValueError(f"{value!r} is not of type {kind}")
