"""Notebooks of tests, written as text: ``# %% step:a`` begins a cell and gives its tags."""

from __future__ import annotations

import json
import textwrap

from jupyter_kfp.notebook import Analysis, analyze
from jupyter_kfp.notebook.source import parse_notebook
from jupyter_kfp.pipeline import FromStep, Step


def analysis_of(text: str) -> Analysis:
    """Analyze the notebook that ``text`` writes down."""
    cells = []
    for block in ("\n" + textwrap.dedent(text).strip("\n")).split("\n# %%")[1:]:
        header, _, source = block.partition("\n")
        cells.append(
            {
                "cell_type": "code",
                "metadata": {"tags": header.split()},
                "source": source.strip("\n"),
                "outputs": [],
                "execution_count": None,
            }
        )
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return analyze(parse_notebook(json.dumps(document), "t"))


def sources(step: Step) -> dict[str, str]:
    """Each input of a step with the step it comes from; "" for a pipeline parameter."""
    return {i.name: i.source.step if isinstance(i.source, FromStep) else "" for i in step.inputs}


def types(step: Step) -> dict[str, str]:
    """Each output of a step with its type."""
    return {o.name: str(o.type) for o in step.outputs}


def codes(analysis: Analysis) -> list[str]:
    """The codes of all diagnostics."""
    return [d.code for d in analysis.diagnostics]
