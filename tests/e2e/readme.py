"""README.md as a program: its fenced blocks, with what is expected of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_CELL = re.compile(r"(?P<notebook>\w+\.ipynb)(?:: (?P<tag>\w+))?")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``note`` is the comment right above it, which readers do not see."""

    language: str
    text: str
    note: str


def blocks() -> list[Block]:
    """All blocks in order."""
    text = README.read_text(encoding="utf-8")
    return [Block(m["language"], m["text"], m["note"] or "") for m in _BLOCK.finditer(text)]


def write_notebooks(directory: Path) -> None:
    """The notebooks whose cells README shows: blocks noted ``NAME.ipynb`` or ``NAME.ipynb: TAG``."""
    notebooks: dict[str, list[nbformat.NotebookNode]] = {}
    for block in blocks():
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
