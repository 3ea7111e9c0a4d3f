"""One step as a KFP component: its ports, and the container that runs it."""

from __future__ import annotations

from typing import Any

from jupyter_kfp.compiler import names, payload, quantities
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import (
    ArtifactType,
    Constant,
    FromParameter,
    Input,
    ParameterType,
    Pipeline,
    Step,
    ValueType,
)

# kfp/dsl/types/type_utils.py, IN_MEMORY_SPEC_TYPE_TO_IR_TYPE.
_PARAMETER_TYPES = {
    ParameterType.STRING: "String",
    ParameterType.INTEGER: "Integer",
    ParameterType.FLOAT: "Float",
    ParameterType.BOOLEAN: "Boolean",
    ParameterType.LIST: "List",
    ParameterType.DICT: "Dict",
}

# The version all of KFP's own artifact types have (kfp/dsl/types/artifact_types.py).
_ARTIFACT_VERSION = "0.0.1"

_DEFAULT_ACCELERATOR = "nvidia.com/gpu"


def spec_type(value_type: ValueType) -> str:
    """The type as KFP's SDK spells it: ``Float``, ``system.Dataset@0.0.1``."""
    if isinstance(value_type.kind, ArtifactType):
        return f"{value_type.kind.schema_title}@{_ARTIFACT_VERSION}"
    return _PARAMETER_TYPES[value_type.kind]


def component(
    pipeline: Pipeline,
    step: Step,
    packed: payload.Packed,
    command: list[str],
    provenance: Provenance | None,
    *,
    last: bool = False,
) -> Any:
    """The step as a ``ContainerComponent``; ``last`` for the one that runs on exit, which is told the status.

    Resources and environment are set here, not by the task's setters: each of those walks the call
    stack, which takes milliseconds.
    """
    from kfp.dsl import structures
    from kfp.dsl.container_component_class import ContainerComponent

    options = step.options
    container = structures.ContainerSpecImplementation(
        image=options.image or names.DEFAULT_IMAGE,
        command=command,
        args=list(packed.arguments),
        env=environment(options, provenance),
        resources=resources(options),
    )
    inputs = {names.port(i.name): _input(pipeline, i) for i in step.inputs}
    if last:
        inputs[names.STATUS] = structures.InputSpec(type="PipelineTaskFinalStatus", optional=True)
    inputs[names.STEP_NOTEBOOK] = structures.InputSpec(type="String", description=payload.cells_note(step))
    spec = structures.ComponentSpec(
        name=step.name,
        implementation=structures.Implementation(container=container),
        inputs=inputs,
        outputs=_outputs(step),
    )
    return ContainerComponent(component_spec=spec, pipeline_func=None)


def _input(pipeline: Pipeline, variable: Input) -> Any:
    from kfp.dsl import structures

    # KFP starts a task whose input is None only if the component calls that input optional.
    match variable.source:
        case FromParameter(name):
            optional = any(
                p.name == name and not p.required and p.default is None for p in pipeline.parameters
            )
        case Constant(value):
            optional = value is None
        case _:
            optional = False
    return structures.InputSpec(
        type=spec_type(variable.type), optional=optional, is_artifact_list=variable.type.many
    )


def _outputs(step: Step) -> dict[str, Any]:
    from kfp.dsl import structures

    types = {names.port(output.name): output.type for output in step.outputs}
    if step.body:  # a step without code only hands on its inputs, and has no notebook to show
        types[names.EXECUTED_NOTEBOOK] = ValueType(ArtifactType.ARTIFACT)
        types[names.EXECUTED_HTML] = ValueType(ArtifactType.HTML)
    if step.metrics:
        types[names.STEP_METRICS] = ValueType(ArtifactType.METRICS)
    return {name: structures.OutputSpec(type=spec_type(value_type)) for name, value_type in types.items()}


def environment(options: StepOptions, provenance: Provenance | None) -> dict[str, str]:
    """The environment variables of the step's container."""
    variables = dict(options.env)
    # The environment is outside KFP's cache fingerprint (backend/src/v2/driver/cache.go,
    # getFingerPrint), so neither of these changes what a result is reused for.
    if options.cache is not None and not isinstance(options.cache, bool):
        variables[names.CACHE_TTL_VARIABLE] = str(options.cache)
    if options.pickle is False:  # on is no more than that: what the machine forbids stays forbidden
        variables[names.NO_PICKLE_VARIABLE] = "1"
    if provenance is not None:
        variables[names.PROVENANCE_VARIABLE] = provenance.as_json()
    return variables


def resources(options: StepOptions) -> Any:
    """The step's ResourceSpec, or None. A request that is not given equals the limit."""
    from kfp.dsl import structures

    cpu_request = options.cpu_request or options.cpu
    memory_request = options.memory_request or options.memory
    spec = structures.ResourceSpec(
        cpu_request=cpu_request and quantities.cpu(cpu_request),
        cpu_limit=options.cpu and quantities.cpu(options.cpu),
        memory_request=memory_request and quantities.memory(memory_request),
        memory_limit=options.memory and quantities.memory(options.memory),
    )
    if options.gpu is not None:
        spec.accelerator_type = options.accelerator or _DEFAULT_ACCELERATOR
        spec.accelerator_count = str(options.gpu)
    return None if spec == structures.ResourceSpec() else spec
