"""The notebook as a pipeline, quickly: an interpreter of the IR that knows what notebooks compile to.

It shares no code with the engine, so that the compiler and the runtime are tested by what KFP's
documentation says of the IR. One deliberate unkindness: of the steps that may start, the last by name
does, so that an order that is not declared is not kept by accident.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .outcome import Failure, PipelineRun
from .zygote import Zygote


class FastPipeline:
    """One run of one IR. ``directory`` is empty and belongs to the run."""

    def __init__(self, ir: str, zygote: Zygote, directory: Path) -> None:
        self.spec: dict[str, Any] = next(iter(yaml.safe_load_all(ir)))
        self.zygote = zygote
        self.directory = directory
        self.done: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, Failure] = {}

    def run(self, params: dict[str, Any]) -> PipelineRun:
        """Run every task whose upstream tasks succeeded."""
        root = self.spec["root"]
        declared = root.get("inputDefinitions", {}).get("parameters", {})
        assert set(params) <= set(declared), f"the IR has no parameters {set(params) - set(declared)}"
        given = {
            name: as_carried(params.get(name, spec.get("defaultValue")), spec["parameterType"])
            for name, spec in declared.items()
        }
        tasks = dict(root["dag"]["tasks"])
        while ready := [n for n, task in tasks.items() if _upstream(task) <= set(self.done)]:
            name = max(ready)
            self._run_task(name, tasks.pop(name), given)
        stuck = {name: _upstream(task) for name, task in tasks.items()}
        assert self.failures or not stuck, f"tasks wait for what never ends: {stuck}"
        return PipelineRun({} if self.failures else dict(self._outputs(root)), self.failures)

    def _run_task(self, name: str, task: dict[str, Any], given: dict[str, Any]) -> None:
        component = self.spec["components"][task["componentRef"]["name"]]
        executor = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        directory = self.directory / name
        (directory / "work").mkdir(parents=True)
        message = {
            "inputs": self._inputs(task.get("inputs", {}), given),
            "outputs": _places(component.get("outputDefinitions", {}), directory),
        }
        arguments = [json.dumps(message) if part == "{{$}}" else part for part in executor["args"]]
        target = f"{__package__}.in_process:run_step"
        ended = self.zygote.call(target, directory / "work", command=executor["command"], arguments=arguments)
        file = Path(message["outputs"]["outputFile"])
        assert file.exists(), f"step {name} left no executor output, status {ended.status}:\n{ended.printed}"
        output = json.loads(file.read_text())
        assert ended.status == int("error" in output), ended.printed
        if "error" in output:
            error = output["error"]
            cell = None if error["cell"] is None else _cells(component)[error["cell"]]
            self.failures[name] = Failure(error["type"], error["message"], cell)
        else:
            self.done[name] = _completed(component.get("outputDefinitions", {}), message["outputs"], output)

    def _inputs(self, bound: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        parameters = {}
        for port, source in bound.get("parameters", {}).items():
            if "componentInputParameter" in source:
                value = given[source["componentInputParameter"]]
            elif "taskOutputParameter" in source:
                made = source["taskOutputParameter"]
                value = self.done[made["producerTask"]]["parameters"][made["outputParameterKey"]]
            else:
                value = source["runtimeValue"]["constant"]
            if value is not None:
                parameters[port] = value
        artifacts = {}
        for port, source in bound.get("artifacts", {}).items():
            made = source["taskOutputArtifact"]
            artifact = self.done[made["producerTask"]]["artifacts"][made["outputArtifactKey"]]
            artifacts[port] = {"artifacts": [artifact]}
        return {"parameterValues": parameters, "artifacts": artifacts}

    def _outputs(self, root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        declared = root.get("outputDefinitions", {}).get("parameters", {})
        bound = root["dag"].get("outputs", {})
        for name, source in bound.get("parameters", {}).items():
            made = source["valueFromParameter"]
            value = self.done[made["producerSubtask"]]["parameters"][made["outputParameterKey"]]
            yield name, {"value": value, "type": declared[name]["parameterType"]}
        for name, source in bound.get("artifacts", {}).items():
            (made,) = source["artifactSelectors"]
            yield (
                name,
                {"artifact": self.done[made["producerSubtask"]]["artifacts"][made["outputArtifactKey"]]},
            )


def _cells(component: dict[str, Any]) -> list[int]:
    """The notebook's cells that the pieces of a step come from: the note on its first port."""
    note = component["inputDefinitions"]["parameters"]["step_notebook"]["description"]
    return [int(number) - 1 for number in note.partition("from the cells ")[2].split()]


def _upstream(task: dict[str, Any]) -> set[str]:
    sources = [*task.get("inputs", {}).get("parameters", {}).values()]
    sources += task.get("inputs", {}).get("artifacts", {}).values()
    made = [s.get("taskOutputParameter") or s.get("taskOutputArtifact") for s in sources]
    return {m["producerTask"] for m in made if m} | set(task.get("dependentTasks", ()))


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


def _completed(declared: dict[str, Any], places: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
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
    return {"parameters": values, "artifacts": artifacts}
