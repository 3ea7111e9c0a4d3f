"""KFP's placeholders in commands: ``{{$}}``, ``{{$.inputs.parameters['x']}}``, ``Concat``, ``IfPresent``.

Each text is scanned once, so a value that looks like a placeholder stays a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLACEHOLDER = re.compile(r"\{\{\$(?P<path>(?:\.[A-Za-z_]\w*|\[(?:'[^']*'|\"[^\"]*\"|\d+)\])*)\}\}")
_PART = re.compile(r"\.([A-Za-z_]\w*)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")


def resolve_command(
    words: Sequence[str], executor_input: Mapping[str, Any], context: Mapping[str, str]
) -> list[str]:
    """The words of a command with every placeholder replaced.

    ``context`` holds what is not in the executor input, by the placeholder's name: ``pipeline_job_name``,
    ``pipeline_task_uuid``, ... Raises ValueError naming a placeholder that has no value.
    """
    resolved: list[str] = []
    for word in words:
        if word.startswith(('{"Concat":', '{"IfPresent":')):
            resolved += _expand(json.loads(word), executor_input, context)
        else:
            resolved.append(resolve_text(word, executor_input, context))
    return resolved


def resolve_text(text: str, executor_input: Mapping[str, Any], context: Mapping[str, str]) -> str:
    """One text with its placeholders replaced; numbers, lists and mappings become JSON."""
    if "{{$" not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: _value(match, executor_input, context), text)


def _expand(node: Any, executor_input: Mapping[str, Any], context: Mapping[str, str]) -> list[str]:
    """A ``Concat`` or ``IfPresent`` structure as the words it stands for (none, one or several)."""
    match node:
        case str():
            return [resolve_text(node, executor_input, context)]
        case list():
            return [word for item in node for word in _expand(item, executor_input, context)]
        case {"Concat": list(items)}:
            return ["".join(word for item in items for word in _expand(item, executor_input, context))]
        case {"IfPresent": {"InputName": name, "Then": then, **rest}}:
            chosen = then if _is_present(name, executor_input) else rest.get("Else")
            return [] if chosen is None else _expand(chosen, executor_input, context)
    raise ValueError(f"unknown placeholder {json.dumps(node)}")


def _is_present(name: str, executor_input: Mapping[str, Any]) -> bool:
    inputs = executor_input["inputs"]
    return inputs["parameterValues"].get(name) is not None or name in inputs["artifacts"]


def _value(match: re.Match[str], executor_input: Mapping[str, Any], context: Mapping[str, str]) -> str:
    parts = [
        next(p for p in found if p is not None)
        for found in (m.groups() for m in _PART.finditer(match["path"]))
    ]
    value = _look_up(parts, executor_input, context, match[0])
    return value if isinstance(value, str) else json.dumps(value)


def _look_up(
    parts: list[str], executor_input: Mapping[str, Any], context: Mapping[str, str], placeholder: str
) -> Any:
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    match parts:
        case []:
            return executor_input
        case ["json_escape", level] if level.isdigit():
            return _escaped(json.dumps(executor_input), int(level))
        case ["inputs", "parameters", name]:
            return inputs["parameterValues"].get(name)
        case ["inputs", "parameters", name, "json_escape", level] if level.isdigit():
            value = inputs["parameterValues"].get(name)
            return _escaped(value if isinstance(value, str) else json.dumps(value), int(level))
        case ["inputs", "artifacts", name, *rest] if name in inputs["artifacts"]:
            return _artifact(inputs["artifacts"][name], rest)
        case ["outputs", "artifacts", name, *rest] if name in outputs["artifacts"]:
            return _artifact(outputs["artifacts"][name], rest)
        case ["outputs", "parameters", name, "output_file"] if name in outputs["parameters"]:
            return outputs["parameters"][name]["outputFile"]
        case ["outputs", "output_file"] | ["outputMetadataUri"]:
            return outputs["outputFile"]
        case [name] if name in context:
            return context[name]
    raise ValueError(f"the placeholder {placeholder} has no value here")


def _artifact(artifacts: Mapping[str, Any], rest: list[str]) -> Any:
    first = artifacts["artifacts"][0]
    match rest:
        case []:
            return artifacts
        case ["path"] | ["uri"]:  # the local engine gives steps local paths only
            return first["uri"]
        case ["metadata"]:
            return first["metadata"]
        case ["metadata", key]:
            return first["metadata"].get(key)
        case ["value"]:
            from pathlib import Path

            return Path(first["uri"]).read_text(encoding="utf-8")
        case [key]:
            return first.get(key)
    raise ValueError(f"an artifact has no {'.'.join(rest)}")


def _escaped(text: str, levels: int) -> str:
    """Text that stands inside ``levels`` JSON strings."""
    for _ in range(levels):
        text = json.dumps(text)[1:-1]
    return text
