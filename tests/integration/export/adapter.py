"""The equivalence tests' interpreter of the IR, for exported pipelines as plain kfp compiles them.

Their steps are lightweight components: KFP's own executor calls the function, in a forked child.
"""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat

from tests.integration.equivalence import run_all as whole
from tests.integration.equivalence.fast import FastPipeline
from tests.integration.equivalence.harness import own_folder, run_whole, write_files
from tests.integration.equivalence.outcome import PipelineRun, Refused, Verdict, judge
from tests.integration.equivalence.zygote import Ended, Zygote

HELPERS = "jupyter_kfp.compiler.export.helpers"


def compare_exported(
    notebook: nbformat.NotebookNode,
    zygote: Zygote,
    directory: Path,
    params: dict[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> Verdict:
    """Run All, and the exported pipeline, without kernels."""
    path = directory / "notebook.ipynb"
    nbformat.write(notebook, path)
    write_files(files, directory)
    ir = exported_ir(path)
    redirected = Redirected(zygote)
    pipeline: PipelineRun | Refused
    if isinstance(ir, Refused):
        pipeline = ir
    else:
        fast = FastPipeline(ir, redirected, directory / "pipeline")  # type: ignore[arg-type]
        pipeline = fast.run(own_folder(params, directory / "pipeline-folder"))
    return judge(run_whole(notebook, redirected, directory, params, pipeline, files), pipeline)  # type: ignore[arg-type]


def exported_ir(path: Path) -> str | Refused:
    """The notebook at ``path`` exported, and compiled by kfp; or the errors."""
    from jupyter_kfp import load
    from jupyter_kfp.errors import DiagnosticsError, Severity

    target = path.with_name("exported.py")
    try:
        load(path).export(target)
    except DiagnosticsError as refused:
        errors = [d for d in refused.diagnostics if d.severity is Severity.ERROR]
        return Refused(tuple(f"{d.code}: {d.message}" for d in errors))
    return compiled_by_kfp(target)


def compiled_by_kfp(file: Path) -> str:
    """The IR of the only pipeline that a Python file compiles when it is run."""

    before = Path.cwd()
    os.chdir(file.parent)
    try:
        runpy.run_path(str(file), run_name="__main__")
    finally:
        os.chdir(before)
    (made,) = file.parent.glob("*.yaml")
    return made.read_text()


class Redirected:
    """A zygote whose children are lightweight components, and read what these wrote."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote

    def call(self, target: str, /, cwd: Path, **arguments: Any) -> Ended:
        """As `Zygote.call`, with this module's functions in the place of those of the equivalence tests."""
        return self._zygote.call(f"{__name__}:{target.rpartition(':')[2]}", cwd, **arguments)


def run_step(command: list[str], arguments: list[str]) -> None:
    """Be the container of a lightweight component; ends with SystemExit."""
    from kfp.dsl.executor import Executor

    message = json.loads(arguments[arguments.index("--executor_input") + 1])
    file = Path("ephemeral_component.py")
    file.write_text(command[-1])
    spec = importlib.util.spec_from_file_location("ephemeral_component", file.absolute())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ephemeral_component"] = module
    spec.loader.exec_module(module)
    function = getattr(module, arguments[arguments.index("--function_to_execute") + 1])
    try:
        Executor(message, function).execute()
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - reported as the engine does
        import traceback

        traceback.print_exc()
        told = {"type": type(error).__name__, "message": str(error), "cell": None}
        Path(message["outputs"]["outputFile"]).write_text(json.dumps({"error": told}))
        sys.exit(1)


def run_all(
    cells: Sequence[tuple[int | None, str]], names: Sequence[str], results: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """As the equivalence tests' own, reading what exported components wrote."""
    from jupyter_kfp.runtime import serializers

    load_value = importlib.import_module(HELPERS).load_value

    def load(path: Path, metadata: dict[str, Any], space: dict[str, Any], uri: str = "") -> Any:
        artifact = ModuleType("artifact")
        artifact.__dict__.update(path=str(path), metadata=metadata, uri=uri)
        sys.modules["notebook_code"] = ModuleType("notebook_code")
        sys.modules["notebook_code"].__dict__.update(space)
        if "stored_as" not in metadata:
            return original(path, metadata, space, uri)
        return load_value(artifact)

    original, serializers.load = serializers.load, load
    return whole.run_all(cells, names, results)


__all__ = ["compare_exported", "compiled_by_kfp", "exported_ir"]
