"""Pages of documentation as programs: their fenced blocks, with what is expected of each.

A comment right above a block, which readers do not see, says more about it:

=============================  =====================================================================
``NAME.ipynb[: TAG]``          a cell of that notebook; all cells are there before anything is run
``file: NAME``                 a file of that name, written when its turn comes
``exit N``                     its last command ends with that status; 0 without it
``set-up: not run by the test``  commands that change the machine
=============================  =====================================================================

A ``text`` block is what the block before it prints; ``…`` stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[2]
SETUP = "set-up: not run by the test"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_CELL = re.compile(r"(?P<notebook>\w+\.ipynb)(?:: (?P<tag>[\w:-]+))?")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    note: str

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell of a notebook."""
        return _CELL.fullmatch(self.note) is not None


def blocks(page: Path) -> list[Block]:
    """All blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(m["language"], m["text"], m["note"] or "") for m in _BLOCK.finditer(text)]


def write_notebooks(page: Path, directory: Path) -> None:
    """The notebooks whose cells a page shows."""
    notebooks: dict[str, list[nbformat.NotebookNode]] = {}
    for block in blocks(page):
        if cell := _CELL.fullmatch(block.note):
            tags = [cell["tag"]] if cell["tag"] else []
            made = new_code_cell(block.text.rstrip("\n"), metadata={"tags": tags})
            notebooks.setdefault(cell["notebook"], []).append(made)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, cells in notebooks.items():
        nbformat.write(new_notebook(cells=cells, metadata=kernel), directory / name)


def commands(block: Block) -> list[str]:
    """The command lines of a block, without comments."""
    lines = (re.sub(r"\s+#.*", "", line).strip() for line in block.text.splitlines())
    return [line for line in lines if line]


def shell(command: str, place: Path, status: int = 0, **variables: str) -> str:
    """What a command prints that ends with ``status``; where that is not 0, what it says to people, too."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    home = {"PATH": path, "JUPYTER_KFP_HOME": str(place / ".home"), "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=place,
        env={**os.environ, **home, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if status else subprocess.PIPE,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def matches(printed: str, told: str) -> bool:
    """Whether something was printed as a page tells it."""
    pattern = ".*?".join(map(re.escape, told.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
