"""A Jupyter notebook as a Kubeflow pipeline.

::

    import jupyter_kfp

    pipeline = jupyter_kfp.load("quickstart.ipynb")
    pipeline.check()                      # what would not travel, and what to do about it
    run = pipeline.run(trees=50)          # here, each step in a process of its own
    run.outputs["accuracy"]
    run["train_forest"].artifacts["forest"].load()
    pipeline.compile("quickstart.yaml")   # the same pipeline, for Kubeflow Pipelines

In a notebook, ``%load_ext jupyter_kfp`` adds ``%%component`` and ``%kfp``.

Everything is imported when it is first used, so that loading the extension costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_kfp.api import Run, load, run, submit
    from jupyter_kfp.components import component_from_notebook, pipeline_from_notebook
    from jupyter_kfp.errors import Diagnostic, DiagnosticsError, JupyterKfpError, NotebookError, UsageError
    from jupyter_kfp.magics import load_ipython_extension, unload_ipython_extension
    from jupyter_kfp.remote.trigger import trigger
    from jupyter_kfp.runtime.artifacts import (
        HTML,
        Artifact,
        ClassificationMetrics,
        Dataset,
        Markdown,
        Metrics,
        Model,
    )

__version__ = "0.1.0"

__all__ = [
    "HTML",
    "Artifact",
    "ClassificationMetrics",
    "Dataset",
    "Diagnostic",
    "DiagnosticsError",
    "JupyterKfpError",
    "Markdown",
    "Metrics",
    "Model",
    "NotebookError",
    "Run",
    "UsageError",
    "component_from_notebook",
    "load",
    "load_ipython_extension",
    "pipeline_from_notebook",
    "run",
    "submit",
    "trigger",
    "unload_ipython_extension",
]

_HOMES = {
    "jupyter_kfp.api": ("Run", "load", "run", "submit"),
    "jupyter_kfp.components": ("component_from_notebook", "pipeline_from_notebook"),
    "jupyter_kfp.errors": ("Diagnostic", "DiagnosticsError", "JupyterKfpError", "NotebookError", "UsageError"),
    "jupyter_kfp.magics": ("load_ipython_extension", "unload_ipython_extension"),
    "jupyter_kfp.remote.trigger": ("trigger",),
    "jupyter_kfp.runtime.artifacts": (
        "Artifact", "ClassificationMetrics", "Dataset", "HTML", "Markdown", "Metrics", "Model",
    ),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "runs":  # a module that is part of the interface
        return import_module("jupyter_kfp.runs")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
