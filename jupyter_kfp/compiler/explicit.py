"""The explicit mode: a ``%%pipeline`` cell calls the notebook's steps in KFP's own DSL.

The cell is executed when the pipeline is compiled, as the body of a pipeline function. It sees the
steps and foreign components by their names (``-`` as ``_``), the pipeline's parameters as channels, ``dsl``
and ``kubernetes`` (kfp-kubernetes); it may define components and nested pipelines of its own.
"""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from jupyter_kfp.compiler import groups
from jupyter_kfp.compiler.callables import callable_external, callable_step, channel_type
from jupyter_kfp.compiler.channels import exact
from jupyter_kfp.compiler.places import nodes, places
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.errors import Diagnostic, DiagnosticsError, JupyterKfpError, Severity
from jupyter_kfp.pipeline import Code, External, Pipeline, PipelineOutput

OUTPUTS = "outputs"
"""The name under which the cell may say what the pipeline hands out: a dict of channels or tasks."""


def define(
    pipeline: Pipeline,
    parameters: dict[str, Any],
    components: groups.Components,
    provenance: Provenance | None,
    built: groups.Built,
) -> dict[str, Any]:
    """Execute the cell in the pipeline function that is being executed; the pipeline's outputs as channels.

    Raises:
        DiagnosticsError: the cell does; the finding has its line.
    """
    from kfp.dsl import pipeline_context

    code = pipeline.dsl
    assert code is not None
    space = _space(pipeline, parameters, components, provenance)
    with errors_of(code):
        _execute(code, space)
        current = pipeline_context.Pipeline.get_default_pipeline()
        exact(current.groups[0])
        built.tasks.update(current.tasks)
        return _outputs(pipeline, space)


def _space(
    pipeline: Pipeline,
    parameters: dict[str, Any],
    components: groups.Components,
    provenance: Provenance | None,
) -> dict[str, Any]:
    """What the cell sees."""
    from kfp import dsl

    space: dict[str, Any] = {"__name__": "__kfp_pipeline__", "dsl": dsl}
    if pipeline.dsl is not None and "kubernetes" in pipeline.dsl.source:  # importing it takes a second
        from kfp import kubernetes

        space["kubernetes"] = kubernetes
    exits = places(pipeline).exits
    for node in nodes(pipeline.body):
        name = node.name.replace("-", "_")
        if isinstance(node, External):
            space[name] = callable_external(node, components[node.name], provenance)
        else:
            space[name] = callable_step(pipeline, node, {}, provenance, last=node.name in exits)
    for parameter in pipeline.parameters:
        parameters[parameter.name].channel_type = channel_type(parameter.type)
    return space | parameters


def _execute(code: Code, space: dict[str, Any]) -> None:
    name = _file(code)
    # Where inspect finds the source of components that are defined in the cell.
    linecache.cache[name] = (len(code.source), None, code.source.splitlines(keepends=True), name)
    with _reentrant(), redirect_stdout(sys.stderr):
        exec(compile(code.source, name, "exec", dont_inherit=True), space)  # noqa: S102 - the notebook's own code


def _file(code: Code) -> str:
    return f"<%%pipeline, cell {code.cell + 1}>"


@contextmanager
def _reentrant() -> Iterator[None]:
    """Let the cell define nested pipelines. KFP compiles them where they are defined, one pipeline at a time."""
    from kfp.dsl.pipeline_context import Pipeline as Context

    enter, leave = Context.__enter__, Context.__exit__
    outer: list[Any] = []

    def enter_inner(self: Any) -> Any:
        outer.append(Context._default_pipeline)  # noqa: SLF001 - KFP has no other way to it
        Context._default_pipeline = None  # noqa: SLF001
        return enter(self)

    def leave_inner(self: Any, *error: Any) -> None:
        leave(self, *error)
        Context._default_pipeline = outer.pop()  # noqa: SLF001

    Context.__enter__, Context.__exit__ = enter_inner, leave_inner
    try:
        yield
    finally:
        Context.__enter__, Context.__exit__ = enter, leave


@contextmanager
def errors_of(code: Code) -> Iterator[None]:
    """Report what goes wrong meanwhile as a finding about the cell, with its line where that is known."""
    try:
        yield
    except DiagnosticsError:
        raise
    except Exception as error:
        message, remedy = f"{type(error).__name__}: {error}", ""
        if isinstance(error, JupyterKfpError):
            message, remedy = error.message, error.remedy
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == _file(code)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        finding = Diagnostic("kfp-dsl", Severity.ERROR, message, remedy, cell=code.cell, line=line)
        raise DiagnosticsError([finding]) from error


def _outputs(pipeline: Pipeline, space: dict[str, Any]) -> dict[str, Any]:
    """The channels the pipeline hands out: those in ``outputs``, else the names in the outputs cell."""
    if OUTPUTS in space and OUTPUTS not in {p.name for p in pipeline.parameters}:
        given = space[OUTPUTS]
        if not isinstance(given, dict):
            raise JupyterKfpError(
                f"{OUTPUTS} is a {type(given).__name__}.", "Make it a dict of outputs of tasks."
            )
        return {str(name): _channel(str(name), value) for name, value in given.items()}
    return {output.name: _named(output, space) for output in pipeline.outputs}


def _named(output: PipelineOutput, space: dict[str, Any]) -> Any:
    if output.name not in space:
        raise JupyterKfpError(
            f"The outputs cell lists {output.name!r}, which the %%pipeline cell does not assign.",
            f"Assign it ({output.name} = task.outputs['{output.name}']), or write outputs = {{...}}.",
        )
    return _channel(output.name, space[output.name])


def _channel(name: str, value: Any) -> Any:
    from kfp.dsl import pipeline_channel, pipeline_task

    if isinstance(value, pipeline_task.PipelineTask):
        value = value.output
    if not isinstance(value, pipeline_channel.PipelineChannel):
        raise JupyterKfpError(
            f"The pipeline's output {name!r} is a {type(value).__name__}, not the output of a task.",
            "Assign a task's output to it.",
        )
    if value.task_name is None:
        raise JupyterKfpError(
            f"The pipeline's output {name!r} is a parameter, and KFP only hands out what a task made.",
            "Take it out of the outputs.",
        )
    return value


def output_spec(channel: Any) -> Any:
    """The declaration of a pipeline output that is ``channel``."""
    from kfp.dsl import structures

    kind = "List" if channel.channel_type == "LIST" else channel.channel_type  # as dsl.Collected has it
    return structures.OutputSpec(
        type=kind, is_artifact_list=bool(getattr(channel, "is_artifact_list", False))
    )
