"""Default values of pipeline parameters: what KFP can carry exactly, and as which message."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from jupyter_kfp.pipeline import Json, Parameter, ParameterType

_PYTHON_TYPES: dict[ParameterType, tuple[type, ...]] = {
    ParameterType.STRING: (str,),
    ParameterType.INTEGER: (int,),
    ParameterType.FLOAT: (float, int),
    ParameterType.BOOLEAN: (bool,),
    ParameterType.LIST: (list,),
    ParameterType.DICT: (dict,),
}


def default_problems(parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Why the default cannot travel unchanged, as (message, remedy) pairs; nothing when it can."""
    value, kind = parameter.default, parameter.type.kind
    if not isinstance(kind, ParameterType):
        yield (
            f"Parameter {parameter.name!r} is annotated as {kind.value}.",
            "A parameter is a str, int, float, bool, list or dict.",
        )
        return
    if parameter.required or value is None:
        return
    # bool is a subclass of int, but `n: int = True` is not what anybody means.
    if not isinstance(value, _PYTHON_TYPES[kind]) or (
        isinstance(value, bool) and kind is not ParameterType.BOOLEAN
    ):
        yield (
            f"The default of parameter {parameter.name!r} is a {type(value).__name__}, not {parameter.type}.",
            "Change the default or the annotation.",
        )
        return
    for problem, remedy in dict.fromkeys(_problems(value)):
        yield f"The default of parameter {parameter.name!r} {problem}.", remedy


def constant_problems(value: Json) -> Iterator[tuple[str, str]]:
    """Why a constant in the pipeline cannot travel unchanged, as (what it does, remedy) pairs."""
    yield from dict.fromkeys(_problems(value))
    if isinstance(value, list | dict) and _has_none(value):
        yield "contains None, which KFP's compiler refuses", "Put the value together in a step."
    if "{{channel:" in repr(value):
        yield (
            "contains '{{channel:', which KFP's compiler takes for its own",
            "Put the text together in a step.",
        )


def _has_none(value: Any) -> bool:
    match value:
        case list():
            return any(map(_has_none, value))
        case dict():
            return any(map(_has_none, value.values()))
    return value is None


def _problems(value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case None | bool():
            return
        case str():
            yield from _text_problems(value)
        case int() if not _exact(value):
            yield (
                f"contains {value}, which KFP would round: it carries every number as a double",
                "Keep it within 2**53, or make it a str and convert it in a step.",
            )
        case float() if not math.isfinite(value):
            yield f"contains {value}, which JSON cannot say", "Use None or a str, and convert it in a step."
        case list() | tuple():
            for item in value:
                yield from _problems(item)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    yield f"has the key {key!r}, and JSON's keys are str", "Make the key a str."
                else:
                    yield from _text_problems(key)
                yield from _problems(item)
        case int() | float():
            return
        case _:
            yield f"contains a {type(value).__name__}, which JSON cannot say", "Make the value in a step."


def _text_problems(text: str) -> Iterator[tuple[str, str]]:
    # KFP's launcher replaces placeholders in the finished executor input, values included
    # (backend/src/v2/component/launcher_v2.go, compileCmdAndArgs).
    if "{{$" in text:
        yield (
            "contains '{{$', which Kubeflow Pipelines takes for a placeholder and would replace",
            "Put the text together in a step, for instance '{' '{$...'.",
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        yield (
            "contains a lone surrogate, which is no Unicode text",
            "Remove it, or decode the text in a step.",
        )


def _exact(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def to_value(value: Json) -> Any:
    """``value`` as a google.protobuf.Value.

    Unlike KFP's own conversion it keeps None inside lists and dicts. The IR, KFP's backend and the
    local engine carry it; only KFP's SDK cannot take a pipeline with such a default as a component.
    """
    from google.protobuf import struct_pb2

    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case list():
            return struct_pb2.Value(
                list_value=struct_pb2.ListValue(values=[to_value(item) for item in value])
            )
        case dict():
            fields = {key: to_value(item) for key, item in value.items()}
            return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
