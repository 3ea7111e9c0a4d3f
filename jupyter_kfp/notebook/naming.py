"""Names and texts a pipeline takes from its notebook."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from functools import cache

from jupyter_kfp.notebook.source import Notebook

_STEP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}$")
# What KFP's compiler calls the groups it makes.
_GROUPS = re.compile(r"(root|(for-loop|condition|condition-branches|exit-handler)-\d+)$")
_DESCRIPTION_LENGTH = 250


@cache
def kfp_name(name: str) -> str:
    """The name as KFP writes it into the IR: lower case, everything else a hyphen."""
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-")


def step_name_problem(name: str) -> str:
    """Why ``name`` cannot be a step's; "" where it can."""
    if not name:
        return "A step has no name."
    if not _STEP_NAME.match(name):
        return f"{name!r} cannot be a step's name: letters, digits, `_` and `-`, a letter first, at most 63."
    if _GROUPS.match(kfp_name(name)):
        return f"{name!r} cannot be a step's name: KFP's compiler uses it for its own."
    return ""


def free_name(wanted: str, taken: Container[str]) -> str:
    """``wanted``, or with the first number from 2 on that nobody has."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def pipeline_name(text: str) -> str:
    """A name KFP accepts, from a title or a file name; "" where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return kfp_name(plain)[:128].strip("-")


def description(notebook: Notebook) -> str:
    """The first paragraph of the first Markdown cell, or its heading; "" where there is none."""
    first = next((cell for cell in notebook.cells if cell.kind == "markdown" and cell.source.strip()), None)
    if first is None:
        return ""
    heading = ""
    for block in re.split(r"\n\s*\n", first.source.strip()):
        lines = block.strip().split("\n")
        while lines and re.match(r"#{1,6}\s", lines[0]):
            heading = heading or lines.pop(0).lstrip("#").strip()
        # Pictures, HTML, lists and tables describe nothing in one line.
        if lines and not re.match(r"\s*([<!|>`=-]|\* |\d+\. |\[!)", lines[0]):
            return _shortened(" ".join(line.strip() for line in lines))
    return _shortened(heading)


def _shortened(text: str) -> str:
    if len(text) <= _DESCRIPTION_LENGTH:
        return text
    return text[: _DESCRIPTION_LENGTH - 1].rsplit(" ", 1)[0] + "…"
