"""Names that must be right on both sides of the IR: ports, tasks, reserved outputs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from jupyter_kfp.compiler.places import nodes
from jupyter_kfp.pipeline import Pipeline, Step
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK

__all__ = [
    "CACHE_TTL_VARIABLE", "DEFAULT_IMAGE", "EXECUTED_HTML", "EXECUTED_NOTEBOOK", "GROUP_KEY", "KFP_NAME",
    "NO_PICKLE_VARIABLE",     "PIPELINE_NAME", "PROVENANCE_VARIABLE", "READ_ONLY_ANNOTATION", "RESERVED_OUTPUTS", "RESERVED_VARIABLES", "STATUS",
    "STEP_METRICS", "STEP_NOTEBOOK", "port", "ports", "problem", "task_keys", "task_name", "task_names",
]  # fmt: skip

DEFAULT_IMAGE = "python:3.11-slim"
"""The image of a step that names none: it has Python, and the runtime installs what else it needs."""

EXECUTED_NOTEBOOK = "executed_notebook"
EXECUTED_HTML = "executed_html"
STEP_METRICS = "step_metrics"
RESERVED_OUTPUTS = frozenset({EXECUTED_NOTEBOOK, EXECUTED_HTML, STEP_METRICS})
"""Output ports every step has besides its variables (the last only where it logs metrics)."""

STATUS = "status"
"""The input port of the step that runs on exit, and the variable it reads there."""

PROVENANCE_VARIABLE = "JUPYTER_KFP_PROVENANCE"
CACHE_TTL_VARIABLE = "JUPYTER_KFP_CACHE_TTL"
NO_PICKLE_VARIABLE = "JUPYTER_KFP_NO_PICKLE"
RESERVED_VARIABLES = frozenset({PROVENANCE_VARIABLE, CACHE_TTL_VARIABLE})
"""Environment variables the compiler itself sets. KFP's cache fingerprint leaves the environment out."""

READ_ONLY_ANNOTATION = "jupyter-kfp/read-only-mounts"
"""Pod annotation with the comma-separated mount paths that were asked for as read-only."""

# kfp/dsl/pipeline_channel.py, PipelineChannel.__init__: the names KFP's SDK accepts.
KFP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

# kfp/dsl/utils.py, validate_pipeline_name.
PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")

# kfp/dsl/tasks_group.py, TasksGroup._make_name_unique: groups and tasks share the keys of a DAG.
GROUP_KEY = re.compile(r"(condition|condition-branches|for-loop|exit-handler)-\d+")


def port(variable: str) -> str:
    """The port of a Python variable: its own name wherever KFP allows that.

    KFP wants ASCII names that begin with a letter. Others (``_x``, ``größe``) keep what is legible
    and get a suffix of six hexadecimal digits that depends on the name alone, so that the port is the
    same in every step. Inputs and outputs are name spaces of their own in the SDK, the IR, the
    launcher's placeholders and the metadata store, so a variable a step reads and changes has one
    name for both.
    """
    # `self` is the SDK's own argument where a component is called with its inputs.
    if KFP_NAME.fullmatch(variable) and variable != "self":
        return variable
    plain = unicodedata.normalize("NFKD", variable).encode("ascii", "ignore").decode().strip("_")
    digest = hashlib.sha256(variable.encode()).hexdigest()[:6]
    return f"{plain}_{digest}" if KFP_NAME.fullmatch(plain) else f"v{plain}_{digest}"


def task_name(step: str) -> str:
    """The key of a step's task in the IR, before it is made unique (kfp/dsl/utils.py, maybe_rename_for_k8s)."""
    return re.sub("-+", "-", re.sub("[^-0-9a-z]+", "-", step.lower())).strip("-")


def task_names(pipeline: Pipeline) -> dict[str, str]:
    """The key of each step's task in the IR, by step name: ``{"load_data": "load-data"}``.

    Foreign components and nested notebooks are steps, too. The keys are unique in the whole pipeline,
    in whatever groups the steps stand. Steps whose names differ only in what KFP replaces are numbered
    in notebook order, as KFP does; the step that runs on exit comes first.
    """
    return task_keys(node.name for node in nodes(pipeline.body))


def task_keys(steps: Iterable[str]) -> dict[str, str]:
    """The keys of the tasks of ``steps``, in the order in which KFP makes them (see :func:`task_names`)."""
    keys: dict[str, str] = {}
    for step in steps:
        wanted = task_name(step) or "task"
        key, number = wanted, 2
        while key in keys.values():
            key, number = f"{wanted}-{number}", number + 1
        keys[step] = key
    return keys


def problem(what: str, name: str) -> tuple[str, str]:
    """Message and remedy where KFP does not accept the name of a pipeline's ``what``."""
    return (
        f"{name!r} is no name KFP accepts for a pipeline's {what}.",
        "Begin it with a letter and use ASCII letters, digits and underscores.",
    )


def ports(step: Step) -> dict[str, str]:
    """The ports of a step that are not called like their variable, by variable."""
    variables = [i.name for i in step.inputs] + [o.name for o in step.outputs]
    return {name: port(name) for name in dict.fromkeys(variables) if port(name) != name}
