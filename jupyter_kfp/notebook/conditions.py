"""Conditions: which of them KFP can decide itself, and the code for those it cannot.

KFP compares scalars of one type and nothing else (kfp/compiler/compiler_utils.py; the backend
evaluates CEL). `accuracy >= 0.9` stays such a comparison, legible in KFP's interface; any other
expression is computed in Python, by a step, as a boolean.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from jupyter_kfp.notebook.evidence import literal_type
from jupyter_kfp.notebook.units import Definition
from jupyter_kfp.pipeline import Constant, FromItem, FromParameter, FromStep, ParameterType, Test, ValueType

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_NUMBERS = {ParameterType.INTEGER, ParameterType.FLOAT}
_EXACT = 2**53  # KFP carries numbers as doubles
# A text that needs no quoting in CEL, whoever writes the condition.
_PLAIN = set(string.ascii_letters + string.digits + " .,:;/+-_=@%()<>!?&*")


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison: where its value comes from, and its type."""

    source: FromParameter | FromStep | FromItem | Constant
    type: ValueType
    definition: Definition | None = None


Find: TypeAlias = Callable[[str], Operand | None]


def plain_test(expression: str, find: Find) -> tuple[Test, tuple[Definition, ...]] | None:
    """The comparison that KFP can make of ``expression``, and the definitions it reads; else None.

    ``find`` gives a name as an operand, or None where its value is no scalar that KFP can see.
    """
    tree = _parsed(expression)
    match tree:
        case ast.Name():
            return _truth(_operand(tree, find), value=True)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name() as name):
            return _truth(_operand(name, find), value=False)
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _OPERATORS:
            one, other = _operand(left, find), _operand(right, find)
            if one is None or other is None or not _comparable(one.type, other.type, operator):
                return None
            if one.definition is None and other.definition is None:
                return None  # of constants alone
            test = Test(one.source, _OPERATORS[type(operator)], other.source)
            return test, tuple(o.definition for o in (one, other) if o.definition is not None)
        case _:
            return None


def _truth(operand: Operand | None, *, value: bool) -> tuple[Test, tuple[Definition, ...]] | None:
    if operand is None or operand.type.kind is not ParameterType.BOOLEAN or operand.definition is None:
        return None
    return Test(operand.source, "==", Constant(value)), (operand.definition,)


def _operand(node: ast.expr, find: Find) -> Operand | None:
    if isinstance(node, ast.Name):
        return find(node.id)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    match value:
        case bool():
            return Operand(Constant(value), ValueType(ParameterType.BOOLEAN))
        case int() if abs(value) <= _EXACT:
            return Operand(Constant(value), ValueType(ParameterType.INTEGER))
        case float() if abs(value) < _EXACT and "e" not in repr(value):
            return Operand(Constant(value), ValueType(ParameterType.FLOAT))
        case str() if set(value) <= _PLAIN:
            return Operand(Constant(value), ValueType(ParameterType.STRING))
        case _:
            return None


def _comparable(one: ValueType, other: ValueType, operator: ast.cmpop) -> bool:
    if one.kind in _NUMBERS:
        return other.kind in _NUMBERS
    if one.kind is ParameterType.BOOLEAN:
        return one == other and isinstance(operator, ast.Eq | ast.NotEq)
    return one.kind is ParameterType.STRING and one == other


def string_to_boolean(expression: str, type_of: Callable[[str], ValueType | None]) -> str:
    """The comparison of a boolean with a text in ``expression``, which never holds; "" if there is none."""
    for node in ast.walk(_parsed(expression)):
        if (
            isinstance(node, ast.Compare)
            and len(node.ops) == 1
            and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        ):
            kinds = [_kind(side, type_of) for side in (node.left, node.comparators[0])]
            if set(kinds) == {ParameterType.BOOLEAN, ParameterType.STRING}:
                return ast.unparse(node)
    return ""


def _kind(node: ast.expr, type_of: Callable[[str], ValueType | None]) -> object:
    if isinstance(node, ast.Name):
        known = type_of(node.id)
        return known.kind if known is not None else None
    if isinstance(node, ast.Constant):
        known = literal_type(node.value)
        return known.kind if known is not None else None
    return None


def verdict_source(name: str, earlier: Iterable[str], expression: str) -> str:
    """Code that binds ``name`` to whether ``expression`` holds and nothing of ``earlier`` does.

    What an `elif` tests is only evaluated where nothing before it held, as in Python.
    """
    parts = [*(f"not ({test})" for test in earlier), f"not not ({expression})"]
    return f"{name}: bool = {' and '.join(parts)}"


def literal_items(expression: str) -> list[object] | None:
    """The items of a loop over a list or tuple of literals; None for any other expression."""
    tree = _parsed(expression)
    if not isinstance(tree, ast.List | ast.Tuple):
        return None
    try:
        return list(ast.literal_eval(tree))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def names_in(expression: str) -> set[str]:
    """Every name that ``expression`` reads."""
    return {node.id for node in ast.walk(_parsed(expression)) if isinstance(node, ast.Name)}


def _parsed(expression: str) -> ast.expr:
    """The expression, which was read before and is valid."""
    return ast.parse(f"({expression})", mode="eval").body
