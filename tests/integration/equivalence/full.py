"""The notebook as a pipeline, as users run it: the detached engine, a process and a kernel per step.

Its Run All is a kernel's, too, so that this mode also vouches for the shells of the fast one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .case import output_names
from .container import as_carried
from .harness import own_folder, write_files
from .outcome import Failure, PipelineRun, Refused, Verdict, judge
from .run_all import code_cells, described


def compare_full(
    notebook: nbformat.NotebookNode, directory: Path, params: dict[str, Any], files: Mapping[str, str]
) -> Verdict:
    """Run All in one kernel, the pipeline by the engine. ``JUPYTER_KFP_HOME`` is the caller's to set."""
    path = directory / "notebook.ipynb"
    nbformat.write(notebook, path)
    write_files(files, directory)
    write_files(files, directory / "whole")
    pipeline = _run_pipeline(path, own_folder(params, directory / "pipeline-folder"))
    results = pipeline.results if isinstance(pipeline, PipelineRun) else {}
    cells = code_cells(notebook, own_folder(params, directory / "whole-folder"))
    return judge(_run_kernel(cells, output_names(notebook), results, directory), pipeline)


def _run_pipeline(path: Path, params: dict[str, Any]) -> PipelineRun | Refused:
    from jupyter_kfp import load
    from jupyter_kfp.errors import DiagnosticsError, Severity
    from jupyter_kfp.store.records import State

    try:
        run = load(path).run(**params)
    except DiagnosticsError as refused:
        return Refused(
            tuple(f"{d.code}: {d.message}" for d in refused.diagnostics if d.severity is Severity.ERROR)
        )
    # A skipped step has a failure to show, too: that of another step.
    ended = {name: step.record for name, step in run.steps.items() if step.state is State.FAILED}
    found = {name: record.failure for name, record in ended.items()}
    failures = {
        name: Failure(failure.type or "", failure.message, failure.cell)
        for name, failure in found.items()
        if failure is not None
    }
    assert run.state.is_success is not bool(failures), run.error
    outputs = dict(run.outputs) if run.state.is_success else {}
    return PipelineRun({name: _result(value) for name, value in outputs.items()}, failures)


def _result(value: Any) -> dict[str, Any]:
    """An output as ``PipelineRun`` has it."""
    from jupyter_kfp.runs import StoredArtifact

    match value:
        case StoredArtifact():
            return {"artifact": {"uri": str(value.path), "metadata": dict(value.metadata)}}
        case [StoredArtifact(), *_]:
            return {"artifacts": [_result(item)["artifact"] for item in value]}
        case _:
            # The types of items are not told, and a cluster gives whole numbers among them as ints.
            return {"value": as_carried(value, _kind(value)), "type": _kind(value)}


def _kind(value: Any) -> str:
    """KFP's type of a parameter, which the run does not say."""
    kinds: dict[type, str] = {
        bool: "BOOLEAN",
        int: "NUMBER_INTEGER",
        float: "NUMBER_DOUBLE",
        list: "LIST",
        dict: "STRUCT",
    }
    return kinds.get(type(value), "STRING")


def _run_kernel(
    cells: list[tuple[int | None, str]], names: list[str], results: dict[str, Any], directory: Path
) -> dict[str, Any]:
    if any(source.startswith("%%component") for _, source in cells):
        cells = [(None, "%load_ext jupyter_kfp"), *cells]
    answer = directory / "whole.json"
    arguments = repr(json.dumps([names, results]))
    report = f"__import__({__name__!r}, fromlist='x').report({str(answer)!r}, {arguments}, globals())"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in [*(source for _, source in cells), report]]
    )
    work = directory / "whole"
    work.mkdir(exist_ok=True)
    try:
        NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(work)}}).execute()
    except CellExecutionError as error:
        position = next(i for i, cell in enumerate(notebook.cells) if _failed(cell))
        cell = cells[position][0] if position < len(cells) else None
        return {"error": {"type": error.ename, "message": error.evalue, "cell": cell}}
    whole: dict[str, Any] = json.loads(answer.read_text())
    return whole


def _failed(cell: nbformat.NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def report(answer: str, arguments: str, space: dict[str, Any]) -> None:
    """Called by the last cell of Run All, in its kernel: describe all outputs into the file ``answer``."""
    names, results = json.loads(arguments)
    Path(answer).write_text(json.dumps(described(space, names, results)))
