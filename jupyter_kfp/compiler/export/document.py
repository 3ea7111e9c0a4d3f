"""The exported file as a whole."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_kfp.compiler.export import helpers
from jupyter_kfp.compiler.export.file import File, empty_file
from jupyter_kfp.compiler.export.layout import Group, call, laid_out, quoted
from jupyter_kfp.compiler.export.pipeline_function import pipeline_function
from jupyter_kfp.compiler.graph import service_accounts
from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.pipeline import Pipeline

_HEADER = '''"""{title}

Exported from a notebook by jupyter_kfp, which this file does not need. As a program it compiles
the pipeline with kfp. Other than in the pipeline that jupyter_kfp itself compiles:
- Values travel one by one: two that share an object are copies of it in the next step.
- A function that is a value takes along a copy of what it reads.
- A step that changes an input without handing it on is not noticed.
- Steps leave no executed notebook.{more}
"""'''

# The notebook's own code stays as it was written, whatever a linter says of it.
_NOQA = "# ruff: noqa"


def write(pipeline: Pipeline, cells: Mapping[int, str]) -> tuple[str, tuple[Diagnostic, ...]]:
    """The text of the file, with what there is to say about it."""
    file = empty_file(pipeline, cells)
    function = pipeline_function(file, pipeline)
    parts = [_header(pipeline), _imports(file)]
    sections = [*([helpers_text(file)] if file.helpers else []), *file.sections, _main(pipeline, function)]
    text = "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join(sections) + "\n"
    return text, tuple(file.findings)


def _header(pipeline: Pipeline) -> str:
    more = ""
    accounts = service_accounts(pipeline)
    if accounts:
        more += f"\n- KFP is told the service account where a run is started: service_account={quoted(accounts[0])}."
    if pipeline.options.experiment:
        more += f"\n- So is the experiment: experiment_name={quoted(pipeline.options.experiment)}."
    title = f"The pipeline {pipeline.name}."
    return _HEADER.format(title=title, more=_escaped(more))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _imports(file: File) -> str:
    lines = [_NOQA, ""]
    typing = sorted(file.typing | ({"Any"} if file.helpers else set()))
    if typing:
        lines += [f"from typing import {', '.join(typing)}", ""]
    if any("kubernetes." in section for section in file.sections):
        file.kfp.add("kubernetes")
    lines.append(f"from kfp import {', '.join(sorted({'compiler', 'dsl', *file.kfp}))}")
    if file.dsl:
        names = tuple(sorted(file.dsl, key=lambda name: (not name.isupper(), name)))
        whole = f"from kfp.dsl import {', '.join(names)}"
        lines += [whole] if len(whole) <= 100 else laid_out(Group("from kfp.dsl import (", names, ")"))
    return "\n".join(lines)


def helpers_text(file: File) -> str:
    """The helper functions the components call."""
    import re

    text = helpers.text_of(file.helpers)
    for name, called in file.helper_names.items():
        if called != name:
            text = re.sub(rf"\b{name}\b", called, text)
    return text


def _main(pipeline: Pipeline, function: str) -> str:
    compiled = call("compiler.Compiler().compile", function, quoted(f"{pipeline.name}.yaml"))
    return "\n".join(['if __name__ == "__main__":', *laid_out(compiled, depth=1)])
