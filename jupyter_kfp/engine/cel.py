"""The expressions in an IR: conditions, and parts of values. They are CEL, evaluated by cel-python.

KFP's backend evaluates them over protobuf Values, where every number is a double, and with cel-go, where
numbers of different kinds compare by value. Both are so here (cel-python alone refuses ``7.0 == 7``).
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import JupyterKfpError

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

_REFERENCE = re.compile(r"inputs\.parameter_values\[(?:'([^']*)'|\"([^\"]*)\")\]")
_CHANNEL = "pipelinechannel--"
_REASON = re.compile(r"^(?:no such overload|found no matching overload)")


class ExpressionError(JupyterKfpError):
    """An expression has no value, or one of the wrong kind."""


def condition(expression: str, parameters: Mapping[str, Json]) -> bool:
    """Whether a task with this ``triggerPolicy.condition`` and these inputs is to run.

    Raises ExpressionError if the expression cannot be evaluated or is neither true nor false.
    """
    try:
        value = _evaluate(expression, {"inputs": {"parameter_values": _doubles(parameters)}})
    except _Unevaluable as error:
        raise ExpressionError(
            f"Its condition {readable(expression)} cannot be evaluated: {error}."
        ) from error
    if not isinstance(value, bool):
        raise ExpressionError(f"Its condition {readable(expression)} is {value!r}, neither true nor false.")
    return value


def select(value: Json, expression: str) -> Json:
    """The part of a value that a ``parameterExpressionSelector`` names.

    The selector sees the value as JSON in ``string_value``. Raises ExpressionError if there is no such part.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        found: Json = _evaluate(expression, {"string_value": text})
    except _Unevaluable as error:
        raise ExpressionError(f"{expression} has no value for {text[:80]}: {error}.") from error
    return found


def readable(expression: str) -> str:
    """A condition as a person would write it: ``flip-coin-Output == 'heads'``."""
    return _REFERENCE.sub(lambda m: (m[1] or m[2] or "").removeprefix(_CHANNEL), expression)


class _Unevaluable(Exception):  # noqa: N818 (the reason, not yet a sentence)
    pass


def _evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """The value as plain Python. Raises _Unevaluable with the reason."""
    from celpy.adapter import json_to_cel
    from celpy.celparser import CELParseError
    from celpy.evaluation import CELEvalError

    try:
        program = _compiled(expression)
        result = program.evaluate({name: json_to_cel(value) for name, value in names.items()})
    except CELParseError as error:
        raise _Unevaluable("it is not valid CEL") from error
    except CELEvalError as error:
        raise _Unevaluable(_reason(error)) from error
    except (TypeError, ValueError, KeyError) as error:
        raise _Unevaluable(str(error)) from error
    return _plain(result)


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    import celpy
    from celpy import celtypes
    from celpy.adapter import json_to_cel

    environment = celpy.Environment()
    functions: dict[str, Callable[..., Any]] = {
        "parseJson": lambda text: json_to_cel(json.loads(text)),
        "_==_": lambda a, b: celtypes.BoolType(_same(_plain(a), _plain(b))),
        "_!=_": lambda a, b: celtypes.BoolType(not _same(_plain(a), _plain(b))),
        "_in_": lambda item, of: celtypes.BoolType(any(_same(_plain(item), each) for each in _plain(of))),
        "_<_": lambda a, b: celtypes.BoolType(operator.lt(*_ordered(a, b))),
        "_<=_": lambda a, b: celtypes.BoolType(operator.le(*_ordered(a, b))),
        "_>_": lambda a, b: celtypes.BoolType(operator.gt(*_ordered(a, b))),
        "_>=_": lambda a, b: celtypes.BoolType(operator.ge(*_ordered(a, b))),
    }
    return environment.program(
        environment.compile(expression), functions={name: _strict(of) for name, of in functions.items()}
    )


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, for arguments that have values: cel-python passes errors on as values."""
    from celpy.evaluation import CELEvalError

    def applied(*arguments: Any) -> Any:
        errors = (argument for argument in arguments if isinstance(argument, CELEvalError))
        return next(errors, None) or function(*arguments)

    return applied


def _ordered(left: Any, right: Any) -> tuple[Any, Any]:
    """Two values that can be compared, as plain Python. Raises TypeError for others."""
    a, b = _plain(left), _plain(right)
    if (_is_number(a) and _is_number(b)) or (type(a) is type(b) and not isinstance(a, list | dict)):
        return a, b
    raise TypeError(f"no such overload: {json.dumps(a)} and {json.dumps(b)} have no order")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    """Equality of JSON values: numbers by value, everything else only within its kind."""
    match a, b:
        case list(), list():
            return len(a) == len(b) and all(map(_same, a, b))
        case dict(), dict():
            return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    return bool(a == b) and isinstance(a, bool) is isinstance(b, bool)


def _doubles(value: Any) -> Any:
    """A JSON value with every number a double, as in protobuf."""
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case list():
            return [_doubles(item) for item in value]
        case Mapping():
            return {str(key): _doubles(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    """CEL's value as Python's JSON has it. CEL's types are subclasses of Python's, except for bool."""
    from celpy import celtypes

    match value:
        case celtypes.BoolType() | bool():
            return bool(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case str():
            return str(value)
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
    return value


def _reason(error: Exception) -> str:
    """What cel-python has against an expression, without its internals."""
    kind = error.args[1] if len(error.args) > 1 else None
    details = error.args[2] if len(error.args) > 2 else ()
    first = " ".join(str(details[0]).split()) if details else ""
    if kind is KeyError:
        return f"there is no {first.removeprefix(_CHANNEL)!r}"
    if "CELEvalError" in first:
        return "a part of it has no value"
    if first and not _REASON.match(first):
        return re.sub(r"StringType\((.*)\)", r"\1", first)
    if first.startswith("no such overload: ") and "celtypes" not in first:
        return first.removeprefix("no such overload: ")
    return "its values are of kinds that cannot be used together"
