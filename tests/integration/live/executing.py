"""Notebooks executed in real kernels, once for all tests of a module."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import v4

# With three kernels at once, on a machine that does other things, too.
TIMEOUT = 600


@dataclass(frozen=True)
class Shown:
    """What a cell showed: its streams, its traceback without colours, its results."""

    text: str
    error: str
    results: tuple[str, ...]


Look = Callable[[str], Shown]


def write(path: Path, *cells: tuple[str, str]) -> None:
    """Write a notebook of code cells, each with its tags."""
    made = [v4.new_code_cell(source, metadata={"tags": tags.split()}) for source, tags in cells]
    nbformat.write(v4.new_notebook(cells=made), path)


def execute(directory: Path, cells: Mapping[str, str]) -> Look:
    """Run all ``cells``, whatever fails, in ``directory``; what each showed by its name."""
    write(directory / "live.ipynb", *((source, "") for source in cells.values()))
    main = "from nbclient.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", main, "live.ipynb", "--allow-errors", f"--timeout={TIMEOUT}", "--inplace"],
        cwd=directory, env={**os.environ, "JUPYTER_KFP_HOME": str(directory / "home")},
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    executed = nbformat.read(directory / "live.ipynb", as_version=4)
    outputs = dict(zip(cells, (cell.outputs for cell in executed.cells), strict=True))
    return lambda name: _shown(outputs[name])


def _shown(outputs: list[nbformat.NotebookNode]) -> Shown:
    errors = "\n".join(line for o in outputs if o.output_type == "error" for line in o.traceback)
    return Shown(
        "".join(o.text for o in outputs if o.output_type == "stream"),
        re.sub(r"\x1b\[[\d;]*m", "", errors),
        tuple(o.data["text/plain"] for o in outputs if o.output_type == "execute_result"),
    )
