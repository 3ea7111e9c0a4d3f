"""A notebook both ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from .case import output_names
from .fast import FastPipeline
from .outcome import Kind, PipelineRun, Refused, Verdict, judge
from .run_all import code_cells
from .zygote import Zygote


def compiled(path: Path) -> tuple[str | Refused, tuple[str, ...]]:
    """The IR of the notebook at ``path``, or its errors; and its warnings."""
    from jupyter_kfp.compiler import compile_pipeline
    from jupyter_kfp.errors import DiagnosticsError, Severity
    from jupyter_kfp.notebook import analyze_file

    analysis = analyze_file(path)
    warnings = tuple(f"{d.code}: {d.message}" for d in analysis.diagnostics if d.severity is Severity.WARNING)
    try:
        return compile_pipeline(analysis.checked()), warnings
    except DiagnosticsError as refused:
        errors = [d for d in refused.diagnostics if d.severity is Severity.ERROR]
        return Refused(tuple(f"{d.code}: {d.message}" for d in errors)), warnings


def compare_fast(
    notebook: nbformat.NotebookNode,
    zygote: Zygote,
    directory: Path,
    params: dict[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> Verdict:
    """Run All and the pipeline, without kernels. ``$TMP`` among ``params`` is a directory of each side.

    ``files`` stand beside the notebook.
    """
    path = directory / "notebook.ipynb"
    nbformat.write(notebook, path)
    write_files(files, directory)
    ir, warnings = compiled(path)
    pipeline: PipelineRun | Refused
    if isinstance(ir, Refused):
        pipeline = ir
    else:
        run = directory / "pipeline"
        pipeline = FastPipeline(ir, zygote, run).run(own_folder(params, directory / "pipeline-folder"))
    whole = run_whole(notebook, zygote, directory, params, pipeline, files)
    verdict = judge(whole, pipeline)
    if verdict.kind is Kind.EQUAL:
        left = [files_left(directory / side) for side in ("whole-folder", "pipeline-folder")]
        if left[0] != left[1]:
            verdict = Verdict(
                Kind.DIFFERENT, f"files of Run All: {left[0]}\nfiles of the pipeline: {left[1]}"
            )
    return Verdict(verdict.kind, verdict.detail, warnings)


def run_whole(
    notebook: nbformat.NotebookNode,
    zygote: Zygote,
    directory: Path,
    params: dict[str, Any] | None,
    pipeline: PipelineRun | Refused,
    files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run All, and the pipeline's results described beside its own."""
    work = directory / "whole"
    work.mkdir()
    write_files(files, work)
    ended = zygote.call(
        f"{__package__}.run_all:run_all",
        work,
        cells=code_cells(notebook, own_folder(params, directory / "whole-folder")),
        names=output_names(notebook),
        results=pipeline.results if isinstance(pipeline, PipelineRun) else {},
    )
    assert ended.value is not None, f"Run All died with status {ended.status}:\n{ended.printed}"
    whole: dict[str, Any] = ended.value
    return whole


def write_files(files: Mapping[str, str] | None, directory: Path) -> None:
    """Write what stands beside a notebook."""
    for name, content in (files or {}).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, "utf-8")


def files_left(folder: Path) -> dict[str, str]:
    """What a notebook wrote to the folder it was given: the one result of an exit step."""
    return {
        path.name: path.read_text("utf-8", errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def own_folder(params: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    """``params`` with ``$TMP`` being ``folder``, which is made."""
    folder.mkdir(exist_ok=True)
    return {name: str(folder) if value == "$TMP" else value for name, value in (params or {}).items()}
