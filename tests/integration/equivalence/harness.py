"""A notebook both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from .case import output_names
from .fast import FastPipeline
from .outcome import PipelineRun, Refused, Verdict, judge
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
    notebook: nbformat.NotebookNode, zygote: Zygote, directory: Path, params: dict[str, Any] | None = None
) -> Verdict:
    """Run All and the pipeline, without kernels. ``$TMP`` among ``params`` is a directory of each side."""
    path = directory / "notebook.ipynb"
    nbformat.write(notebook, path)
    ir, warnings = compiled(path)
    pipeline: PipelineRun | Refused
    if isinstance(ir, Refused):
        pipeline = ir
    else:
        run = directory / "pipeline"
        pipeline = FastPipeline(ir, zygote, run).run(own_folder(params, directory / "pipeline-folder"))
    whole = run_whole(notebook, zygote, directory, params, pipeline)
    verdict = judge(whole, pipeline)
    return Verdict(verdict.kind, verdict.detail, warnings)


def run_whole(
    notebook: nbformat.NotebookNode,
    zygote: Zygote,
    directory: Path,
    params: dict[str, Any] | None,
    pipeline: PipelineRun | Refused,
) -> dict[str, Any]:
    """Run All, and the pipeline's results described beside its own."""
    work = directory / "whole"
    work.mkdir()
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


def own_folder(params: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    """``params`` with ``$TMP`` being ``folder``, which is made."""
    folder.mkdir(exist_ok=True)
    return {name: str(folder) if value == "$TMP" else value for name, value in (params or {}).items()}
