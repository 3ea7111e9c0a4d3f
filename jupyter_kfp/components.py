"""Notebooks as building blocks of pipelines that are written in KFP's own DSL.

::

    from kfp import dsl
    from jupyter_kfp import component_from_notebook, pipeline_from_notebook

    prepare = component_from_notebook("prepare.ipynb")   # one container runs the whole notebook
    train = pipeline_from_notebook("train.ipynb")        # its steps are tasks of a nested pipeline

    @dsl.pipeline
    def nightly(path: str):
        data = prepare(path=path)
        train(rows=data.outputs["rows"], epochs=10)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["component_from_notebook", "pipeline_from_notebook"]


def component_from_notebook(path: str | Path) -> Any:
    """One KFP component that runs the whole notebook from top to bottom in one container.

    Its inputs are the notebook's parameters, its outputs the names in the notebook's ``outputs`` cell
    (``task.outputs["name"]``, or ``task.output`` where there is one). Its options are those of the
    notebook's cells. Notebooks of other kernels than Python's run in theirs: see
    `jupyter_kfp.notebook.kernels`.

    Raises:
        NotebookError: the file is no notebook, or has control flow.
        DiagnosticsError: the notebook has errors.

    Calling the component with an input it does not have, or without one it needs, raises an error that
    names it (a TypeError, and a UsageError).
    """
    from jupyter_kfp.compiler.callables import step_component
    from jupyter_kfp.notebook.source import read_notebook
    from jupyter_kfp.notebook.whole import whole_notebook

    return _named(step_component(whole_notebook(read_notebook(Path(path)))), path)


def pipeline_from_notebook(path: str | Path) -> Any:
    """The pipeline of the notebook as a KFP component: a nested pipeline wherever it is called.

    Its inputs are the notebook's parameters, its outputs the names in the ``outputs`` cell.

    Raises:
        NotebookError: the file cannot be read as a notebook.
        DiagnosticsError: the notebook has errors, or KFP cannot express what it asks for.

    Calls are checked as those of `component_from_notebook`.
    """
    from jupyter_kfp.compiler.callables import pipeline_component
    from jupyter_kfp.notebook import analyze_file

    return _named(pipeline_component(analyze_file(Path(path)).checked()), path)


def _named(component: Any, path: str | Path) -> Any:
    """Call the component after the file, as its tasks will be."""
    name = Path(path).stem
    component.component_spec.name = component.name = name
    return component
