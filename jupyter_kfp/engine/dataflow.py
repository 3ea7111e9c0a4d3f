"""The values that reach a task, and those that leave the DAG. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine import cel
from jupyter_kfp.engine.ir import integral, written
from jupyter_kfp.engine.parameters import checked
from jupyter_kfp.engine.placeholders import resolve_text
from jupyter_kfp.engine.plan import (
    ArtifactSource,
    Component,
    ComponentInput,
    Constant,
    Dag,
    FinalStatus,
    ParameterKind,
    ParameterSource,
    ParameterSpec,
    Selected,
    Task,
    TaskOutput,
)
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.store.records import NewArtifact

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json


class InputError(JupyterKfpError):
    """An input of a task has a value that it cannot have."""


class MissingInputError(InputError):
    """An input that a task cannot do without has no value."""


@dataclass(frozen=True, slots=True)
class Produced:
    """An artifact of this run: what the store knows, its id there, and where it is on this machine."""

    artifact: NewArtifact
    id: int
    path: Path


@dataclass(frozen=True, slots=True)
class Values:
    """Parameters and artifacts by port."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, tuple[Produced, ...]] = field(default_factory=dict)


class Scope:
    """What is known while a DAG runs: its component's inputs, and the outputs of tasks that ended well."""

    def __init__(self, inputs: Values) -> None:
        self._inputs = inputs
        self._produced: dict[str, Values] = {}
        self._statuses: dict[str, Json] = {}

    def ended(self, task: str, status: Json) -> None:
        """A task has ended so; ``status`` is KFP's PipelineTaskFinalStatus."""
        self._statuses[task] = status

    def add(self, task: str, outputs: Values) -> None:
        """A task has ended with these outputs."""
        self._produced[task] = outputs

    def inputs(self, task: Task, component: Component, context: Mapping[str, str]) -> Values:
        """What goes into a task.

        Raises MissingInputError if a required input has no value, InputError if one has a value that it
        cannot have, ExpressionError if a part of a value is asked for that is not there. ``context`` has the values of placeholders that name the run and the task.
        """
        parameters: dict[str, Json] = {}
        constants: dict[str, Json] = {}
        for name, source in task.parameters.items():
            spec = component.input_parameters.get(name)
            if isinstance(source, Constant):
                constants[name] = written(source.value, spec.kind) if spec else source.value
                continue
            found, value = self._parameter(source)
            if found and not (value is None and spec is not None and spec.optional):
                parameters[name] = _fitting(task, name, value, spec, component) if spec else value
            elif spec is None or not (spec.optional or spec.has_default):
                raise _missing(task, name, source)
        # Texts such as "{{$.inputs.parameters['pipelinechannel--x']}} and more" refer to the inputs above.
        known = {"inputs": {"parameterValues": {**constants, **parameters}, "artifacts": {}}, "outputs": {}}
        parameters.update({name: resolved(value, known, context) for name, value in constants.items()})
        for name, spec in component.input_parameters.items():
            if name not in parameters and spec.has_default:
                parameters[name] = spec.default
        return Values(parameters, self._artifacts(task, component))

    def _artifacts(self, task: Task, component: Component) -> dict[str, tuple[Produced, ...]]:
        artifacts: dict[str, tuple[Produced, ...]] = {}
        for name, source in task.artifacts.items():
            produced = self._artifact(source)
            spec = component.input_artifacts.get(name)
            if produced is not None:
                artifacts[name] = produced
            elif spec is None or not spec.optional:
                raise _missing(task, name, source)
        return artifacts

    def outputs(self, dag: Dag) -> Values:
        """The outputs of the DAG itself, as far as they exist."""
        parameters: dict[str, Json] = {}
        artifacts: dict[str, tuple[Produced, ...]] = {}
        for name, sources in dag.parameter_outputs.items():
            for source in sources:
                of_task = self._produced.get(source.task, Values()).parameters
                if source.name in of_task:
                    parameters[name] = of_task[source.name]
                    break
        for name, sources in dag.artifact_outputs.items():
            for source in sources:
                produced = self._artifact(source)
                if produced is not None:
                    artifacts[name] = produced
                    break
        return Values(parameters, artifacts)

    def _parameter(self, source: ParameterSource) -> tuple[bool, Json]:
        """Whether there is a value, and which."""
        match source:
            case ComponentInput(name):
                values: Mapping[str, Json] = self._inputs.parameters
            case TaskOutput(task, name):
                values = self._produced.get(task, Values()).parameters
            case Constant(value):
                return True, value
            case FinalStatus(task):
                return task in self._statuses, self._statuses.get(task)
            case Selected(inner, expression):
                found, value = self._parameter(inner)
                return found, cel.select(value, expression) if found else None
        return (True, values[name]) if name in values else (False, None)

    def _artifact(self, source: ArtifactSource) -> tuple[Produced, ...] | None:
        match source:
            case ComponentInput(name):
                return self._inputs.artifacts.get(name)
            case TaskOutput(task, name):
                return self._produced.get(task, Values()).artifacts.get(name)


def as_text(value: Json, spec: ParameterSpec | None) -> Json:
    """As in KFP, inputs that are texts take any value, as JSON."""
    is_text = spec is not None and spec.kind is ParameterKind.STRING
    return json.dumps(value) if is_text and not isinstance(value, str | None) else value


def _fitting(task: Task, name: str, value: Json, spec: ParameterSpec, component: Component) -> Json:
    """A value as the input's declared kind has it. Raises InputError for a value of another kind.

    What goes into a DAG is left for the tasks inside to judge: KFP declares the items of a list of no declared
    kind as texts, whatever they are.
    """
    is_double = spec.kind is ParameterKind.NUMBER_INTEGER and isinstance(value, float) and not spec.literals
    if value is None or component.dag is not None or is_double:
        return integral(value, spec.kind)  # type: ignore[no-any-return]  # a JSON value stays one
    value = as_text(value, spec)
    try:
        return checked(name, spec, value)
    except UsageError as error:
        what = error.message.replace("The parameter", "The input", 1).removesuffix(".")
        raise InputError(f"{what}, in {task.display_name!r}.") from error


def _missing(task: Task, name: str, source: ParameterSource | ArtifactSource) -> MissingInputError:
    match source:
        case TaskOutput(producer, output):
            origin = f"the task {producer!r} did not produce its output {output!r}"
        case ComponentInput(parameter):
            origin = f"the pipeline's input {parameter!r} was not given"
        case _:
            origin = "its source has none"
    return MissingInputError(f"The input {name!r} of {task.display_name!r} has no value: {origin}.")


def resolved(value: Json, known: Mapping[str, Any], context: Mapping[str, str]) -> Json:
    """A constant with the placeholders in its texts replaced."""
    match value:
        case str():
            return resolve_text(value, known, context)
        case list():
            return [resolved(item, known, context) for item in value]
        case dict():
            return {key: resolved(item, known, context) for key, item in value.items()}
    return value
