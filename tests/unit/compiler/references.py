"""Whether everything that the IR names is there, and of the kind it is taken for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def dangling(spec: dict[str, Any]) -> list[str]:
    """What is wrong with the references in a PipelineSpec; empty if nothing is."""
    return [
        f"{where}: {problem}"
        for where, component in [("root", spec["root"]), *spec["components"].items()]
        if "dag" in component
        for problem in _dag(spec, component, looped=where in _bodies(spec))
    ]


def _bodies(spec: dict[str, Any]) -> set[str]:
    """The components that are bodies of loops: what they hand out is a list of what they make."""
    dags = [c["dag"] for c in [spec["root"], *spec["components"].values()] if "dag" in c]
    tasks = [task for dag in dags for task in dag["tasks"].values()]
    return {task["componentRef"]["name"] for task in tasks if "parameterIterator" in task}


def _kinds(component: dict[str, Any], side: str) -> dict[str, tuple[str, bool]]:
    definitions = component.get(side) or {}
    found = {n: (p["parameterType"], False) for n, p in (definitions.get("parameters") or {}).items()}
    for name, artifact in (definitions.get("artifacts") or {}).items():
        found[name] = (artifact["artifactType"]["schemaTitle"], bool(artifact.get("isArtifactList")))
    return found


def _dag(spec: dict[str, Any], component: dict[str, Any], *, looped: bool) -> Iterator[str]:
    tasks = component["dag"]["tasks"]
    inputs = _kinds(component, "inputDefinitions")
    made = {
        key: _kinds(spec["components"][task["componentRef"]["name"]], "outputDefinitions")
        for key, task in tasks.items()
    }
    for key, task in tasks.items():
        wanted = _kinds(spec["components"][task["componentRef"]["name"]], "inputDefinitions")
        given = dict((task.get("inputs") or {}).get("parameters") or {})
        given |= (task.get("inputs") or {}).get("artifacts") or {}
        iterator = task.get("parameterIterator") or {}
        if iterator.get("items", {}).get("inputParameter") not in {None, *given}:
            yield f"{key} goes over nothing"
        for name in given.keys() - wanted.keys():
            yield f"{key} is given {name}, which it does not take"
        definitions = spec["components"][task["componentRef"]["name"]].get("inputDefinitions") or {}
        optional = {
            name
            for kind in ("parameters", "artifacts")
            for name, one in (definitions.get(kind) or {}).items()
            if one.get("isOptional") or "defaultValue" in one
        }
        for name in wanted.keys() - given.keys() - optional - {iterator.get("itemInput")}:
            yield f"{key} lacks {name}"
        for name, source in given.items():
            yield from _source(f"{key}.{name}", source, wanted.get(name), inputs, made)
        for upstream in task.get("dependentTasks") or ():
            if upstream not in tasks:
                yield f"{key} comes after {upstream}, which is not there"
    outputs = _kinds(component, "outputDefinitions")
    if looped:
        made = {
            key: {n: ("LIST", False) if k.isupper() else (k, True) for n, (k, _) in kinds.items()}
            for key, kinds in made.items()
        }
    for name, selector in ((component["dag"].get("outputs") or {}).get("parameters") or {}).items():
        for one in selector.get("valueFromOneof", {}).get("parameterSelectors") or [
            selector.get("valueFromParameter")
        ]:
            yield from _made(
                f"output {name}", one["producerSubtask"], one["outputParameterKey"], outputs[name], made
            )
    for name, selector in ((component["dag"].get("outputs") or {}).get("artifacts") or {}).items():
        for one in selector["artifactSelectors"]:
            yield from _made(
                f"output {name}", one["producerSubtask"], one["outputArtifactKey"], outputs[name], made
            )
    connected = {
        n
        for kind in ("parameters", "artifacts")
        for n in (component["dag"].get("outputs") or {}).get(kind, {})
    }
    for name in outputs.keys() - connected:
        yield f"output {name} comes from nowhere"


def _source(where: str, source: Any, wanted: Any, inputs: Any, made: Any) -> Iterator[str]:
    match source:
        case {"componentInputParameter": name} | {"componentInputArtifact": name}:
            if name not in inputs:
                yield f"{where} comes from the input {name}, which is not there"
            elif not _alike(inputs[name], wanted):
                yield f"{where} is {wanted} and gets {inputs[name]}"
        case {"taskOutputParameter": {"producerTask": task, "outputParameterKey": key}} | {
            "taskOutputArtifact": {"producerTask": task, "outputArtifactKey": key}
        }:
            yield from _made(where, task, key, wanted, made)
        case {"runtimeValue": _} | {"taskFinalStatus": _}:
            pass
        case _:
            yield f"{where} comes from {source}"


def _made(where: str, task: str, key: str, wanted: Any, made: Any) -> Iterator[str]:
    if key not in made.get(task, {}):
        yield f"{where} comes from {task}.{key}, which is not there"
    elif not _alike(made[task][key], wanted):
        yield f"{where} is {wanted} and gets {made[task][key]}"


def _alike(made: tuple[str, bool], wanted: tuple[str, bool] | None) -> bool:
    if wanted is None:
        return True
    if made[0] == wanted[0] == "LIST":
        return True
    return made == wanted or (made[1] == wanted[1] and "system.Artifact" in (made[0], wanted[0]))
