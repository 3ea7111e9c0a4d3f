"""Notebooks of other kernels than Python's: one step that runs all of it in its own kernel.

papermill executes the notebook and hands it parameters in its own language: the parameters of the
pipeline by their names, and for every output ``NAME`` the path ``NAME_path`` of the file to write. An
output that is a parameter (``int``, ``str``...) is written as text, anything but a ``str`` as JSON.

Parameters are the assignments of literals in the cell tagged ``parameters``. Outputs are declared in
``notebook.metadata.kfp`` (``{"outputs": {"rows": "int", "table": "Dataset"}}``) or in a cell tagged
``outputs``, which is not executed: ``rows: int`` on each line, without a type an Artifact.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from typing import Any

from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.evidence import literal_type, named_type
from jupyter_kfp.notebook.naming import description, pipeline_name
from jupyter_kfp.notebook.reading import Reading
from jupyter_kfp.notebook.source import Cell, Notebook
from jupyter_kfp.notebook.spellings import Findings, StepLayers, notebook_metadata
from jupyter_kfp.options import PipelineOptions
from jupyter_kfp.pipeline import (
    ArtifactType,
    Code,
    FromParameter,
    FromStep,
    Input,
    Json,
    Output,
    Parameter,
    ParameterType,
    Pipeline,
    PipelineOutput,
    Step,
    ValueType,
)

STEP = "notebook"

_ASSIGNMENT = re.compile(r"\s*(?:(?:val|var|local|export|const)\s+)?([A-Za-z]\w*)\s*(?:<-|=)\s*(.*?)\s*;?\s*")
_COMMENT = re.compile(r"\s+(#|//|%).*")
_WORDS: dict[str, Json] = {
    "TRUE": True, "true": True, "FALSE": False, "false": False, "NULL": None, "null": None, "nothing": None,
}  # fmt: skip
_OUTPUT = re.compile(r"([A-Za-z]\w*)(?:\s*:\s*(\w+))?")


def read_foreign(notebook: Notebook) -> tuple[Reading, Pipeline]:
    """What a notebook says whose kernel is not Python's; ``diagnostics`` of the reading are what is wrong."""
    findings = Findings()
    options, layer = notebook_metadata(notebook.metadata, findings)
    defaults = StepLayers(STEP, findings).merged(layer.options())
    parameters = [
        p for cell in _tagged(notebook, "parameters") for p in _parameters(cell, notebook, findings)
    ]
    outputs = [*_types(defaults.outputs.items(), None, findings)]
    for cell in _tagged(notebook, "outputs"):
        lines = (_OUTPUT.fullmatch(line.partition("#")[0].strip()) for line in cell.source.splitlines())
        outputs += _types(((m[1], m[2] or "") for m in lines if m), cell.index, findings)
    apart = {"parameters", "outputs", "skip"}
    body = [c for c in notebook.cells if c.kind == "code" and c.source.strip() and not apart & set(c.tags)]
    step = Step(
        STEP,
        tuple(Code(cell.source, cell.index) for cell in body),
        inputs=tuple(Input(p.name, p.type, FromParameter(p.name)) for p in parameters),
        outputs=tuple(outputs),
        options=defaults,
        kernel=notebook.kernel,
    )
    name = pipeline_name(options.name or notebook.name) or "pipeline"
    text = options.description or description(notebook)
    results = tuple(PipelineOutput(o.name, o.type, FromStep(STEP, o.name)) for o in outputs)
    pipeline = Pipeline(
        name, (step,) if body else (), tuple(parameters), results if body else (), text, options
    )
    return _reading(notebook, options, name, text, findings), pipeline


def _reading(
    notebook: Notebook, options: PipelineOptions, name: str, text: str, findings: Findings
) -> Reading:
    return Reading(notebook, (), (), (), (), (), options, name, text, tuple(findings.items))


def _tagged(notebook: Notebook, tag: str) -> list[Cell]:
    return [cell for cell in notebook.cells if cell.kind != "markdown" and tag in cell.tags]


def _parameters(cell: Cell, notebook: Notebook, findings: Findings) -> Iterator[Parameter]:
    shell = notebook.kernel is not None and notebook.kernel.language == "bash"
    for number, line in enumerate(cell.source.splitlines(), 1):
        found = _ASSIGNMENT.fullmatch(line)
        if not found:
            continue
        try:
            value = _literal(found[2], shell=shell)
        except ValueError:
            findings.items.append(
                diagnostic(
                    "K301",
                    f"the value of `{found[1]}` is not a number, a text or a truth value.",
                    cell=cell.index,
                    line=number,
                )
            )
            continue
        kind = literal_type(value) or ValueType(ParameterType.STRING)
        yield Parameter(found[1], kind, value, False, cell.index, number)


def _literal(text: str, *, shell: bool) -> Json:
    """The value of a literal in any of the languages. Raises ValueError for anything else."""
    if shell:
        words = shlex.split(text, comments=True)
        if len(words) > 1 or "$" in text or "(" in text:
            raise ValueError(text)
        text = words[0] if words else ""
        if not re.fullmatch(r"-?\d+(\.\d+)?|true|false", text):
            return text
    text = text if text[:1] in {'"', "'"} and text[-1:] == text[:1] else _COMMENT.sub("", text)
    if text in _WORDS:
        return _WORDS[text]
    try:
        value: Any = ast.literal_eval(re.sub(r"^(-?\d+)L$", r"\1", text))
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(text) from error
    match value:
        case bool() | int() | float() | str():
            return value
    raise ValueError(text)


def _types(declared: Any, cell: int | None, findings: Findings) -> Iterator[Output]:
    for name, text in declared:
        kind = named_type(text) if text else ValueType(ArtifactType.ARTIFACT)
        if kind is None:
            findings.error(
                "K302", f"{text!r}, the type of the output {name!r}, is none.", "Write int or Dataset.", cell
            )
        else:
            yield Output(name, kind)
