"""Somebody else's components and pipelines, and other notebooks, as KFP's components."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_kfp.compiler import executors
from jupyter_kfp.compiler.container import environment, resources
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.documents import yaml_documents
from jupyter_kfp.errors import Diagnostic, DiagnosticsError, Severity
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import External

# What a nested pipeline's tasks can be told from outside; all else belongs to one container.
PIPELINE_OPTIONS = frozenset(
    {"display_name", "retries", "backoff", "backoff_factor", "backoff_max", "cache", "service_account"}
)
# What says how our own steps are made has no meaning for a foreign container.
_NOTEBOOK_OPTIONS = frozenset({"packages", "outputs"})


def without_effect(options: StepOptions, *, container: bool) -> list[str]:
    """The options that were given and that a foreign component or pipeline cannot honour."""
    given = {name for name in options.model_fields_set if getattr(options, name) not in (None, (), {}, "")}
    ignored = given & _NOTEBOOK_OPTIONS if container else given - PIPELINE_OPTIONS
    ttl = not container and options.cache is not None and not isinstance(options.cache, bool)
    return sorted(ignored | ({"cache"} if ttl else set()))


def is_container(text: str) -> bool:
    """Whether KFP's YAML is a component that runs one container, and not a pipeline.

    Raises:
        ValueError: it is neither.
    """
    document = _documents(text)[0]
    if "implementation" in document:
        return "container" in document["implementation"]
    return _wrapped(document) is not None


def _documents(text: str) -> list[dict[str, Any]]:
    """The YAML documents: the component or pipeline, and the platform's where there is one."""
    import yaml

    try:
        documents = list(yaml_documents(text))
    except yaml.YAMLError as error:
        raise ValueError("it is no YAML: " + " ".join(str(error).split())) from None
    documents = [document for document in documents if document is not None]
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise ValueError("it holds no mapping")
    if not {"implementation", "root"} & set(documents[0]):
        raise ValueError("it has neither an implementation nor a root")
    return documents


def _wrapped(document: dict[str, Any]) -> str | None:
    """The name of the one component that this IR only wraps, as ``@dsl.component`` is compiled; else None."""
    tasks = document["root"].get("dag", {}).get("tasks", {})
    if len(tasks) != 1:
        return None
    (task,) = tasks.values()
    name = task["componentRef"]["name"]
    component = document.get("components", {}).get(name, {})
    alike = all(
        set((document["root"].get(kind) or {}).get(sort) or {})
        == set((component.get(kind) or {}).get(sort) or {})
        for kind in ("inputDefinitions", "outputDefinitions")
        for sort in ("parameters", "artifacts")
    )
    executor = (document.get("deploymentSpec", {}).get("executors") or {}).get(
        component.get("executorLabel"), {}
    )
    only = name == f"comp-{document['pipelineInfo']['name']}"
    return name if only and alike and "container" in executor else None


def load(text: str, name: str) -> Any:
    """The component or pipeline in ``text`` (KFP's YAML, version 1 or IR), called ``name`` as a task.

    Raises:
        ValueError: the text is neither, or KFP cannot load it.
    """
    from kfp.dsl import structures
    from kfp.dsl.yaml_component import YamlComponent

    document, *more = _documents(text)
    try:
        if "implementation" in document:
            spec = structures.ComponentSpec.from_yaml_documents(text)
        else:
            # KFP takes a pipeline for the component of that name in it, where there is one.
            info = document["pipelineInfo"]
            title = info["name"] if _wrapped(document) else f"{info['name']}-pipeline"
            renamed = {**document, "pipelineInfo": {**info, "name": title}}
            spec = structures.ComponentSpec.from_ir_dicts(renamed, more[0] if more else {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"KFP cannot load it: {error}") from error
    spec.name = name
    if spec.implementation.graph is not None:
        executors.label_by_content(spec.implementation.graph, spec.platform_spec)
    return YamlComponent(component_spec=spec, component_yaml=text)


def call(node: External, component: Any, arguments: Mapping[str, Any]) -> Any:
    """The task of ``component`` with these inputs. Raises DiagnosticsError naming what is wrong with them."""
    inputs = component.component_spec.inputs or {}
    problem = input_problem(node.name, inputs, component.required_inputs, arguments)
    if problem is None:
        try:
            return component(**arguments)
        except (TypeError, ValueError) as error:
            problem = f"{node.name!r} cannot be called: {error}.", "Give it values of the types it declares."
        except Exception as error:
            if type(error).__name__ != "InconsistentTypeException":
                raise
            problem = f"{error}.".replace("..", "."), "Give it a value of that type."
    message, remedy = problem
    raise DiagnosticsError([Diagnostic("kfp-input", Severity.ERROR, message, remedy, step=node.name)])


def input_problem(
    name: str, inputs: Iterable[str], required: Iterable[str], given: Iterable[str]
) -> tuple[str, str] | None:
    """What is wrong with the names of the inputs given to ``name``, and what to do; None if nothing is."""
    known, passed = list(inputs), set(given)
    unknown = sorted(passed - set(known))
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, 1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Its inputs are: {', '.join(known) or 'none'}."
        return f"{name!r} has no input {unknown[0]!r}.", remedy
    missing = [one for one in required if one not in passed]
    if missing:
        listed = ", ".join(repr(one) for one in missing)
        return f"{name!r} needs {listed}, which {'is' if len(missing) == 1 else 'are'} not given.", (
            f"Assign {missing[0]} before it."
            if len(missing) == 1
            else f"Assign {', '.join(missing)} before it."
        )
    return None


def configure(node: External, task: Any, provenance: Provenance | None) -> None:
    """Give a foreign container what the options say; a nested pipeline has no container of its own."""
    container = task.container_spec
    if container is None:
        return
    container.env = {**(container.env or {}), **environment(node.options, provenance)}
    container.image = node.options.image or container.image
    container.resources = resources(node.options) or container.resources
