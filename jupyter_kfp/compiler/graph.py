"""Pipeline → KFP's PipelineSpec and PlatformSpec, by way of KFP's own DSL objects."""

from __future__ import annotations

import inspect
import threading
import warnings
from dataclasses import dataclass
from typing import Any

from jupyter_kfp.compiler import executors, kubernetes, lazy_kfp, names, payload
from jupyter_kfp.compiler.container import component, spec_type
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.compiler.values import to_value
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import FromParameter, FromStep, Pipeline, Source

# KFP keeps the pipeline being built in a class attribute, so only one is built at a time.
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Specs:
    """KFP's messages: ``pipeline`` is a PipelineSpec, ``platform`` a PlatformSpec (often empty)."""

    pipeline: Any
    platform: Any


def build(pipeline: Pipeline, provenance: Provenance | None = None) -> Specs:
    """The pipeline as KFP's messages. Expects a pipeline without errors (see ``checks``)."""
    lazy_kfp.import_kfp()
    from kfp.dsl import graph_component, structures

    description = pipeline.description or pipeline.options.description
    spec = structures.ComponentSpec(
        name=pipeline.name,
        description=description or None,
        implementation=structures.Implementation(),
        inputs={
            p.name: structures.InputSpec(type=spec_type(p.type), optional=not p.required)
            for p in pipeline.parameters
        },
        outputs={o.name: structures.OutputSpec(type=spec_type(o.type)) for o in pipeline.outputs},
    )
    title = pipeline.options.name
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = graph_component.GraphComponent(
            component_spec=spec,
            pipeline_func=_definition(pipeline, provenance),
            display_name=title if title != pipeline.name else None,
        )
    specs = Specs(graph.pipeline_spec, graph.platform_spec)
    executors.share(specs.pipeline, specs.platform)
    _set_defaults(specs, pipeline)
    _set_pipeline_options(specs, pipeline)
    return specs


def service_accounts(pipeline: Pipeline) -> list[str]:
    """The distinct service accounts the notebook and its steps ask for. KFP has one for a whole run."""
    wanted = [pipeline.options.service_account, *(step.options.service_account for step in pipeline.steps)]
    return list(dict.fromkeys(account for account in wanted if account))


def _definition(pipeline: Pipeline, provenance: Provenance | None) -> Any:
    """The function ``@dsl.pipeline`` would decorate: takes one channel per parameter, returns the outputs."""

    def define(*channels: Any) -> dict[str, Any]:
        parameters = dict(zip((p.name for p in pipeline.parameters), channels, strict=True))
        command = payload.command()
        tasks: dict[str, Any] = {}

        def channel(source: Source) -> Any:
            match source:
                case FromParameter(name):
                    return parameters[name]
                case FromStep(step, name):
                    return tasks[step].outputs[names.port(name)]

        for step in pipeline.steps:
            inputs = {names.port(i.name): channel(i.source) for i in step.inputs}
            packed = payload.packed(step)
            inputs[names.STEP_NOTEBOOK] = packed.constant
            tasks[step.name] = component(pipeline, step, packed, command, provenance)(**inputs)
            _apply(step.options, step.name, tasks[step.name])
        # A tag may name a step that stands further down, so every task must exist first.
        for step in pipeline.steps:
            tasks[step.name].after(*(tasks[name] for name in step.after))
        return {output.name: channel(output.source) for output in pipeline.outputs}

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(p.name, kind) for p in pipeline.parameters])
    define.__signature__ = signature  # type: ignore[attr-defined]
    define.pipeline_root = pipeline.options.pipeline_root  # type: ignore[attr-defined]
    return define


def _apply(options: StepOptions, step: str, task: Any) -> None:
    """Set the options that belong to the task rather than to its container."""
    # Said for every task, because KFP's own default comes from the environment of whoever compiles.
    task.set_caching_options(options.cache is not False, cache_key=options.cache_key)
    task.set_display_name(options.display_name or step)
    if options.retries:
        task.set_retry(
            options.retries,
            backoff_duration=_seconds(options.backoff),
            backoff_factor=options.backoff_factor,
            backoff_max_duration=_seconds(options.backoff_max),
        )
    config = kubernetes.platform_config(options)
    if config:
        task.platform_config[kubernetes.PLATFORM] = config


def _seconds(duration: int | None) -> str | None:
    return None if duration is None else f"{duration}s"


def _set_defaults(specs: Specs, pipeline: Pipeline) -> None:
    """KFP's SDK refuses None inside a default, the IR does not, so defaults go straight into the message."""
    for parameter in pipeline.parameters:
        if not parameter.required and parameter.default is not None:
            definition = specs.pipeline.root.input_definitions.parameters[parameter.name]
            definition.default_value.CopyFrom(to_value(parameter.default))


def _set_pipeline_options(specs: Specs, pipeline: Pipeline) -> None:
    """What holds for a run as a whole and has no field of its own in the IR.

    KFP takes experiment and service account with the request that starts a run. They stand in the
    platform's free-form ``config``, which KFP's backend stores and does not interpret, so that the
    IR is complete and submitting can read them from it.
    """
    config = {}
    if pipeline.options.experiment:
        config["experiment"] = pipeline.options.experiment
    accounts = service_accounts(pipeline)
    if accounts:
        config["serviceAccount"] = accounts[0]
    if config:
        specs.platform.platforms[kubernetes.PLATFORM].config.update(config)
