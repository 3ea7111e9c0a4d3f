"""Pipeline → KFP's PipelineSpec and PlatformSpec, by way of KFP's own DSL objects."""

from __future__ import annotations

import inspect
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from jupyter_kfp.compiler import executors, external, groups, kubernetes, lazy_kfp, repairs
from jupyter_kfp.compiler.channels import Channels
from jupyter_kfp.compiler.container import spec_type
from jupyter_kfp.compiler.findings import not_a_component
from jupyter_kfp.compiler.places import nodes, places
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.compiler.values import to_value
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.pipeline import External, Pipeline

# KFP keeps the pipeline being built in a class attribute, so only one is built at a time.
# Reentrant: a %%pipeline cell may itself make components of notebooks.
_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class Specs:
    """KFP's messages: ``pipeline`` is a PipelineSpec, ``platform`` a PlatformSpec (often empty)."""

    pipeline: Any
    platform: Any


def build(pipeline: Pipeline, provenance: Provenance | None = None) -> Specs:
    """The pipeline as KFP's messages. Expects a pipeline without errors (see ``checks``)."""
    graph = graph_component(pipeline, provenance)
    specs = Specs(graph.pipeline_spec, graph.platform_spec)
    repairs.name_components(specs.pipeline)
    executors.label_by_component(specs.pipeline, specs.platform)
    _set_pipeline_options(specs, pipeline)
    return specs


def graph_component(pipeline: Pipeline, provenance: Provenance | None = None) -> Any:
    """The pipeline as KFP's GraphComponent, which other pipelines may call. Expects one without errors."""
    lazy_kfp.import_kfp()
    from kfp.dsl import graph_component, structures

    components = _components(pipeline, provenance)
    description = pipeline.description or pipeline.options.description
    spec = structures.ComponentSpec(
        name=pipeline.name,
        description=description or None,
        implementation=structures.Implementation(),
        inputs={
            p.name: structures.InputSpec(type=spec_type(p.type), optional=not p.required)
            for p in pipeline.parameters
        },
        outputs={
            o.name: structures.OutputSpec(type=spec_type(o.type), is_artifact_list=o.type.many)
            for o in pipeline.outputs
        },
    )
    title = pipeline.options.name
    built = groups.Built()
    with _lock, warnings.catch_warnings(), _explained(pipeline):
        warnings.simplefilter("ignore")
        graph = graph_component.GraphComponent(
            component_spec=spec,
            pipeline_func=_definition(pipeline, components, provenance, built, spec),
            display_name=title if title != pipeline.name else None,
        )
    repairs.mend(graph.pipeline_spec, built)
    executors.share(graph.pipeline_spec, graph.platform_spec)
    _set_defaults(graph.pipeline_spec, pipeline)
    return graph


def _explained(pipeline: Pipeline) -> AbstractContextManager[None]:
    """What KFP's compiler refuses is what the ``%%pipeline`` cell says, if there is one."""
    if pipeline.dsl is None:
        return nullcontext()
    from jupyter_kfp.compiler import explicit

    return explicit.errors_of(pipeline.dsl)


def _components(pipeline: Pipeline, provenance: Provenance | None) -> groups.Components:
    """What the nodes run that are somebody else's, by the nodes' names. Made before: KFP builds one at a time."""
    made = {}
    for node in nodes(pipeline.body):
        match node:
            case External(name=name, component=Pipeline() as inner):
                made[name] = graph_component(inner, provenance)
                made[name].component_spec.name = name
                executors.label_by_content(made[name].pipeline_spec, made[name].platform_spec)
            case External(name=name, component=str() as text):
                try:
                    made[name] = external.load(text, name)
                except ValueError as reason:
                    raise DiagnosticsError([not_a_component(node, reason)]) from reason
            case _:
                pass
    return made


def service_accounts(pipeline: Pipeline) -> list[str]:
    """The distinct service accounts the notebook and its steps ask for. KFP has one for a whole run."""
    wanted = [pipeline.options.service_account]
    for node in nodes(pipeline.body):
        wanted.append(node.options.service_account)
        if isinstance(node, External) and isinstance(node.component, Pipeline):
            wanted += service_accounts(node.component)
    return list(dict.fromkeys(account for account in wanted if account))


def _definition(
    pipeline: Pipeline,
    components: groups.Components,
    provenance: Provenance | None,
    built: groups.Built,
    spec: Any,
) -> Any:
    """The function ``@dsl.pipeline`` would decorate: takes one channel per parameter, returns the outputs.

    It fills in ``built``, and in the explicit mode the outputs of ``spec``, which only the cell knows.
    """

    def define(*arguments: Any) -> dict[str, Any]:
        parameters = dict(zip((p.name for p in pipeline.parameters), arguments, strict=True))
        if pipeline.dsl is not None:
            from jupyter_kfp.compiler import explicit

            outputs = explicit.define(pipeline, parameters, components, provenance, built)
            spec.outputs = {name: explicit.output_spec(channel) for name, channel in outputs.items()}
            return outputs
        channels = Channels(places(pipeline), parameters)
        groups.Builder(pipeline, channels, components, provenance, built).build()
        return {output.name: channels.of(output.source) for output in pipeline.outputs}

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(p.name, kind) for p in pipeline.parameters])
    define.__signature__ = signature  # type: ignore[attr-defined]  # what KFP reads of a function
    define.pipeline_root = pipeline.options.pipeline_root  # type: ignore[attr-defined]  # what KFP reads of a function
    return define


def _set_defaults(spec: Any, pipeline: Pipeline) -> None:
    """KFP's SDK refuses None inside a default, the IR does not, so defaults go straight into the message."""
    for parameter in pipeline.parameters:
        if not parameter.required and parameter.default is not None:
            definition = spec.root.input_definitions.parameters[parameter.name]
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
