"""One cell at a time, for the live kernel: its code without our lines, and the names it binds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.notebook.control import CellControl, read_control
from jupyter_kfp.notebook.header import read_flags, read_header, read_options
from jupyter_kfp.notebook.naming import step_name_problem
from jupyter_kfp.notebook.spellings import Findings, StepLayers
from jupyter_kfp.notebook.symbols import CodeFacts, SymbolIndex
from jupyter_kfp.notebook.syntax import counted, transform
from jupyter_kfp.notebook.walk import Walker
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import ValueType


@dataclass(frozen=True)
class LiveCell:
    """A ``%%component`` cell, as the kernel needs it.

    ``code`` is the cell without its header (lines keep their numbers), ``line`` and ``header`` are where
    that stands and what it is; ``problems`` are the errors in it. ``options`` are what a component from
    elsewhere (``--from``) runs with; for any other cell they are those of its pipeline's step alone, and None.
    """

    name: str
    code: str
    line: int
    header: str
    control: CellControl
    problems: tuple[Diagnostic, ...]
    options: StepOptions | None = None


@lru_cache(maxsize=8)
def live_cell(source: str) -> LiveCell:
    """Read a ``%%component`` cell. What is wrong with its header is in the result."""
    header = read_header(source)
    findings = Findings()
    name, flags, controls = read_flags(header, 0, findings)
    lines = read_options(header, 0, findings)
    control = read_control(controls, 0, findings)
    line = header.line or 1
    if problem := step_name_problem(name):
        findings.error("K111", problem, "Write for instance `%%component train_model`.", 0, line)
    options, text = None, f"%%component {header.flags}".rstrip()
    if control.component:
        text = "\n".join([text, *(f"#|{option}" for _, option in header.options)])
        layers = StepLayers(name, findings)
        layers.add((lines, flags), 0)
        options = layers.merged()
    problems = tuple(d for d in findings.items if d.severity is Severity.ERROR)
    return LiveCell(name, counted(header.code), line, text, control, problems, options)


def names_bound(source: str) -> tuple[str, ...]:
    """Names that stand for values after the cell, in the order of their appearance."""
    cell = transform(read_header(source).code)
    if cell.tree is None:
        return ()
    walker = Walker(_Nothing())
    walker.run(cell.tree.body, 0, SymbolIndex.of(cell.equivalent), cell.soft)
    code = walker.flow.code if walker.flow is not None else {}
    return tuple(name for name in walker.record.touched if name not in code)


class _Nothing:
    """A notebook of which only this cell is known."""

    own_methods: frozenset[str] = frozenset()
    shadowed: frozenset[str] = frozenset()
    imports: Mapping[str, str] = MappingProxyType({})
    stateful: frozenset[str] = frozenset()

    def facts(self, name: str) -> CodeFacts | None:
        return None

    def is_code(self, name: str) -> bool:
        return False

    def type_of(self, name: str) -> ValueType | None:
        return None
