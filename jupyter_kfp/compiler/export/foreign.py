"""Components and pipelines that are somebody else's: KFP's YAML, taken along as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jupyter_kfp.compiler.export.file import File
from jupyter_kfp.compiler.export.layout import block
from jupyter_kfp.compiler.external import is_container
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import Arm, Branch, ExitHandler, External, Loop, Node, Pipeline, Step


def loaded(file: File, node: External) -> tuple[str, bool]:
    """Write what loads the YAML of ``node``. What it is called, and whether it runs one container."""
    assert isinstance(node.component, str)
    container = is_container(node.component)
    name = file.names.new(f"{node.name}_component")
    file.kfp.add("components")
    text = _renamed(node.component)
    file.sections.append(f"{name} = components.load_component_from_text(\n    {block(text)}\n)")
    return name, container


def _renamed(text: str) -> str:
    """KFP takes a pipeline for the component of that name in it, where there is one; then it is renamed."""
    import yaml

    if is_container(text):
        return text
    first, *more = list(yaml.safe_load_all(text))
    title = first["pipelineInfo"]["name"] if "pipelineInfo" in first else None
    if f"comp-{title}" not in first.get("components", {}):
        return text
    first["pipelineInfo"]["name"] = f"{title}-pipeline"
    return str(yaml.safe_dump_all([first, *more], sort_keys=False))


def with_options(pipeline: Pipeline, options: StepOptions) -> Pipeline:
    """A nested pipeline whose steps do what the options of the whole say: KFP's task cannot tell them."""
    given: dict[str, Any] = {}
    if options.cache is False:
        given["cache"] = False
    retry = {
        name: getattr(options, name)
        for name in ("retries", "backoff", "backoff_factor", "backoff_max")
        if options.retries
    }
    if not given and not retry:
        return pipeline
    return replace(pipeline, body=tuple(_told(node, given, retry) for node in pipeline.body))


def _told(node: Node, given: dict[str, Any], retry: dict[str, Any]) -> Node:
    def inside(body: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(_told(inner, given, retry) for inner in body)

    match node:
        case Step() | External():
            own = retry if not node.options.retries else {}
            return replace(node, options=node.options.model_copy(update={**own, **given}))
        case Branch(arms=arms):
            return replace(node, arms=tuple(Arm(a.test, inside(a.body), a.text) for a in arms))
        case Loop(body=body):
            return replace(node, body=inside(body))
        case ExitHandler(exit=last, body=body):
            ended = _told(last, given, retry)
            assert isinstance(ended, Step)
            return ExitHandler(ended, inside(body))
