"""What changed between two versions of a pipeline. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from enum import Enum
from typing import Any

from jupyter_kfp.remote.package import Package, Spec
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK

_SHOWN = 60

# What is said of a task and is no option of its step.
_NO_OPTIONS = frozenset({"code", "inputs", "outputs", "condition", "loop", "parallelism", "runs after"})


class Kind(str, Enum):
    """How something changed."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``where``: ``parameter lr``, ``task train``; ``what``: the part of it (empty: all of it)."""

    where: str
    kind: Kind
    what: str = ""
    before: Any = None
    after: Any = None
    lines: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "where": self.where,
            "kind": self.kind.value,
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "diff": list(self.lines),
        }

    def __str__(self) -> str:
        if self.kind is not Kind.CHANGED:
            return f"{self.where} {self.kind.value}"
        if self.lines:
            return f"{self.where}: {self.what} changed"
        return f"{self.where}: {self.what} {_shown(self.before)} → {_shown(self.after)}{self._difference}"

    @property
    def _difference(self) -> str:
        """By how much a metric changed."""
        both = (self.before, self.after)
        if not self.where.startswith("metric ") or not all(isinstance(value, int | float) for value in both):
            return ""
        return f" ({self.after - self.before:+.6g})"


def changes(
    before: Package,
    after: Package,
    sources: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
    values: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None] = (None, None),
) -> list[Change]:
    """The differences between two pipelines, in an order that does not depend on how they are written.

    ``sources``: the code of the tasks of each, by path, where it is known; else its change is told without the lines.
    ``values``: the parameters of each, where both are runs.
    """
    found = list(_named("pipeline", {"": _pipeline(before)}, {"": _pipeline(after)}))
    found += _named(
        "parameter", _parameters(before, "inputDefinitions"), _parameters(after, "inputDefinitions")
    )
    found += _named("output", _outputs(before), _outputs(after))
    if values[0] is not None and values[1] is not None:
        both = [
            {name: {"value": value} for name, value in some.items()} for some in values if some is not None
        ]
        found += [change for change in _named("parameter", *both) if change.kind is Kind.CHANGED]
    found += _named(
        "task", tasks(before.spec, before.platform, sources[0]), tasks(after.spec, after.platform, sources[1])
    )
    return found


def _named(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in [*before, *(name for name in after if name not in before)]:
        where = f"{kind} {name}".strip()
        if name not in after:
            yield Change(where, Kind.REMOVED, before=before[name].get("type"))
        elif name not in before:
            yield Change(where, Kind.ADDED, after=after[name].get("type"))
        else:
            yield from _parts(where, before[name], after[name])


def _parts(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for what in dict.fromkeys((*before, *after)):
        old, new = before.get(what), after.get(what)
        if old == new:
            continue
        is_code = what == "code" and isinstance(old, str) and isinstance(new, str)
        lines = (
            unified_diff(str(old).splitlines(), str(new).splitlines(), n=2, lineterm="") if is_code else ()
        )
        yield Change(
            where, Kind.CHANGED, what, None if is_code else old, None if is_code else new, tuple(lines)[2:]
        )


def _pipeline(package: Package) -> dict[str, Any]:
    info = package.spec.get("pipelineInfo") or {}
    return {
        "name": info.get("name"),
        "description": info.get("description"),
        "pipeline root": package.spec.get("defaultPipelineRoot"),
        **dict(sorted(package.config.items())),
    }


def _parameters(package: Package, kind: str) -> dict[str, Any]:
    found = ((package.spec["root"].get(kind) or {}).get("parameters")) or {}
    return {
        name: {"type": spec.get("parameterType"), "default": spec.get("defaultValue")}
        for name, spec in sorted(found.items())
    }


def _outputs(package: Package) -> dict[str, Any]:
    artifacts = ((package.spec["root"].get("outputDefinitions") or {}).get("artifacts")) or {}
    types = {
        name: {"type": (spec.get("artifactType") or {}).get("schemaTitle")}
        for name, spec in sorted(artifacts.items())
    }
    return {**_parameters(package, "outputDefinitions"), **types}


def tasks(spec: Spec, platform: Spec, sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The tasks of a PipelineSpec and its PlatformSpec by dotted name, with what is said of each."""
    components = spec.get("components") or {}
    executors = (spec.get("deploymentSpec") or {}).get("executors") or {}
    kubernetes = (platform.get("platforms") or {}).get("kubernetes") or {}
    options = (kubernetes.get("deploymentSpec") or {}).get("executors") or {}

    def walk(dag: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, task in sorted((dag.get("tasks") or {}).items()):
            component = components.get((task.get("componentRef") or {}).get("name"), {})
            label = component.get("executorLabel", "")
            executor = executors.get(label, {})
            yield (
                f"{prefix}{key}",
                _task(f"{prefix}{key}", task, component, executor, options.get(label, {}), sources),
            )
            yield from walk(component.get("dag") or {}, f"{prefix}{key}.")

    return dict(walk(spec["root"].get("dag") or {}, ""))


def options(spec: Spec, platform: Spec) -> dict[str, dict[str, Any]]:
    """The options of the tasks by dotted name: image, resources, retries, caching, and Kubernetes' own."""
    return {
        path: {what: value for what, value in said.items() if what not in _NO_OPTIONS}
        for path, said in tasks(spec, platform, {}).items()
    }


def _task(
    path: str,
    task: Mapping[str, Any],
    component: Mapping[str, Any],
    executor: Mapping[str, Any],
    options: Mapping[str, Any],
    sources: Mapping[str, str],
) -> dict[str, Any]:
    container = executor.get("container") or {}
    said = {
        "code": sources.get(path)
        or _digest([container.get("command"), container.get("args"), executor.get("importer")]),
        "image": container.get("image"),
        "environment": {item["name"]: item.get("value") for item in container.get("env") or ()},
        "resources": container.get("resources"),
        "inputs": _inputs(task),
        "outputs": component.get("outputDefinitions"),
        "runs after": sorted(task.get("dependentTasks") or ()),
        "condition": (task.get("triggerPolicy") or {}).get("condition"),
        "loop": task.get("parameterIterator") or task.get("artifactIterator"),
        "parallelism": task.get("iteratorPolicy"),
        "retries": task.get("retryPolicy"),
        "cache": task.get("cachingOptions"),
    }
    return {**{what: value for what, value in said.items() if value}, **dict(sorted(options.items()))}


def _inputs(task: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a task, but for its packed code."""
    inputs = task.get("inputs") or {}
    parameters = {
        name: value for name, value in (inputs.get("parameters") or {}).items() if name != STEP_NOTEBOOK
    }
    return {kind: given for kind, given in {**inputs, "parameters": parameters}.items() if given}


def _digest(parts: Any) -> Any:
    import hashlib

    return (
        [hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]] if any(parts) else None
    )


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
