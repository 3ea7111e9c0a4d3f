"""The preamble: parameters, and statements that travel to whichever step needs them."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from jupyter_kfp.notebook.checks import unstable_call
from jupyter_kfp.notebook.environment import Environment, StepState
from jupyter_kfp.notebook.flow import Flow, Origin
from jupyter_kfp.notebook.parameters import read_parameters
from jupyter_kfp.notebook.records import Record
from jupyter_kfp.notebook.roles import StepCell
from jupyter_kfp.notebook.symbols import CodeFacts
from jupyter_kfp.notebook.units import (
    Kind,
    Piece,
    Unit,
    is_definition,
    is_display,
    keeps_state,
    pieces,
    without_comments,
)
from jupyter_kfp.notebook.walk import Walker


class Preamble(Environment):
    """The part of the walk over cells that belong to no step."""

    def _parameters(self, cell: StepCell) -> None:
        found, problems = read_parameters(cell)
        self.diagnostics += problems
        for parameter in found:
            self.parameters = [p for p in self.parameters if p.name != parameter.name]
            self.parameters.append(parameter)
            self._define(parameter.name, Kind.PARAMETER, cell.cell, parameter.line or 1, type=parameter.type)
        imports = [
            n
            for n in (cell.python.tree.body if cell.python.tree else [])
            if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        if imports:
            self._preamble(cell, only=imports)

    def _preamble(self, cell: StepCell, only: Iterable[ast.stmt] | None = None) -> None:
        index = self._index(cell)
        chosen = None if only is None else {id(node) for node in only}
        for piece in pieces(cell):
            if chosen is not None and not any(id(node) in chosen for node in piece.nodes):
                continue
            walker = Walker(self, Flow(aliases=dict(self._aliases)))
            walker.run(piece.nodes, cell.cell, index, cell.python.soft, future_annotations=self._future)
            self._future |= is_future(piece)
            unit = self._unit(piece, cell, walker.record, None)
            self._aliases = walker.flow.aliases if walker.flow is not None else self._aliases
            self.stateful |= walker.record.stateful
            if walker.record.star_imports:
                self._star_import(walker.record)
                self.settings.append(unit)
            if walker.record.touched:
                unit.unstable = "" if all(map(is_definition, piece.nodes)) else unstable_call(piece.nodes)
                self._define_preamble(walker, unit, piece)
            elif unit.source.strip() and not (piece.nodes and all(map(is_display, piece.nodes))):
                self.settings.append(unit)
            if is_future(piece):
                self.settings.append(unit)

    def _define_preamble(self, walker: Walker, unit: Unit, piece: Piece) -> None:
        flow = walker.flow or Flow()
        for name, place in walker.record.touched.items():
            origin = flow.origin(name)
            if not origin & ~Origin.UNBOUND:
                self._define(name, Kind.DELETED, place.cell, place.line)
                continue
            previous = self.environment.get(name)
            kept = previous is not None and (origin & Origin.UPSTREAM or name in walker.record.mutated)
            if previous is not None and previous.is_data and kept:
                unit.needs.setdefault(name, previous)
            units = (*previous.units, unit) if previous is not None and kept else (unit,)
            facts = flow.code.get(name) or (_SENTINEL if _is_sentinel(piece) else None)
            if facts is None and kept and previous is not None and previous.kind is Kind.CODE:
                facts = previous.facts
            known = walker.record.annotations.get(name) or flow.types.get(name)
            kind = Kind.PREAMBLE if facts is None else Kind.CODE
            self._define(
                name,
                kind,
                place.cell,
                place.line,
                units=units,
                facts=facts,
                type=known,
                state=state_of(piece, facts),
            )
        self._decorate(piece, unit)

    def _unit(self, piece: Piece, cell: StepCell, record: Record, step: StepState | None) -> Unit:
        unit = Unit(
            cell.cell,
            piece.line,
            without_comments(piece.source),
            frozenset(record.touched),
            roots=import_roots(piece.nodes),
        )
        for name, read in record.reads.items():
            definition = self.environment.get(name)
            if definition is None or definition.kind is Kind.DELETED:
                self._unresolved(read, step)
            else:
                unit.needs[name] = definition
        return unit


# Of `MISSING = object()` only the identity counts. What travels by its name keeps that.
_SENTINEL = CodeFacts(is_class=True)


def import_roots(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """The top-level packages that ``nodes`` import from."""
    roots: set[str] = set()
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                roots.add(node.module.partition(".")[0])
    return frozenset(roots)


def _is_sentinel(piece: Piece) -> bool:
    match piece.nodes:
        case [ast.Assign(value=ast.Call(func=ast.Name(id="object"), args=[]))]:
            return True
        case _:
            return False


def state_of(piece: Piece, facts: CodeFacts | None) -> str:
    """How the definition in ``piece`` remembers what happened to it, or ""."""
    return next((state for node in piece.nodes if (state := keeps_state(node, facts))), "")


def is_future(piece: Piece) -> bool:
    """Whether ``piece`` is a ``from __future__ import``."""
    return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in piece.nodes)
