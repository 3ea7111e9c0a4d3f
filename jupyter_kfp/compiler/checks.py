"""What keeps a pipeline from becoming IR, and what KFP will not honour, said before anything is built.

Pure functions of the model: nothing here imports KFP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jupyter_kfp.compiler import connections, external, kubernetes, names
from jupyter_kfp.compiler.findings import error, not_a_component, warning
from jupyter_kfp.compiler.graph import service_accounts
from jupyter_kfp.compiler.places import Task, nodes, places
from jupyter_kfp.compiler.values import default_problems
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.pipeline import External, Pipeline, Step


def diagnose(pipeline: Pipeline) -> tuple[Diagnostic, ...]:
    """Every finding: errors stop compiling, warnings name options KFP cannot honour in full."""
    own = (*_pipeline(pipeline), *_parameters(pipeline), *_tasks(pipeline))
    if pipeline.dsl is not None:  # what flows where, only the %%pipeline cell says, when it is executed
        return own
    found = places(pipeline)
    return (
        *own,
        *connections.inputs(pipeline, found),
        *connections.order(found),
        *connections.groups(pipeline, found),
        *connections.outputs(pipeline, found),
    )


def _pipeline(pipeline: Pipeline) -> Iterator[Diagnostic]:
    if not names.PIPELINE_NAME.fullmatch(pipeline.name):
        yield error(
            "kfp-name",
            f"{pipeline.name!r} is no name KFP accepts for a pipeline.",
            "Use at most 128 lower-case letters, digits and hyphens, beginning with a letter or digit.",
        )
    if not any(nodes(pipeline.body)) and pipeline.dsl is None:
        yield error(
            "no-steps",
            "The pipeline has no steps.",
            "Tag a cell with step:NAME or begin it with %%component NAME.",
        )
    accounts = service_accounts(pipeline)
    if len(accounts) > 1:
        yield error(
            "kfp-service-account",
            f"Several service accounts are asked for ({', '.join(accounts)}), and KFP runs a whole pipeline with one.",
            "Name one in the notebook's options.",
        )


def _parameters(pipeline: Pipeline) -> Iterator[Diagnostic]:
    for parameter in pipeline.parameters:
        problems = list(default_problems(parameter))
        if not names.KFP_NAME.fullmatch(parameter.name):
            problems.append(names.problem("parameter", parameter.name))
        for message, remedy in problems:
            yield Diagnostic(
                "kfp-parameter", Severity.ERROR, message, remedy, cell=parameter.cell, line=parameter.line
            )


def _tasks(pipeline: Pipeline) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for step in nodes(pipeline.body):
        if step.name in seen:
            yield error("duplicate-step", f"There are two steps called {step.name!r}.", "Rename one.", step)
        seen.add(step.name)
        if not names.task_name(step.name):
            yield error(
                "kfp-name",
                f"{step.name!r} is no name KFP accepts for a step.",
                "Use ASCII letters or digits.",
                step,
            )
        if isinstance(step, Step):
            yield from _step_outputs(step)
            yield from _kernel(step)
        else:
            yield from _external(step)
        yield from _options(step)


def _kernel(step: Step) -> Iterator[Diagnostic]:
    if step.kernel is not None and step.options.image is None:
        yield warning(
            "kfp-kernel",
            f"Step {step.name!r} needs the kernel {step.kernel.name!r}, which the image {names.DEFAULT_IMAGE} does not have.",
            "Name an image that has it (image).",
            step,
        )


def _external(node: External) -> Iterator[Diagnostic]:
    container = False
    if isinstance(node.component, Pipeline):
        for finding in diagnose(node.component):
            message = f"In the notebook of {node.name!r}: {finding.message}"
            yield replace(finding, message=message, cell=None, line=None, step=node.name)
    else:
        try:
            container = external.is_container(node.component)
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            yield not_a_component(node, reason)
            return
    for name in external.without_effect(node.options, container=container):
        what = "a component of its own image" if container else "a nested pipeline"
        yield warning(
            "kfp-option",
            f"The option {name} has no effect on {node.name!r}, which is {what}.",
            "Set it where its steps are written.",
            node,
        )


def _step_outputs(step: Step) -> Iterator[Diagnostic]:
    exported = {output.name for output in step.outputs}
    for name in sorted(exported & names.RESERVED_OUTPUTS):
        yield error(
            "reserved-output", f"Every step has an output {name!r} of its own.", "Rename the variable.", step
        )
    for name in sorted(set(step.options.outputs) - exported):
        yield error(
            "unknown-output",
            f"The option outputs names {name!r}, which step {step.name!r} does not export.",
            "Assign it in the step or take it out of the option.",
            step,
        )


def _options(step: Task) -> Iterator[Diagnostic]:
    options = step.options
    for option, text in (("image", options.image), ("accelerator", options.accelerator)):
        if text is not None and ("{{" in text or not text.strip()):
            yield error(
                "kfp-option",
                f"{text!r} cannot be the {option} of step {step.name!r}.",
                "Write it as plain text.",
                step,
            )
    for name in sorted(set(options.env) & names.RESERVED_VARIABLES):
        yield error(
            "kfp-option", f"The environment variable {name} is set by the compiler.", "Rename it.", step
        )
    if options.affinity:
        try:
            kubernetes.node_affinity(options.affinity)
        except ValueError as reason:
            yield error("kfp-option", f"Step {step.name!r}: {reason}.", "Leave the rest out.", step)
    yield from _volumes(step)


def _volumes(step: Task) -> Iterator[Diagnostic]:
    options = step.options
    for volume in options.volume:
        if volume.read_only:
            yield warning(
                "kfp-read-only",
                f"KFP cannot mount the claim {volume.pvc!r} read-only at {volume.mount_path}; on a cluster it will be writable.",
                "Rely on a claim whose access mode is ReadOnlyMany, if nothing may write to it.",
                step,
            )
    for reference in (*options.secret, *options.configmap):
        if reference.mount_path is not None and reference.key is not None:
            yield error(
                "kfp-option",
                f"KFP mounts all keys of {reference.name!r}, not only {reference.key!r}.",
                "Leave out the key, or give it as an environment variable.",
                step,
            )
    # KFP's driver names the pod's volumes after what they hold (backend/src/v2/driver/k8s.go).
    kinds = (
        {volume.pvc for volume in options.volume},
        {secret.name for secret in options.secret if secret.mount_path},
        {config_map.name for config_map in options.configmap if config_map.mount_path},
    )
    for name in sorted({name for kind in kinds for name in kind}):
        if sum(name in kind for kind in kinds) > 1:
            yield error(
                "kfp-option",
                f"Step {step.name!r} mounts several kinds of volume called {name!r}, which KFP cannot tell apart.",
                "Rename the claim, Secret or ConfigMap.",
                step,
            )
