"""IPython's syntax as Python that an analysis can read, line for line.

A cell is rarely plain Python: ``%time x = f(y)`` binds x, ``x = !ls {d}`` reads d, ``%%capture out``
binds out around ordinary code. :func:`transform` gives the *equivalent* Python of a cell: it binds,
reads and mutates what the cell does and every line keeps its number. It is for reading only; what is
executed stays what the user wrote, without the lines that install packages (a step gets them before it
starts) and those that talk to this package (``%load_ext jupyter_kfp``, ``%kfp …``: not in a step).

IPython itself is only imported for cells that are not plain Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_kfp.notebook.constructs import (
    CellMagic,
    Construct,
    Help,
    Install,
    LineMagic,
    ShellCommand,
    SyntaxProblem,
)
from jupyter_kfp.notebook.equivalent import Reader, has_prompt, loads, parse_python
from jupyter_kfp.notebook.ipython import automagic

__all__ = [
    "CellMagic",
    "Construct",
    "Help",
    "Install",
    "LineMagic",
    "ShellCommand",
    "SyntaxProblem",
    "Transformed",
    "counted",
    "transform",
]


@dataclass(frozen=True)
class Transformed:
    """A cell, read.

    ``source`` is the text that was read and ``executed`` the same text, with the same number of
    lines, where :class:`Install` lines and our own are blank (``pass`` inside a block). ``equivalent`` is Python
    with the same line numbers and ``tree`` its syntax tree (None: see ``error``). Lines beyond those of
    the source are what a cell magic does after its body; in the tree they have the magic's line.

    ``soft`` are reads, as (name, line), that IPython leaves as text when the name is unbound
    (``!echo $HOME``): not an error when nothing binds them. ``unknown`` are constructs that may bind
    names nobody can see here (``%run script.py``); ``resets`` are lines that unbind every name.
    """

    source: str
    executed: str
    equivalent: str
    tree: ast.Module | None = field(compare=False)
    error: SyntaxProblem | None = None
    constructs: tuple[Construct, ...] = ()
    installs: tuple[Install, ...] = ()
    soft: frozenset[tuple[str, int]] = frozenset()
    unknown: tuple[Construct, ...] = ()
    resets: tuple[int, ...] = ()


def transform(source: str) -> Transformed:
    """Read the code of one cell. Never raises: what is wrong is in ``error``."""
    tree, error = parse_python(source)
    if tree is not None and not has_prompt(source):
        return Transformed(source, source, source, tree, soft=_automagic_reads(source, tree))
    reader = Reader()
    try:
        equivalent = reader.read(_with_percent(source), 1)
    except SyntaxError as problem:
        error = SyntaxProblem(problem.msg, problem.lineno or 1, problem.offset or 1)
        return Transformed(source, source, source, None, error)
    lines = equivalent.count("\n") + 1
    if reader.tail:
        equivalent = "\n".join([equivalent, *(text for text, _ in reader.tail)])
    tree, error = parse_python(equivalent)
    if tree is not None:
        reader.place_tail(tree, lines)
    return Transformed(
        source,
        _without(source, reader.removed),
        equivalent,
        tree,
        error,
        tuple(reader.constructs),
        tuple(reader.installs),
        frozenset(reader.soft),
        tuple(reader.unknown),
        tuple(reader.resets),
    )


def counted(code: str) -> str:
    """The code as it is handed to IPython, so that its line numbers are the cell's.

    IPython drops blank lines at the top, where our own lines were; not so if the first is a comment. A
    magic that only counts at the very top keeps its place there.
    """
    if not code.startswith("\n") or not code.strip():
        return code
    text = code.strip()
    if text.startswith("%%") or ("\n" not in text and automagic(text) is not None):
        return code
    return "#" + code


def _with_percent(source: str) -> str:
    """A one-line cell may leave out the ``%`` of a magic (``cd data``)."""
    text = source.strip()
    if "\n" in text or automagic(text) is None:
        return source
    return source.replace(text, f"%{text}")


def _automagic_reads(source: str, tree: ast.Module) -> frozenset[tuple[str, int]]:
    """A one-line cell such as ``ls -l`` is Python and, where ``ls`` is unbound, a magic."""
    if "\n" in source.strip() or automagic(source) is None:
        return frozenset()
    return frozenset(loads(tree))


def _without(source: str, removed: Iterable[tuple[int, int]]) -> str:
    """The source without some of its lines: blank, or ``pass`` where a block would be empty."""
    lines = source.split("\n")
    magic = any(line.startswith("%%") for line in lines)
    for first, last in removed:
        prefix = re.match(r"\s*((>>>|\.\.\.|In \[\d+\]:|\.\.\.+:) )?", lines[first - 1])
        indent = prefix[0] if prefix else ""
        lines[first - 1] = f"{indent}pass" if indent or magic else ""
        lines[first:last] = [""] * (last - first)
    return "\n".join(lines)
