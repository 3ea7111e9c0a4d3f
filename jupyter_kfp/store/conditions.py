"""Conditions on runs, such as ``lr > 0.01 and model == "forest"``: Python's comparisons, and nothing that runs code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_kfp.errors import UsageError

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_HELP = "Write comparisons of names, numbers and texts, joined by `and`, `or`, `not`: lr > 0.01 and kind == 'tree'."
_LONGEST = 1000


class _Missing(Exception):  # noqa: N818 (no error: the run has no such value)
    pass


class Condition:
    """An expression over the values of a run. Raises UsageError if it is anything but comparisons."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise UsageError(f"A condition of {len(text)} characters is too long.", _HELP)
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"The condition {text!r} cannot be read ({error}).", _HELP) from None
        self._text = text
        self.names: tuple[str, ...] = tuple(dict.fromkeys(self._names(self._tree)))
        """The names in it, in order."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true. A comparison with a value that is not there, or of another kind, is false."""
        try:
            return bool(self._value(self._tree, values))
        except (_Missing, TypeError, ArithmeticError):
            return False

    def _names(self, node: ast.expr) -> list[str]:
        match node:
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return [self._name(node)]
            case ast.Constant(value=str() | int() | float() | None):
                return []
            case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [name for part in parts for name in self._names(part)]
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
                return self._names(part)
            case ast.Compare(left=left, comparators=others, ops=ops) if all(
                type(op) in _COMPARISONS for op in ops
            ):
                return [name for part in (left, *others) for name in self._names(part)]
            case ast.BinOp(left=left, right=right, op=op) if type(op) in _ARITHMETIC:
                return [*self._names(left), *self._names(right)]
        raise UsageError(f"{ast.unparse(node)} in the condition {self._text!r} is not allowed.", _HELP)

    def _name(self, node: ast.expr) -> str:
        """A dotted name: ``lr``, ``train.accuracy``, ``train[2].accuracy``."""
        inner = node
        while isinstance(inner, ast.Attribute | ast.Subscript):
            if isinstance(inner, ast.Subscript) and not isinstance(inner.slice, ast.Constant):
                break
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise UsageError(f"{ast.unparse(node)} in the condition {self._text!r} is not allowed.", _HELP)
        return ast.unparse(node)

    def _value(self, node: ast.expr, values: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(self._truth(part, values) for part in parts)
            case ast.BoolOp(values=parts):
                return any(self._truth(part, values) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not self._value(part, values)
            case ast.UnaryOp(operand=part):
                return -self._value(part, values)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self._value(part, values) for part in parts]
            case ast.Compare(left=left, comparators=others, ops=ops):
                sides = [self._value(part, values) for part in (left, *others)]
                return all(
                    _COMPARISONS[type(op)](one, other)
                    for op, one, other in zip(ops, sides, sides[1:], strict=False)
                )
            case ast.BinOp(left=left, right=right, op=arithmetic):
                return _ARITHMETIC[type(arithmetic)](self._value(left, values), self._value(right, values))
        name = self._name(node)
        if values.get(name) is None:
            raise _Missing(name)
        return values[name]

    def _truth(self, node: ast.expr, values: Mapping[str, Any]) -> bool:
        """A part of ``and`` and ``or``: what is not there makes this part false, not the whole."""
        try:
            return bool(self._value(node, values))
        except (_Missing, TypeError, ArithmeticError):
            return False
