"""What keeps a pipeline from becoming IR, and what KFP will not honour, said before anything is built.

Pure functions of the model: nothing here imports KFP.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from jupyter_kfp.compiler import kubernetes, names
from jupyter_kfp.compiler.graph import service_accounts
from jupyter_kfp.compiler.values import default_problems
from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.pipeline import ArtifactType, FromParameter, FromStep, Pipeline, Source, Step, ValueType


def diagnose(pipeline: Pipeline) -> tuple[Diagnostic, ...]:
    """Every finding: errors stop compiling, warnings name options KFP cannot honour in full."""
    return (
        *_pipeline(pipeline),
        *_parameters(pipeline),
        *_steps(pipeline),
        *_connections(pipeline),
        *_outputs(pipeline),
    )


def _error(code: str, message: str, remedy: str, step: Step | None = None) -> Diagnostic:
    return Diagnostic(
        code, Severity.ERROR, message, remedy, cell=_cell(step), step=step.name if step else None
    )


def _warning(code: str, message: str, remedy: str, step: Step) -> Diagnostic:
    return Diagnostic(code, Severity.WARNING, message, remedy, cell=_cell(step), step=step.name)


def _cell(step: Step | None) -> int | None:
    return step.body[0].cell if step is not None and step.body else None


def _pipeline(pipeline: Pipeline) -> Iterator[Diagnostic]:
    if not names.PIPELINE_NAME.fullmatch(pipeline.name):
        yield _error(
            "kfp-name",
            f"{pipeline.name!r} is no name KFP accepts for a pipeline.",
            "Use at most 128 lower-case letters, digits and hyphens, beginning with a letter or digit.",
        )
    if not pipeline.steps:
        yield _error(
            "no-steps",
            "The pipeline has no steps.",
            "Tag a cell with step:NAME or begin it with %%component NAME.",
        )
    accounts = service_accounts(pipeline)
    if len(accounts) > 1:
        yield _error(
            "kfp-service-account",
            f"Several service accounts are asked for ({', '.join(accounts)}), and KFP runs a whole pipeline with one.",
            "Name one in the notebook's options.",
        )


def _parameters(pipeline: Pipeline) -> Iterator[Diagnostic]:
    for parameter in pipeline.parameters:
        problems = list(default_problems(parameter))
        if not names.KFP_NAME.fullmatch(parameter.name):
            problems.append(_name_problem("parameter", parameter.name))
        for message, remedy in problems:
            yield Diagnostic(
                "kfp-parameter", Severity.ERROR, message, remedy, cell=parameter.cell, line=parameter.line
            )


def _name_problem(what: str, name: str) -> tuple[str, str]:
    return (
        f"{name!r} is no name KFP accepts for a pipeline's {what}.",
        "Begin it with a letter and use ASCII letters, digits and underscores.",
    )


def _steps(pipeline: Pipeline) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for step in pipeline.steps:
        if step.name in seen:
            yield _error("duplicate-step", f"There are two steps called {step.name!r}.", "Rename one.", step)
        seen.add(step.name)
        if not names.task_name(step.name):
            yield _error(
                "kfp-name",
                f"{step.name!r} is no name KFP accepts for a step.",
                "Use ASCII letters or digits.",
                step,
            )
        yield from _step_outputs(step)
        yield from _options(step)


def _step_outputs(step: Step) -> Iterator[Diagnostic]:
    exported = {output.name for output in step.outputs}
    for name in sorted(exported & names.RESERVED_OUTPUTS):
        yield _error(
            "reserved-output", f"Every step has an output {name!r} of its own.", "Rename the variable.", step
        )
    for name in sorted(set(step.options.outputs) - exported):
        yield _error(
            "unknown-output",
            f"The option outputs names {name!r}, which step {step.name!r} does not export.",
            "Assign it in the step or take it out of the option.",
            step,
        )


def _options(step: Step) -> Iterator[Diagnostic]:
    options = step.options
    for option, text in (("image", options.image), ("accelerator", options.accelerator)):
        if text is not None and ("{{" in text or not text.strip()):
            yield _error(
                "kfp-option",
                f"{text!r} cannot be the {option} of step {step.name!r}.",
                "Write it as plain text.",
                step,
            )
    for name in sorted(set(options.env) & names.RESERVED_VARIABLES):
        yield _error(
            "kfp-option", f"The environment variable {name} is set by the compiler.", "Rename it.", step
        )
    if options.affinity:
        try:
            kubernetes.node_affinity(options.affinity)
        except ValueError as error:
            yield _error("kfp-option", f"Step {step.name!r}: {error}.", "Leave the rest out.", step)
    yield from _volumes(step)


def _volumes(step: Step) -> Iterator[Diagnostic]:
    options = step.options
    for volume in options.volume:
        if volume.read_only:
            yield _warning(
                "kfp-read-only",
                f"KFP cannot mount the claim {volume.pvc!r} read-only at {volume.mount_path}; on a cluster it will be writable.",
                "Rely on a claim whose access mode is ReadOnlyMany, if nothing may write to it.",
                step,
            )
    for reference in (*options.secret, *options.configmap):
        if reference.mount_path is not None and reference.key is not None:
            yield _error(
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
            yield _error(
                "kfp-option",
                f"Step {step.name!r} mounts several kinds of volume called {name!r}, which KFP cannot tell apart.",
                "Rename the claim, Secret or ConfigMap.",
                step,
            )


def _connections(pipeline: Pipeline) -> Iterator[Diagnostic]:
    earlier: dict[str, Step] = {}
    known = {step.name for step in pipeline.steps}
    for step in pipeline.steps:
        for variable in step.inputs:
            found = _source_type(pipeline, variable.source, earlier)
            if found is None or not _fits(found, variable.type):
                got = "nothing" if found is None else f"a {found}"
                yield _error(
                    "kfp-input",
                    f"Step {step.name!r} reads {variable.name!r} as {variable.type} and would get {got}.",
                    "Annotate the variable the same way wherever it is assigned.",
                    step,
                )
        for name in step.after:
            if name not in known:
                yield _error(
                    "unknown-step", f"Step {step.name!r} comes after {name!r}, which is no step.", "", step
                )
        earlier[step.name] = step
    try:
        TopologicalSorter({s.name: [n for n in s.upstream if n in known] for s in pipeline.steps}).prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        yield _error("cycle", f"The steps wait for each other: {circle}.", "Take out one of the after tags.")


def _outputs(pipeline: Pipeline) -> Iterator[Diagnostic]:
    steps = {step.name: step for step in pipeline.steps}
    for output in pipeline.outputs:
        found = _source_type(pipeline, output.source, steps)
        if not names.KFP_NAME.fullmatch(output.name):
            yield _error("kfp-output", *_name_problem("output", output.name))
        if isinstance(output.source, FromParameter):
            yield _error(
                "kfp-output",
                f"The pipeline's output {output.name!r} is a parameter no step changes, and KFP only hands out what a step made.",
                f"Take it out of the outputs, or assign it in a step ({output.name} = {output.source.name}).",
            )
        elif found is None or not _fits(found, output.type):
            got = "nothing" if found is None else f"a {found}"
            yield _error(
                "kfp-output",
                f"The pipeline's output {output.name!r} is declared as {output.type} and would be {got}.",
                "",
            )


def _source_type(pipeline: Pipeline, source: Source, steps: dict[str, Step]) -> ValueType | None:
    """The type of what a source gives; None if there is no such parameter or output in ``steps``."""
    match source:
        case FromParameter(name):
            return next((p.type for p in pipeline.parameters if p.name == name), None)
        case FromStep(step, name):
            outputs = steps[step].outputs if step in steps else ()
            return next((output.type for output in outputs if output.name == name), None)


def _fits(given: ValueType, wanted: ValueType) -> bool:
    """Whether KFP connects the two: the same kind, or any artifact where the untyped one is wanted."""
    if given.is_parameter or wanted.is_parameter:
        return given.kind is wanted.kind
    return given.kind is wanted.kind or ArtifactType.ARTIFACT in (given.kind, wanted.kind)
