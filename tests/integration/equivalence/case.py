"""The corpus: one notebook per text file, in jupytext's percent format, readable in a review.

A file starts with a header of ``# key: value`` lines, then cells::

    # covers: a list that grows in another step
    # expect: equal

    # %% [tags: step:make]
    xs = [1]

    # %% [markdown]
    # Not code.

    # file: other.ipynb
    # %% [tags: step:make]
    x = 1

What follows ``# file: NAME`` is another file, beside the notebook: a notebook again, or (any other suffix)
its text as it stands.

Keys of the header:

covers   what the notebook is about (required)
expect   ``equal`` (default), or
         ``diagnostic CLASS [NAME]``  compiling is refused with that class of problem
         ``warned CLASS``             compiling warns of that class of problem; results may differ
         ``run-error NAME``           the pipeline fails in the runtime, and the message names NAME
         ``step-error TYPE``          Run All works, but a step fails with that exception
         ``both-fail TYPE``           Run All and the pipeline fail, in the same cell, with that exception
params   JSON: pipeline parameters given to both sides; ``$TMP`` is an empty directory of each side
mode     ``full``: also run through the engine with a kernel per step
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

CORPUS = Path(__file__).parents[2] / "data" / "equivalence"

_HEADER = re.compile(r"# (covers|expect|params|mode): (.*)")
_FILE = re.compile(r"(?m)^# file: (\S+)\n")
_CELL = re.compile(r"# %%(?: \[(?:tags: (?P<tags>[^\]]*)|(?P<markdown>markdown))\])?\s*")
_EXPECTATIONS = {
    "equal": (0, 0),
    "diagnostic": (1, 2),
    "warned": (1, 1),
    "run-error": (1, 1),
    "step-error": (1, 1),
    "both-fail": (1, 1),
}


@dataclass(frozen=True)
class Case:
    """A notebook and what should become of it. ``expect`` is the word and its arguments."""

    name: str
    covers: str
    expect: tuple[str, ...]
    notebook: nbformat.NotebookNode
    params: dict[str, Any] = field(default_factory=dict)
    full: bool = False
    files: dict[str, str] = field(default_factory=dict)

    @property
    def outputs(self) -> list[str]:
        """The names of the results to compare."""
        return output_names(self.notebook)

    @property
    def heavy(self) -> bool:
        """Whether the notebook uses numpy and its kin."""
        return bool(re.search(r"import (numpy|pandas)|from (sklearn|kfp)", self.source))

    @property
    def source(self) -> str:
        """The code of all cells, to see what the notebook uses."""
        return "\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "code")


def output_names(notebook: nbformat.NotebookNode) -> list[str]:
    """The names that cells tagged ``outputs`` list: bare, or inside ``print``."""
    names: dict[str, None] = {}
    for cell in notebook.cells:
        if {"outputs", "pipeline-metrics"} & set(cell.metadata.get("tags", [])):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Name) and node.id != "print":
                    names[node.id] = None
    return list(names)


def parse_cells(text: str) -> nbformat.NotebookNode:
    """The notebook that ``text`` (percent format, without a header) spells. Raises ValueError."""
    cells: list[tuple[re.Match[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("# %%"):
            match = _CELL.fullmatch(line)
            if match is None:
                raise ValueError(f"not a cell marker: {line!r}")
            cells.append((match, []))
        elif cells:
            cells[-1][1].append(line)
        elif line.strip():
            raise ValueError(f"text before the first cell: {line!r}")
    notebook = nbformat.v4.new_notebook()
    for number, (match, lines) in enumerate(cells):
        source = "\n".join(lines).strip("\n")
        if match["markdown"]:
            cell = nbformat.v4.new_markdown_cell(re.sub(r"(?m)^# ?", "", source))
        else:
            tags = [tag.strip() for tag in (match["tags"] or "").split(",") if tag.strip()]
            cell = nbformat.v4.new_code_cell(source, metadata={"tags": tags})
        cell.id = f"cell-{number}"
        notebook.cells.append(cell)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def parse_case(name: str, text: str) -> Case:
    """The case that a file of the corpus spells. Raises ValueError."""
    text, files = split_files(text)
    header: dict[str, str] = {}
    lines = text.splitlines()
    while lines and not lines[0].startswith("# %%"):
        line = lines.pop(0)
        match = _HEADER.fullmatch(line)
        if match is not None:
            header[match[1]] = match[2]
        elif line.strip():
            raise ValueError(f"{name}: not a header line: {line!r}")
    expect = tuple(header.get("expect", "equal").split())
    least, most = _EXPECTATIONS.get(expect[0], (0, -1))
    if not least <= len(expect) - 1 <= most:
        raise ValueError(f"{name}: not an expectation: {header['expect']!r}")
    if header.get("mode", "full") != "full" or not header.get("covers"):
        raise ValueError(f"{name}: the header needs covers, and no mode but full")
    return Case(
        name=name,
        covers=header["covers"],
        expect=expect,
        notebook=parse_cells("\n".join(lines)),
        params=json.loads(header.get("params", "{}")),
        full="mode" in header,
        files=files,
    )


def split_files(text: str) -> tuple[str, dict[str, str]]:
    """The notebook's own text, and the contents of the files beside it. Raises ValueError."""
    own, *parts = _FILE.split(text)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    for name, content in files.items():
        if name.endswith(".ipynb"):
            files[name] = nbformat.writes(parse_cells(content))
    return own, files


def corpus() -> list[Case]:
    """Every case there is, by name."""
    return [parse_case(path.stem, path.read_text("utf-8")) for path in sorted(CORPUS.glob("*.ipy"))]
