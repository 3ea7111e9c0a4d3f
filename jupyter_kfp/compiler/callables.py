"""Notebooks as components and pipelines of KFP, for `@dsl.pipeline` functions and ``%%pipeline`` cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jupyter_kfp.compiler import executors, external, graph, lazy_kfp, names, payload
from jupyter_kfp.compiler.checks import diagnose
from jupyter_kfp.compiler.container import component, spec_type
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.compiler.settings import apply
from jupyter_kfp.errors import DiagnosticsError, Severity, UsageError
from jupyter_kfp.pipeline import External, Json, ParameterType, Pipeline, Step, ValueType


class InputError(UsageError, TypeError):
    """A component is called with inputs it does not have, or without one it needs."""


def pipeline_component(pipeline: Pipeline, provenance: Provenance | None = None) -> Any:
    """The pipeline as a component that other pipelines call: KFP's GraphComponent.

    Raises:
        DiagnosticsError: KFP cannot express it.
    """
    _check(pipeline)
    made = graph.graph_component(pipeline, provenance)
    executors.label_by_content(made.pipeline_spec, made.platform_spec)
    return _checked(made, "", lambda task: None)


def step_component(pipeline: Pipeline, provenance: Provenance | None = None) -> Any:
    """The only step of ``pipeline`` as a component of its own, with the pipeline's parameters and defaults.

    Raises:
        DiagnosticsError: KFP cannot express it.
    """
    _check(pipeline)
    lazy_kfp.import_kfp()
    (step,) = pipeline.steps
    defaults = {p.name: p.default for p in pipeline.parameters if not p.required}
    return callable_step(pipeline, replace(step, name=pipeline.name), defaults, provenance)


def callable_step(
    pipeline: Pipeline,
    step: Step,
    defaults: dict[str, Json],
    provenance: Provenance | None = None,
    *,
    last: bool = False,
) -> Any:
    """A step as a component to call by the names of its inputs; those in ``defaults`` may be left out.

    The step itself travels as the default of its own input, and its options are on every task. ``last``:
    it is for a ``dsl.ExitHandler`` and is told the status.
    """
    packed = payload.packed(step, last=last)
    made = component(pipeline, step, packed, payload.command(), provenance, last=last)
    inputs = made.component_spec.inputs
    inputs[names.STEP_NOTEBOOK].default = packed.constant
    inputs[names.STEP_NOTEBOOK].optional = True
    for name, value in defaults.items():
        inputs[names.port(name)].optional = True
        inputs[names.port(name)].default = value

    def settle(task: Any) -> None:
        task.__class__ = _task_kind()
        apply(step.options, step.name, task)
        for output in step.outputs:
            if output.type.items is not None:
                task.outputs[names.port(output.name)].channel_type = channel_type(output.type)

    return _checked(made, step.name, settle)


def callable_external(node: External, made: Any, provenance: Provenance | None) -> Any:
    """KFP's component ``made`` of a node, with the node's options on every task."""

    def settle(task: Any) -> None:
        external.configure(node, task, provenance)
        apply(node.options, node.name, task)

    return _checked(made, node.name, settle)


def channel_type(value_type: ValueType) -> str:
    """The type of a channel as KFP writes it; of a list with that of its items, for loops over it."""
    if value_type.kind is ParameterType.LIST and value_type.items is not None:
        return f"List[{spec_type(ValueType(value_type.items))}]"
    return spec_type(value_type)


def _check(pipeline: Pipeline) -> None:
    findings = diagnose(pipeline)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise DiagnosticsError(findings)


def _checked(made: Any, title: str, settle: Callable[[Any], None]) -> Any:
    """``made``, which says better than KFP what is wrong with a call, and does ``settle`` with every task."""
    kind: Any = type(made)
    # The values KFP itself gives are no inputs to name.
    hidden = {names.STEP_NOTEBOOK} | {
        name
        for name, spec in (made.component_spec.inputs or {}).items()
        if spec.type == "PipelineTaskFinalStatus"
    }

    class Notebook(kind):  # type: ignore[misc]  # kfp has no types
        def __call__(self, *arguments: Any, **inputs: Any) -> Any:
            known = [name for name in self.component_spec.inputs or {} if name not in hidden]
            name = title or self.name
            if arguments:
                raise InputError(
                    f"{name!r} takes its inputs by name.", f"Write {known[0]}=... ." if known else ""
                )
            given = {names.port(n) if n not in known else n: value for n, value in inputs.items()}
            problem = external.input_problem(name, known, self.required_inputs, given)
            if problem is not None:
                raise InputError(*problem)
            task = super().__call__(**given)
            settle(task)
            return task

    made.__class__ = Notebook
    return made


def _task_kind() -> Any:
    from kfp.dsl import pipeline_task

    class NotebookTask(pipeline_task.PipelineTask):  # type: ignore[misc]  # kfp has no types
        @property
        def output(self) -> Any:
            """The only variable the step exports; its executed notebook does not count."""
            own = [channel for name, channel in self.outputs.items() if name not in names.RESERVED_OUTPUTS]
            if len(own) != 1:
                listed = ", ".join(n for n in self.outputs if n not in names.RESERVED_OUTPUTS) or "none"
                raise AttributeError(f"{self.name!r} has not one output; write .outputs[...]: {listed}")
            return own[0]

    return NotebookTask
