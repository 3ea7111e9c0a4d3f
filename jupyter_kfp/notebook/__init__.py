"""From a notebook to a Pipeline: reading cells, dataflow, types, diagnostics."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_kfp.errors import Diagnostic, DiagnosticsError, NotebookError, Severity
from jupyter_kfp.notebook.checks import check_side_channels
from jupyter_kfp.notebook.kernels import read_foreign
from jupyter_kfp.notebook.pickles import check_pickles
from jupyter_kfp.notebook.pitfalls import check_pitfalls
from jupyter_kfp.notebook.ports import PortBuilder
from jupyter_kfp.notebook.roles import Reading, assign_roles
from jupyter_kfp.notebook.secrets import Owner, check_secrets, discreet
from jupyter_kfp.notebook.source import Notebook, parse_notebook, read_notebook
from jupyter_kfp.notebook.spellings import Findings, cell_metadata
from jupyter_kfp.notebook.structure import Structure
from jupyter_kfp.pipeline import Code, Pipeline

__all__ = ["Analysis", "analyze", "analyze_content", "analyze_file"]


@dataclass(frozen=True)
class Analysis:
    """What a notebook says, and what is wrong with it; ``pipeline`` is only usable without errors."""

    reading: Reading
    pipeline: Pipeline
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing found is an error."""
        return not any(d.severity is Severity.ERROR for d in self.diagnostics)

    def checked(self) -> Pipeline:
        """The pipeline. Raises DiagnosticsError where the notebook has errors."""
        if not self.ok:
            raise DiagnosticsError(self.diagnostics)
        return self.pipeline


def analyze_file(path: Path) -> Analysis:
    """Analyze the notebook at ``path``. Raises NotebookError where it cannot be read."""
    return _quietly(read_notebook(path), (path.resolve(),))


def analyze_content(path: Path, content: Mapping[str, Any]) -> Analysis:
    """Analyze the JSON of a notebook that is being edited and belongs at ``path``. Raises NotebookError."""
    notebook = parse_notebook(json.dumps(content), path.name.removesuffix(".ipynb"))
    # realpath() would lead to files beside what a link leads to.
    return _quietly(replace(notebook, directory=path.absolute().parent), (path.resolve(),))


def analyze(notebook: Notebook) -> Analysis:
    """Analyze a notebook: nothing is executed or imported; notebooks and components it names are read."""
    return _quietly(notebook, ())


def _quietly(notebook: Notebook, above: tuple[Path, ...]) -> Analysis:
    with warnings.catch_warnings():
        # Python's remarks on the source (`'\\#'` is no escape) are for when it is executed.
        warnings.simplefilter("ignore")
        return _analyze(notebook, above)


def _analyze(notebook: Notebook, above: tuple[Path, ...]) -> Analysis:
    def open_notebook(path: Path) -> Pipeline:
        return _nested(path, above)

    if notebook.kernel is not None:
        reading, pipeline = read_foreign(notebook)
        return Analysis(reading, pipeline, (*reading.diagnostics, *_secrets_in_foreign(notebook, pipeline)))
    reading = assign_roles(notebook)
    flow = Structure(reading, open_notebook)
    flow.run()
    builder = PortBuilder(flow)
    pipeline = builder.build()
    if reading.dsl is not None:
        pipeline = replace(pipeline, dsl=Code(reading.dsl.source, reading.dsl.cell))
    owners = [Owner(step.name, step.options, tuple(c.cell for c in step.cells)) for step in reading.steps]
    found = {
        *notebook.findings,
        *reading.diagnostics,
        *flow.diagnostics,
        *builder.diagnostics,
        *check_side_channels(reading, flow.imports),
        *check_pitfalls(reading, pipeline),
        *check_pickles(reading, pipeline),
        *check_secrets(notebook, owners, reading.allow_secret, reading.description),
    }
    order = sorted(
        discreet(found), key=lambda d: (d.cell if d.cell is not None else -1, d.line or 0, d.code, d.message)
    )
    return Analysis(reading, pipeline, tuple(notebook.located(diagnostic) for diagnostic in order))


def _secrets_in_foreign(notebook: Notebook, pipeline: Pipeline) -> tuple[Diagnostic, ...]:
    """Credentials in a notebook of another kernel, whose cells can have options in their metadata alone."""
    findings = Findings()
    layers = {cell.index: cell_metadata(cell.metadata, cell.index, findings) for cell in notebook.cells}
    allowed = {index: layer.allow_secret for index, layer in layers.items() if layer.allow_secret}
    owners = [
        Owner(step.name, step.options, tuple(code.cell for code in step.body)) for step in pipeline.steps
    ]
    return tuple(check_secrets(notebook, owners, allowed, pipeline.description))


def _nested(path: Path, above: tuple[Path, ...]) -> Pipeline:
    """The pipeline of a notebook that another one names. ``above`` are those that contain it."""
    place = path.resolve()
    if place in above:
        raise NotebookError(f"{path.name} contains itself.", "Break the circle.")
    analysis = _quietly(read_notebook(path), (*above, place))
    errors = [d for d in analysis.diagnostics if d.severity is Severity.ERROR]
    if errors:
        first = errors[0]
        where = f"cell {first.cell + 1}: " if first.cell is not None else ""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise NotebookError(
            f"{path.name} has errors: {where}{first.message}{more}", f"See `jupyter kfp check {path.name}`."
        )
    return analysis.pipeline
