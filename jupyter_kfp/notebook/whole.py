"""A notebook as one step that runs all of it, from top to bottom."""

from __future__ import annotations

from dataclasses import replace

from jupyter_kfp.errors import NotebookError
from jupyter_kfp.notebook import analyze
from jupyter_kfp.notebook.header import read_header
from jupyter_kfp.notebook.reading import Reading
from jupyter_kfp.notebook.roles import assign_roles
from jupyter_kfp.notebook.source import Cell, Notebook
from jupyter_kfp.options import StepOptions, merge
from jupyter_kfp.pipeline import FromParameter, Input, Pipeline, Step

STEP = "notebook"


def whole_notebook(notebook: Notebook) -> Pipeline:
    """A pipeline of one step with all cells of ``notebook``, in their order.

    Its parameters are those of the notebook, its outputs the names in the outputs cell. The step has
    the options of all steps of the notebook together, where they differ those of the last. A notebook of
    another kernel than Python's is one step in any case (see `jupyter_kfp.notebook.kernels`).

    Raises:
        NotebookError: the notebook has control flow, which one step cannot have.
        DiagnosticsError: it has errors.
    """
    if notebook.kernel is not None:
        return analyze(notebook).checked()
    reading = assign_roles(notebook)
    _refuse_control_flow(reading)
    own = {cell.cell for cell in reading.preamble} | {c.cell for s in reading.steps for c in s.cells}
    cells = tuple(_body(cell) if cell.index in own else cell for cell in notebook.cells)
    pipeline = analyze(replace(notebook, cells=cells)).checked()
    options = merge(*(s.options for s in pipeline.steps), *(s.options for s in reading.steps))
    return replace(pipeline, body=tuple(_with_all(pipeline, step, options) for step in pipeline.steps))


def _with_all(pipeline: Pipeline, step: Step, options: StepOptions) -> Step:
    """The step with every parameter of the notebook as an input, also those that no cell reads."""
    read = {variable.name for variable in step.inputs}
    unread = (p for p in pipeline.parameters if p.name not in read)
    more = (Input(p.name, p.type, FromParameter(p.name)) for p in unread)
    return replace(step, inputs=(*step.inputs, *more), options=options)


def _body(cell: Cell) -> Cell:
    """The cell as a part of the only step, whatever it was; its lines keep their numbers."""
    return replace(cell, source=read_header(cell.source).code, tags=(f"step:{STEP}",), metadata={})


def _refuse_control_flow(reading: Reading) -> None:
    first = next((step for step in reading.steps if step.control), None)
    cell = reading.dsl.cell if reading.dsl else first.cells[0].cell if first else None
    if cell is not None:
        raise NotebookError(
            f"{reading.notebook.name} has control flow (cell {cell + 1}), which one step cannot have.",
            "Take the notebook as a pipeline: jupyter_kfp.pipeline_from_notebook.",
        )
