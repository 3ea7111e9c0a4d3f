"""Tests of branches as KFP's condition operations, which its compiler writes as CEL.

KFP's compiler puts texts between quotes as they are and compares values of different types by turning
one into the other, so texts are escaped here and mixed comparisons refused (see ``checks``).
"""

from __future__ import annotations

import math
from typing import Any

from jupyter_kfp.pipeline import Constant, Json, ParameterType, Test, ValueType

OPERATORS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_NUMBERS = frozenset({ParameterType.INTEGER, ParameterType.FLOAT})
_LARGEST = 2**53  # KFP carries every number as a double
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def problem(test: Test, left: ValueType, right: ValueType) -> str | None:
    """Why KFP cannot decide ``test`` between values of these types as Python would; None if it can."""
    kinds = {left.kind, right.kind}
    if test.operator not in OPERATORS:
        return f"{test.operator!r} is no comparison KFP knows"
    if not kinds <= {*_NUMBERS, ParameterType.STRING, ParameterType.BOOLEAN}:
        return "KFP compares texts, numbers and booleans only"
    if len(kinds) > 1 and not kinds <= _NUMBERS:
        return f"it compares {left} with {right}"
    for operand in (test.left, test.right):
        if isinstance(operand, Constant) and not _sayable(operand.value):
            return f"{operand.value!r} cannot be written in a condition"
    return None


def _sayable(value: Json) -> bool:
    match value:
        case bool():
            return True
        case int() | float():
            return (
                math.isfinite(value) and abs(value) <= _LARGEST
                if isinstance(value, int)
                else math.isfinite(value)
            )
        case str():
            return not any("\ud800" <= character <= "\udfff" for character in value)
    return False


def operation(test: Test, left: Any, right: Any) -> Any:
    """``test`` as KFP's ConditionOperation; ``left`` and ``right`` are channels or constants."""
    from kfp.dsl import pipeline_channel

    return pipeline_channel.ConditionOperation(test.operator, literal(left), literal(right))


def literal(operand: Any) -> Any:
    """A text as it may stand between CEL's quotes, in ASCII; anything else as it is."""
    if not isinstance(operand, str):
        return operand
    return "".join(_ESCAPES.get(c) or (c if " " <= c <= "~" else f"\\U{ord(c):08x}") for c in operand)
