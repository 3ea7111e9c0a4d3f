"""What reading a notebook gives: every code cell in its role, with its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.control import CellControl
from jupyter_kfp.notebook.source import Notebook
from jupyter_kfp.notebook.syntax import Transformed
from jupyter_kfp.options import PipelineOptions, StepOptions


@dataclass(frozen=True)
class StepCell:
    """One code cell. ``source`` is what is executed: our own lines are blank, so lines keep their numbers.

    ``cell`` is the 0-based index in the notebook; lines in ``python`` are those of the whole cell.
    """

    cell: int
    source: str
    python: Transformed


@dataclass(frozen=True)
class StepReading:
    """A step as written: its cells in notebook order, its declared order, options and control flow."""

    name: str
    cells: tuple[StepCell, ...]
    after: tuple[str, ...] = ()
    options: StepOptions = field(default_factory=StepOptions)
    control: CellControl = field(default_factory=CellControl)


@dataclass(frozen=True)
class NamedOutput:
    """A name listed in an ``outputs`` cell; ``metric`` where it was written as ``print(name)``."""

    name: str
    cell: int
    line: int
    metric: bool = False


@dataclass(frozen=True)
class Reading:
    """A notebook, read: every code cell in its role, and what was found wrong so far.

    ``steps`` are in the order of their first cells. ``preamble`` holds imports, functions and the
    cells before the first step, in notebook order, wherever they stand. ``dsl`` is the ``%%pipeline``
    cell, if there is one. ``name`` is a valid name of a KFP pipeline. ``allow_secret`` has the reasons, by cell, why
    what looks like a secret there is none.
    """

    notebook: Notebook
    preamble: tuple[StepCell, ...]
    parameters: tuple[StepCell, ...]
    steps: tuple[StepReading, ...]
    skipped: tuple[StepCell, ...]
    outputs: tuple[NamedOutput, ...]
    options: PipelineOptions
    name: str
    description: str
    diagnostics: tuple[Diagnostic, ...]
    dsl: StepCell | None = None
    allow_secret: Mapping[int, str] = field(default_factory=dict)
