"""The notebook as a pipeline, quickly: an interpreter of the IR that knows what notebooks compile to.

It shares no code with the engine, so that the compiler and the runtime are tested by what KFP's
documentation says of the IR. Two deliberate unkindnesses: of the tasks that may start, the last by name
does, and the iterations of a loop run backwards, so that an order that is not declared is not kept by
accident.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from .cel import holds
from .container import Made, State, as_carried, run_container
from .outcome import Failure, PipelineRun
from .zygote import Zygote

# libyaml's, which takes a tenth of the time.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ENDED_ANYHOW = "ALL_UPSTREAM_TASKS_COMPLETED"


class FastPipeline:
    """One run of one IR. ``directory`` is empty and belongs to the run."""

    def __init__(self, ir: str, zygote: Zygote, directory: Path) -> None:
        self.spec: dict[str, Any] = next(iter(yaml.load_all(ir, _LOADER)))
        self.zygote = zygote
        self.directory = directory
        self.failures: dict[str, Failure] = {}
        self._number = 0

    def run(self, params: dict[str, Any]) -> PipelineRun:
        """Run every task that can run."""
        root = self.spec["root"]
        declared = root.get("inputDefinitions", {}).get("parameters", {})
        assert set(params) <= set(declared), f"the IR has no parameters {set(params) - set(declared)}"
        made = self._dag(root, Made(parameters=dict(params)), "")
        assert (made.state is State.SUCCEEDED) is not bool(self.failures), (made.state, self.failures)
        if self.failures:
            return PipelineRun({}, self.failures)
        outputs = root.get("outputDefinitions", {})
        results: dict[str, dict[str, Any]] = {
            name: {"value": value, "type": outputs["parameters"][name]["parameterType"]}
            for name, value in made.parameters.items()
        }
        for name, found in made.artifacts.items():
            many = outputs["artifacts"][name].get("isArtifactList", False)
            results[name] = {"artifacts": found} if many else {"artifact": found[0]}
        return PipelineRun(results, {})

    # ------------------------------------------------------------------ DAGs

    def _dag(self, component: dict[str, Any], given: Made, path: str) -> Made:
        """Run the tasks of a DAG; ``given`` are its inputs."""
        given = _with_defaults(component, given)
        tasks = dict(component["dag"].get("tasks", {}))
        done: dict[str, Made] = {}
        while ready := [n for n, task in tasks.items() if _upstream(task) <= set(done)]:
            name = max(ready)
            done[name] = self._task(tasks.pop(name), given, done, f"{path}/{name}")
        assert not tasks, f"tasks wait for what never ends: {[(n, _upstream(t)) for n, t in tasks.items()]}"
        states = {made.state for made in done.values()}
        if states & {State.FAILED, State.BLOCKED}:
            return Made(State.FAILED)
        return self._handed_out(component, done)

    def _task(self, task: dict[str, Any], given: Made, done: dict[str, Made], path: str) -> Made:
        policy = task.get("triggerPolicy", {})
        states = {done[name].state for name in _upstream(task)}
        if policy.get("strategy") != _ENDED_ANYHOW:
            if states & {State.FAILED, State.BLOCKED}:
                return Made(State.BLOCKED)
            if State.SKIPPED in states:
                return Made(State.SKIPPED)
        component = self.spec["components"][task["componentRef"]["name"]]
        inputs = self._inputs(task, component, given, done)
        if "condition" in policy and not holds(policy["condition"], inputs.parameters):
            return Made(State.SKIPPED)
        if "parameterIterator" in task:
            return self._loop(task["parameterIterator"], component, inputs, path)
        return self._once(component, inputs, path)

    def _once(self, component: dict[str, Any], inputs: Made, path: str) -> Made:
        if "dag" in component:
            return self._dag(component, inputs, path)
        executor = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        self._number += 1
        directory = self.directory / f"{self._number}-{path.rpartition('/')[2]}"
        made = run_container(component, executor, _with_defaults(component, inputs), directory, self.zygote)
        if made.failure is not None:
            self.failures[path] = made.failure
        return made

    def _loop(self, iterator: dict[str, Any], component: dict[str, Any], inputs: Made, path: str) -> Made:
        items, name = iterator["items"], iterator["itemInput"]
        values = (
            json.loads(items["raw"]) if "raw" in items else inputs.parameters.get(items["inputParameter"])
        )
        assert isinstance(values, list), f"{path} goes over {values!r}"
        kind = component["inputDefinitions"]["parameters"][name]["parameterType"]
        runs: list[Made] = []
        for index, value in reversed(list(enumerate(values))):
            _check_kind(value, kind, path)
            parameters = {**inputs.parameters, name: as_carried(value, kind)}
            runs.insert(
                0, self._once(component, Made(inputs.state, parameters, inputs.artifacts), f"{path}[{index}]")
            )
        if any(run.state is not State.SUCCEEDED for run in runs):
            return Made(State.FAILED)
        return self._collected(component, runs)

    # ------------------------------------------------------------------ data

    def _inputs(
        self, task: dict[str, Any], component: dict[str, Any], given: Made, done: dict[str, Made]
    ) -> Made:
        """The inputs of a task. What an optional input upstream did not have, is left out."""
        declared = component.get("inputDefinitions", {})
        found = Made()
        for port, source in task.get("inputs", {}).get("parameters", {}).items():
            match source:
                case {"componentInputParameter": name}:
                    value = given.parameters.get(name)
                case {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}:
                    value = done[producer].parameters[key]
                case {"runtimeValue": {"constant": value}}:
                    pass
                case {"taskFinalStatus": {"producerTask": producer}}:
                    value = self._status(producer, done[producer])
                case _:
                    raise AssertionError(f"an unknown source: {source}")
            if value is not None:
                found.parameters[port] = as_carried(value, declared["parameters"][port]["parameterType"])
        for port, source in task.get("inputs", {}).get("artifacts", {}).items():
            if "componentInputArtifact" in source:
                artifacts = given.artifacts[source["componentInputArtifact"]]
            else:
                made = source["taskOutputArtifact"]
                artifacts = done[made["producerTask"]].artifacts[made["outputArtifactKey"]]
            many = declared["artifacts"][port].get("isArtifactList", False)
            assert many or len(artifacts) == 1, f"{port} is one artifact and gets {len(artifacts)}"
            found.artifacts[port] = artifacts
        return found

    def _status(self, producer: str, made: Made) -> dict[str, Any]:
        """KFP's ``PipelineTaskFinalStatus``, as its driver writes it."""
        failed = made.state is not State.SUCCEEDED
        error = {"error": {"code": 9, "message": str(next(iter(self.failures.values())))}} if failed else {}
        state = State.FAILED if failed else State.SUCCEEDED
        return {
            "state": state.value,
            "pipelineJobResourceName": "run",
            "pipelineTaskName": producer,
            "error": {},
            **error,
        }

    def _handed_out(self, component: dict[str, Any], done: dict[str, Made]) -> Made:
        """The outputs of a DAG whose tasks are ``done``; of several producers the one that ran."""
        bound = component["dag"].get("outputs", {})
        found = Made()
        for name, source in bound.get("parameters", {}).items():
            selectors = (
                [source["valueFromParameter"]]
                if "valueFromParameter" in source
                else source["valueFromOneof"]["parameterSelectors"]
            )
            ran = [s for s in selectors if done[s["producerSubtask"]].state is State.SUCCEEDED]
            if ran:
                found.parameters[name] = done[ran[0]["producerSubtask"]].parameters[
                    ran[0]["outputParameterKey"]
                ]
        for name, source in bound.get("artifacts", {}).items():
            ran = [
                s for s in source["artifactSelectors"] if done[s["producerSubtask"]].state is State.SUCCEEDED
            ]
            if ran:
                found.artifacts[name] = done[ran[0]["producerSubtask"]].artifacts[ran[0]["outputArtifactKey"]]
        return found

    def _collected(self, component: dict[str, Any], runs: list[Made]) -> Made:
        """The outputs of a loop: what all iterations made, flat where a loop inside it made lists already."""
        outputs, dag = component.get("outputDefinitions", {}), component["dag"]
        found = Made()
        for name in outputs.get("parameters", {}):
            values = [run.parameters[name] for run in runs]
            made = dag["outputs"]["parameters"][name].get("valueFromParameter")
            inner = made is not None and self._is_collected(
                dag, made["producerSubtask"], made["outputParameterKey"]
            )
            found.parameters[name] = as_carried(
                list(chain.from_iterable(values)) if inner else values, "LIST"
            )
        for name in outputs.get("artifacts", {}):
            found.artifacts[name] = list(chain.from_iterable(run.artifacts[name] for run in runs))
        return found

    def _is_collected(self, dag: dict[str, Any], producer: str, key: str) -> bool:
        """Whether a parameter of a task is what a loop collected, there or further inside."""
        task = dag["tasks"][producer]
        if "parameterIterator" in task:
            return True
        inner = self.spec["components"][task["componentRef"]["name"]].get("dag")
        source = inner["outputs"]["parameters"][key].get("valueFromParameter") if inner else None
        return bool(source) and self._is_collected(
            inner, source["producerSubtask"], source["outputParameterKey"]
        )


def _with_defaults(component: dict[str, Any], given: Made) -> Made:
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    values = {
        name: as_carried(given.parameters.get(name, spec.get("defaultValue")), spec["parameterType"])
        for name, spec in declared.items()
    }
    required = {
        name for name, spec in declared.items() if not spec.get("isOptional") and "defaultValue" not in spec
    }
    missing = {name for name in required if values[name] is None}
    assert not missing, f"required inputs without a value: {missing}"
    return Made(given.state, {n: v for n, v in values.items() if v is not None}, given.artifacts)


def _check_kind(value: Any, kind: str, path: str) -> None:
    """KFP refuses an item that is not of the declared type (backend/src/v2/driver)."""
    kinds: dict[str, tuple[type, ...]] = {
        "STRING": (str,),
        "BOOLEAN": (bool,),
        "NUMBER_INTEGER": (int, float),
        "NUMBER_DOUBLE": (int, float),
        "LIST": (list,),
        "STRUCT": (dict,),
    }
    fits = isinstance(value, kinds[kind]) and isinstance(value, bool) is (kind == "BOOLEAN")
    assert fits, f"an item of {path} is {value!r}, not a {kind}"


def _upstream(task: dict[str, Any]) -> set[str]:
    """The tasks that a task waits for."""
    return set(_producers(task)) | set(task.get("dependentTasks", ()))


def _producers(task: dict[str, Any]) -> Iterator[str]:
    sources: Iterable[dict[str, Any]] = chain.from_iterable(
        task.get("inputs", {}).get(kind, {}).values() for kind in ("parameters", "artifacts")
    )
    for source in sources:
        for key in ("taskOutputParameter", "taskOutputArtifact", "taskFinalStatus"):
            if key in source:
                yield source[key]["producerTask"]
