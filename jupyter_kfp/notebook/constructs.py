"""The pieces of IPython's syntax that a cell may hold, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a cell is no Python; ``line`` is 1-based in the cell, ``offset`` 1-based in the line."""

    message: str
    line: int
    offset: int


@dataclass(frozen=True, slots=True)
class LineMagic:
    """``%name text``; ``assigns`` holds the names it is assigned to (``x = %name text``; "" for ``x[0] =``)."""

    name: str
    line: int
    text: str
    assigns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellMagic:
    """``%%name text`` and the body below it."""

    name: str
    line: int
    text: str
    body: str


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """``!text`` or ``x = !text``."""

    line: int
    text: str
    assigns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Help:
    """``text?``: shows help, does nothing else."""

    line: int
    text: str


Construct: TypeAlias = LineMagic | CellMagic | ShellCommand | Help


@dataclass(frozen=True, slots=True)
class Install:
    """A line that installs packages (``%pip install …``), lines ``line`` to ``last`` of the cell.

    ``packages`` are pip requirements, ``files`` the arguments of ``-r``. ``notes`` say in one sentence
    each what of the line cannot travel. A ``kept`` line is still executed: it does more than install.
    """

    line: int
    last: int
    packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: bool = False
