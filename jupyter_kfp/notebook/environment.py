"""What every name stands for while a notebook is walked, and the walk's state of each step."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.expressions import decorating
from jupyter_kfp.notebook.flow import Flow
from jupyter_kfp.notebook.records import IMPORTED, Place, Read, Record
from jupyter_kfp.notebook.roles import Reading, StepCell, StepReading
from jupyter_kfp.notebook.symbols import CodeFacts, SymbolIndex, mutating_methods
from jupyter_kfp.notebook.units import (
    Definition,
    Kind,
    Piece,
    Unit,
)
from jupyter_kfp.pipeline import Parameter, ValueType

if TYPE_CHECKING:
    from jupyter_kfp.notebook.blocks import Body, LoopBlock
    from jupyter_kfp.notebook.externals import ExternalComponent

BUILTINS = frozenset(dir(builtins)) | {
    "get_ipython", "display", "exit", "quit", "open", "__name__", "__doc__", "__builtins__", "__annotations__",
    "__file__", "__spec__", "__loader__", "__package__", "__conditional_annotations__",
}  # fmt: skip
HISTORY = frozenset({"_", "__", "___", "In", "Out", "_i", "_ii", "_iii", "_ih", "_oh", "_dh"})


@dataclass(eq=False, slots=True)
class StepState:
    """A step while the notebook is walked. ``reads`` is what it needs from before it.

    ``before`` is what a name stood for when the step first touched it; ``versions`` the last
    definition the step gave it; ``environment`` what every name stood for when the step
    began, ``aliases`` which names shared an object then. ``types`` overrides how outputs travel.
    ``external`` is what runs instead of the step's cells, if something does. A step without cells
    only hands values on; it stands at the cell ``at``.
    """

    reading: StepReading
    flow: Flow
    environment: dict[str, Definition]
    record: Record = field(default_factory=Record)
    reads: dict[str, tuple[Definition, Read]] = field(default_factory=dict)
    before: dict[str, Definition | None] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    aliases: dict[str, frozenset[str]] = field(default_factory=dict)
    types: dict[str, ValueType] = field(default_factory=dict)
    external: ExternalComponent | None = None
    at: int = 0

    @property
    def name(self) -> str:
        """The step's name."""
        return self.reading.name

    @property
    def first_cell(self) -> int:
        """Index of the step's first cell."""
        return self.reading.cells[0].cell if self.reading.cells else self.at


@dataclass(slots=True)
class Missing:
    """A read that found no definition. Judged at the end, when all bindings are known."""

    read: Read
    step: StepState | None


class Environment:
    """The nearest definition of every name. Also what a :class:`Walker` asks about earlier code.

    ``body`` is the notebook's steps in their blocks, ``exit`` the step that runs after all of them;
    ``closed`` says for every name bound in a loop which loop that was, ``hidden`` what exit steps
    cannot read.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.environment: dict[str, Definition] = {}
        self.steps: dict[str, StepState] = {}
        self.settings: list[Unit] = []
        self.parameters: list[Parameter] = []
        self.diagnostics: list[Diagnostic] = []
        self.missing: list[Missing] = []
        self.outputs_at: dict[int, dict[str, Definition]] = {}
        self.star: Place | None = None
        self.bound_at: dict[str, int] = {}
        self.unpicklable: dict[tuple[str, str], str] = {}
        self.stateful: frozenset[str] = frozenset()
        self.annotations: dict[str, ValueType | None] = {}
        self.closed: dict[str, LoopBlock] = {}
        self.hidden: frozenset[str] = frozenset()
        self.body: Body = []
        self.exit: StepState | None = None
        self._blocks = 0
        self._versions = 0
        self._aliases: dict[str, frozenset[str]] = {}
        self._future = False
        trees = [cell.python.tree for cell in self._cells() if cell.python.tree is not None]
        self.own_methods = mutating_methods(trees)
        self.imports = _imports(trees)
        stored = _stored(trees)
        self.shadowed = stored & BUILTINS
        self.used = set(stored) | {n.id for t in trees for n in ast.walk(t) if isinstance(n, ast.Name)}

    def _cells(self) -> list[StepCell]:
        reading = self.reading
        owned = [cell for step in reading.steps for cell in step.cells]
        return sorted([*reading.preamble, *reading.parameters, *owned], key=lambda cell: cell.cell)

    def facts(self, name: str) -> CodeFacts | None:
        """The function, class or import ``name`` stands for now."""
        definition = self.environment.get(name)
        return definition.facts if definition is not None and definition.kind is Kind.CODE else None

    def is_code(self, name: str) -> bool:
        """Whether ``name`` stands for code now."""
        definition = self.environment.get(name)
        return definition is not None and definition.kind is Kind.CODE

    def type_of(self, name: str) -> ValueType | None:
        """What is evident of the value of ``name`` now."""
        definition = self.environment.get(name)
        return self._type(definition) if definition is not None else None

    def _define(self, name: str, kind: Kind, cell: int, line: int, **more: object) -> Definition:
        self._versions += 1
        definition = Definition(name, kind, self._versions, cell, line, **more)  # type: ignore[arg-type]  # fields by keyword
        self.environment[name] = definition
        self.bound_at.setdefault(name, cell)
        return definition

    def _index(self, cell: StepCell) -> SymbolIndex:
        return SymbolIndex.of(cell.python.equivalent, self.own_methods)

    def _unresolved(self, read: Read, step: StepState | None) -> None:
        if read.name not in BUILTINS:
            self.missing.append(Missing(read, step))

    def _star_import(self, record: Record) -> None:
        for place in record.star_imports:
            self.star = self.star or place
            self.diagnostics.append(
                diagnostic(
                    "K214", "a star import hides which names it binds.", cell=place.cell, line=place.line
                )
            )

    def _decorate(self, piece: Piece, unit: Unit) -> None:
        """``@show.register def …`` belongs to the function ``show`` from then on."""
        for name in {n for node in piece.nodes for n in decorating(node)}:
            definition = self.environment.get(name)
            if (
                definition is not None
                and definition.kind is Kind.CODE
                and definition.facts is not IMPORTED
                and unit not in definition.units
            ):
                definition.units = (*definition.units, unit)

    def value_type(self, step: StepState, name: str) -> ValueType | None:
        """What a value the step leaves is: its annotation, else what is evident, else what it was before."""
        if name in step.record.annotations:
            return step.record.annotations[name]
        known = step.flow.types.get(name)
        if known is not None or name in step.record.rebound:
            return known
        # Changed in place or by `+=`: a scalar keeps its declared type, a container may hold anything now.
        declared = self.annotations.get(name)
        return declared if declared is not None and declared.kind.value not in {"list", "dict"} else None

    def _type(self, definition: Definition) -> ValueType | None:
        if definition.kind is Kind.STEP:
            return self.value_type(self.steps[definition.step], definition.name)
        return definition.type


def _imports(trees: Iterable[ast.Module]) -> Mapping[str, str]:
    """Every imported name of the notebook with the dotted path it stands for."""
    found: dict[str, str] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    return found


def _stored(trees: Iterable[ast.Module]) -> frozenset[str]:
    return frozenset(
        name
        for tree in trees
        for node in ast.walk(tree)
        for name in (
            [node.id] if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
            else [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
            else []
        )
    )  # fmt: skip
