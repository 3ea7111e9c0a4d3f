"""Checking the values given for a pipeline's parameters against the IR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_kfp import credentials
from jupyter_kfp.credentials import allowed as allowing
from jupyter_kfp.engine.ir import integral
from jupyter_kfp.engine.plan import ParameterKind, ParameterSpec
from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

# What people write for JSON's words.
_JSON_WORDS = {"true": "true", "false": "false", "yes": "true", "no": "false", "none": "null"}
_EXAMPLES = {
    ParameterKind.BOOLEAN: "true",
    ParameterKind.NUMBER_DOUBLE: "0.5",
    ParameterKind.LIST: "'[1, 2]'",
    ParameterKind.STRUCT: "'{\"a\": 1}'",
}

# bool is a subclass of int in Python, not in KFP: checked apart.
_TYPES: dict[ParameterKind, type | tuple[type, ...]] = {
    ParameterKind.NUMBER_DOUBLE: (int, float),
    ParameterKind.NUMBER_INTEGER: int,
    ParameterKind.STRING: str,
    ParameterKind.BOOLEAN: bool,
    ParameterKind.LIST: list,
    ParameterKind.STRUCT: dict,
}


def validate(specs: Mapping[str, ParameterSpec], given: Mapping[str, Any]) -> dict[str, Json]:
    """All parameters with their values: those given, checked, else the defaults.

    Optional parameters without a default that were not given are left out. Numbers get the type the IR
    declares. Raises UsageError naming the parameter and its type, and for a value that seems to be a secret: it would
    be kept, and shown, with the run.
    """
    for name in given:
        if name not in specs:
            known = ", ".join(f"{n} ({spec.kind.python_name})" for n, spec in specs.items()) or "none"
            raise UsageError(f"The pipeline has no parameter {name!r}.", f"Its parameters: {known}.")
    values: dict[str, Json] = {}
    for name, spec in specs.items():
        if name in given and not (given[name] is None and spec.optional):
            values[name] = checked(name, spec, given[name])
            if not (
                spec.has_default and values[name] == spec.default
            ):  # which the notebook's own check has seen
                _refuse_secret(name, values[name])
        elif name in given:
            continue  # an optional parameter that is None is one that is not there
        elif spec.has_default:
            values[name] = spec.default
        elif not spec.optional:
            kind = spec.kind.python_name
            raise UsageError(
                f"The parameter {name!r} ({kind}) has no value.", f"Give one with -p {name}=VALUE."
            )
    return values


def _refuse_secret(name: str, value: Json) -> None:
    found = credentials.find_value(name, value)
    if found is not None and not allowing.allows(allowing.of_environment(), found, name):
        raise UsageError(
            f"The value of the parameter {name!r} seems to be a secret ({found.kind}); it would be readable with the run.",
            "Give it to the step by the option `secret: NAME:KEY=VARIABLE`; if it is none, set "
            f"{allowing.VARIABLE}='{name}=the reason why'.",
        )


def from_texts(specs: Mapping[str, ParameterSpec], texts: Mapping[str, str]) -> dict[str, Json]:
    """Values written as text (``-p NAME=VALUE``), read as the types the IR declares; others are JSON.

    Raises UsageError where a parameter is unknown or its text is not of its type.
    """
    values: dict[str, Json] = {}
    for name, text in texts.items():
        spec = specs.get(name)
        if spec is None or spec.kind is ParameterKind.STRING:
            values[name] = text
            continue
        try:
            values[name] = json.loads(_JSON_WORDS.get(text.strip().lower(), text))
        except ValueError:
            raise UsageError(
                f"The parameter {name!r} is of type {spec.kind.python_name}, but got {_shown(name, text)}.",
                f"Write it as JSON: {_EXAMPLES.get(spec.kind, '1')}.",
            ) from None
    return values


def checked(name: str, spec: ParameterSpec, value: Any) -> Json:
    """One value as the parameter's declared type has it. Raises UsageError if it has another type."""
    value = integral(value, spec.kind)
    expected = _TYPES.get(spec.kind)
    wrong_bool = isinstance(value, bool) and spec.kind is not ParameterKind.BOOLEAN
    if expected is not None and (wrong_bool or not isinstance(value, expected)):
        raise UsageError(
            f"The parameter {name!r} is of type {spec.kind.python_name}, but got {_shown(name, value)} "
            f"({type(value).__name__}).",
            f"Give a value of type {spec.kind.python_name}.",
        )
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The parameter {name!r} holds something that JSON cannot carry ({error})."
        ) from error
    if spec.literals and value not in spec.literals:
        allowed = ", ".join(map(repr, spec.literals))
        raise UsageError(
            f"The parameter {name!r} cannot be {_shown(name, value)}.", f"It is one of {allowed}."
        )
    return value  # type: ignore[no-any-return]  # checked to be JSON above


def _shown(name: str, value: object) -> str:
    if credentials.find_value(name, value) is not None:
        return "what seems to be a secret"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def parse_texts(specs: Mapping[str, ParameterSpec], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values typed on a command line, by the types of their parameters: ``str`` as it is, others as JSON.

    What is unknown or of another type passes as it is, for `validate` to name it.
    """
    return {
        name: _parse_text(name, specs[name], text) if name in specs else text for name, text in texts.items()
    }


def _parse_text(name: str, spec: ParameterSpec, text: str) -> Any:
    if spec.kind is ParameterKind.STRING:
        return text
    try:
        return json.loads(text.lower() if spec.kind is ParameterKind.BOOLEAN else text)
    except ValueError:
        return text  # of the wrong type, then: `validate` says so
