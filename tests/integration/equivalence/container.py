"""One container task of the IR: its executor input, the step in a fresh process, what it left."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from .outcome import Failure
from .zygote import Zygote


class State(Enum):
    """How a task ended. Blocked: something it needs failed."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True)
class Made:
    """How a task ended and what it made. Artifacts are lists, those that are none of one element."""

    state: State = State.SUCCEEDED
    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[Any]] = field(default_factory=dict)
    failure: Failure | None = None


def run_container(
    component: dict[str, Any], executor: dict[str, Any], given: Made, directory: Path, zygote: Zygote
) -> Made:
    """Run a task whose inputs are ``given``; ``directory`` is new and its own."""
    (directory / "work").mkdir(parents=True)
    message = {
        "inputs": {
            "parameterValues": given.parameters,
            "artifacts": {name: {"artifacts": found} for name, found in given.artifacts.items()},
        },
        "outputs": _places(component.get("outputDefinitions", {}), directory),
    }
    arguments = [json.dumps(message) if part == "{{$}}" else part for part in executor["args"]]
    target = f"{__package__}.in_process:run_step"
    ended = zygote.call(target, directory / "work", command=executor["command"], arguments=arguments)
    file = Path(message["outputs"]["outputFile"])
    assert file.exists(), f"step {directory} left no executor output, status {ended.status}:\n{ended.printed}"
    output = json.loads(file.read_text())
    assert ended.status == int("error" in output), ended.printed
    if "error" in output:
        error = output["error"]
        cell = None if error["cell"] is None else _cells(component)[error["cell"]]
        return Made(State.FAILED, failure=Failure(error["type"], error["message"], cell))
    return _completed(component.get("outputDefinitions", {}), message["outputs"], output)


def as_carried(value: Any, kind: str) -> Any:
    """Numbers as they arrive in a pod: of the declared type; inside lists and structs, ints where integral.

    KFP keeps the latter as doubles, and Go writes a double without a fraction as an int.
    """
    match value:
        case list():
            return [as_carried(item, "LIST") for item in value]
        case dict():
            return {key: as_carried(item, "STRUCT") for key, item in value.items()}
        case float() if kind == "NUMBER_INTEGER" or (kind in ("LIST", "STRUCT") and value.is_integer()):
            return int(value)
        case int() if kind == "NUMBER_DOUBLE" and not isinstance(value, bool):
            return float(value)
    return value


def _cells(component: dict[str, Any]) -> list[int]:
    """The notebook's cells that the pieces of a step come from: the note on its first port."""
    note = component["inputDefinitions"]["parameters"]["step_notebook"]["description"]
    return [int(number) - 1 for number in note.partition("from the cells ")[2].split()]


def _places(declared: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Where the step shall write: KFP's ``ExecutorInput.Outputs``."""
    artifacts = {
        port: {
            "artifacts": [
                {"name": port, "type": spec["artifactType"], "uri": str(directory / port), "metadata": {}}
            ]
        }
        for port, spec in declared.get("artifacts", {}).items()
    }
    parameters = {
        port: {"outputFile": str(directory / "out" / port)} for port in declared.get("parameters", {})
    }
    return {"parameters": parameters, "artifacts": artifacts, "outputFile": str(directory / "output.json")}


def _completed(declared: dict[str, Any], places: dict[str, Any], output: dict[str, Any]) -> Made:
    """What a task made: the places it was given, with what its executor output says of them."""
    told = output.get("artifacts", {})
    artifacts = {
        port: {**place["artifacts"][0], **(told[port]["artifacts"][0] if port in told else {})}
        for port, place in places["artifacts"].items()
    }
    kinds = {port: spec["parameterType"] for port, spec in declared.get("parameters", {}).items()}
    values = {
        port: as_carried(value, kinds[port]) for port, value in output.get("parameterValues", {}).items()
    }
    missing = [port for port in places["parameters"] if port not in values]
    assert not missing, f"output parameters without a value: {missing}"
    lost = [port for port, artifact in artifacts.items() if not Path(artifact["uri"]).exists()]
    assert not lost, f"output artifacts without a file: {lost}"
    return Made(State.SUCCEEDED, values, {port: [artifact] for port, artifact in artifacts.items()})
