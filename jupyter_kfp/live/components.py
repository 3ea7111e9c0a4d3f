"""``--from FILE``: somebody's component, run on this machine as a pipeline of one task."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import Severity
from jupyter_kfp.live.errors import LiveError
from jupyter_kfp.live.inputs import check_names, typed
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import (
    ArtifactType,
    Code,
    Constant,
    External,
    FromStep,
    Input,
    Node,
    Output,
    Parameter,
    Pipeline,
    PipelineOutput,
    Step,
)

if TYPE_CHECKING:
    from jupyter_kfp.notebook.externals import Interface, Port
    from jupyter_kfp.runs import Run, StoredArtifact

_LOG_LINES = 20


def run_component(
    component: str,
    directory: Path,
    name: str,
    given: Mapping[str, Any],
    space: dict[str, Any],
    options: StepOptions | None = None,
) -> dict[str, Any]:
    """Run the component or pipeline in KFP's YAML that ``component`` names; its outputs by name.

    Args:
        component: A file, relative to ``directory``, or an http(s) URL.
        directory: The notebook's.
        name: The step's.
        given: The inputs. For an artifact it is an artifact object, or any value that can travel.
        space: The notebook's namespace, which such values may refer to.
        options: Those of the step.

    Raises:
        LiveError: an input is not what it takes, or the run failed.
        JupyterKfpError: there is no such component, or this machine cannot run it; it says what is missing.
    """
    from jupyter_kfp.compiler import compile_pipeline, diagnose
    from jupyter_kfp.engine import launch
    from jupyter_kfp.notebook.control import CellControl
    from jupyter_kfp.notebook.externals import interface
    from jupyter_kfp.notebook.naming import free_name
    from jupyter_kfp.runs import Run

    spec = interface(CellControl(component=component), directory, _no_notebook)
    required = [port for port, each in spec.inputs.items() if each.required]
    where = component.rpartition("/")[2]
    check_names(where, "input", given, list(spec.inputs), required)
    # A run reads what it is given from files; they are copied into it before it ends.
    with tempfile.TemporaryDirectory(prefix="jupyter-kfp-") as files:
        values = _Values(Path(files), space, free_name("inputs", {name}))
        pipeline = _pipeline(spec, name, where, given, values, options or StepOptions())
        for finding in diagnose(pipeline):
            if finding.severity is Severity.WARNING:
                print(f"Warning: {finding.message} {finding.remedy}", file=sys.stderr)  # noqa: T201 - to the cell's output
        handle = launch.start(compile_pipeline(pipeline), options=launch.RunOptions(source_dir=directory))
        run = Run(handle.id, handle).wait()
    if run.state.value != "SUCCEEDED":
        raise LiveError(f"{where} failed: {run.error or run.state.value}", "", _log(run))
    outputs = run.outputs
    names = [port for port in spec.outputs if port.isidentifier() and outputs.get(port) is not None]
    return {name: _value(outputs[name]) for name in names}


def _no_notebook(path: Path) -> Pipeline:
    raise AssertionError(f"--from names no notebook, but {path}")


class _Values:
    """Values of the live kernel as artifacts: files, and the code of a step that reads them."""

    def __init__(self, directory: Path, space: dict[str, Any], name: str) -> None:
        self._directory, self._space, self.name = directory, space, name
        self.lines: list[str] = []
        self.outputs: list[Output] = []

    def add(self, where: str, name: str, port: Port, value: Any) -> FromStep:
        """Write ``value``, which becomes an output of the step ``name``."""
        from jupyter_kfp.runtime import serializers

        if port.type.many:
            message = f"{where}: input `{name}` takes a list of artifacts, which only a pipeline can give it."
            raise LiveError(message, "Run the notebook as a pipeline: %kfp run.")
        file = self._directory / name
        try:
            metadata = serializers.save(value, file, (), self._space)
        except Exception as error:  # noqa: BLE001 - each library refuses in its own way
            message = f"{where}: the value of `{name}` ({type(value).__qualname__}) cannot travel: {error}."
            raise LiveError(message, "Give it an artifact, or a value that can be saved.") from None
        self.lines.append(f"{name} = load(Path({str(file)!r}), {metadata!r}, globals())")
        self.outputs.append(Output(name, port.type))
        return FromStep(self.name, name)

    def step(self) -> Step:
        """The step that reads the files."""
        imports = "from pathlib import Path\nfrom jupyter_kfp.runtime.serializers import load\n"
        return Step(self.name, (Code(imports + "\n".join(self.lines), 0),), outputs=tuple(self.outputs))


def _pipeline(
    spec: Interface,
    name: str,
    where: str,
    given: Mapping[str, Any],
    values: _Values,
    options: StepOptions,
) -> Pipeline:
    from jupyter_kfp.notebook.naming import pipeline_name

    inputs: list[Input] = []
    for port, value in given.items():
        declared = spec.inputs[port]
        if not declared.type.is_parameter:
            inputs.append(Input(port, declared.type, values.add(where, port, declared, value)))
        elif value is not None or declared.required:
            parameter = Parameter(port, declared.type, required=declared.required)
            inputs.append(Input(port, declared.type, Constant(typed(where, "input", value, parameter))))
    outputs = tuple(Output(port, kind) for port, kind in spec.outputs.items())
    external = External(name, spec.component, tuple(inputs), outputs, options=options)
    body: tuple[Node, ...] = (values.step(), external) if values.lines else (external,)
    results = tuple(PipelineOutput(o.name, o.type, FromStep(name, o.name)) for o in outputs)
    return Pipeline(pipeline_name(name), body, outputs=results)


def _value(output: Any) -> Any:
    """An output as the cell's name stands for it: a parameter's value, an artifact object, a list of these."""
    from jupyter_kfp.runs import StoredArtifact

    match output:
        case StoredArtifact():
            return _artifact(output)
        case list():
            return [_value(item) for item in output]
        case _:
            return output


def _artifact(stored: StoredArtifact) -> Any:
    from jupyter_kfp.runtime import artifacts

    known = stored.record.type.rpartition(".")[2]
    kind = known if known in {each.value for each in ArtifactType} else ArtifactType.ARTIFACT.value
    return getattr(artifacts, kind)(stored.record.name, str(stored.path), dict(stored.metadata))


def _log(run: Run) -> tuple[str, ...]:
    """The end of what the step that failed printed."""
    failed = (step for step in run.steps.values() if step.error is not None)
    log = next((step.log for step in failed), "")
    return tuple(log.splitlines()[-_LOG_LINES:])
