"""Who reads what from whom: the cells of a notebook, walked in order, become steps with ports.

The notebook is walked as the kernel would execute it. After every statement the environment says,
for every name, what its nearest definition is: a pipeline parameter, a value some step made, code
(whose source travels), or preamble data (made again where it is needed). What a step reads and did
not make itself is thereby resolved; :mod:`ports` then turns what was resolved into a Pipeline.
"""

from __future__ import annotations

import ast

from jupyter_kfp.errors import Severity
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.flow import Flow, Origin
from jupyter_kfp.notebook.preamble import Preamble, import_roots, is_future, state_of
from jupyter_kfp.notebook.records import Place, Read, Record
from jupyter_kfp.notebook.roles import StepCell, StepReading
from jupyter_kfp.notebook.symbols import CodeFacts, SymbolIndex
from jupyter_kfp.notebook.syntax import CellMagic, Construct, LineMagic
from jupyter_kfp.notebook.units import (
    Kind,
    Piece,
    Unit,
    called_when_defined,
    is_definition,
    pieces,
    without_comments,
)
from jupyter_kfp.notebook.walk import Walker


class Dataflow(Preamble):
    """The walk over the cells of steps."""

    def _syntax_error(self, cell: StepCell, step: StepReading | None) -> None:
        error = cell.python.error
        if error is not None:
            self.diagnostics.append(
                diagnostic(
                    "K221",
                    f"syntax error: {error.message}.",
                    cell=cell.cell,
                    line=error.line,
                    step=step.name if step else None,
                )
            )

    def _step_cell(self, cell: StepCell, reading: StepReading) -> None:
        step = self.steps.get(reading.name)
        if step is None:
            step = StepState(reading, Flow(), dict(self.environment), aliases=dict(self._aliases))
            self.steps[reading.name] = step
        self._resume(step)
        index = self._index(cell)
        walker = Walker(self, step.flow)
        resets = list(cell.python.resets)
        for piece in pieces(cell):
            while resets and resets[0] <= piece.line:
                self._reset(step, resets.pop(0), cell)
            walker.flow = step.flow
            walker.record = Record(stateful=step.record.stateful)
            walker.run(piece.nodes, cell.cell, index, cell.python.soft, future_annotations=self._future)
            if is_future(piece) or walker.record.star_imports:
                self._future |= is_future(piece)
                unit = self._code_unit(piece, cell, walker.record)
                self.settings.append(unit)
                self._star_import(walker.record)
            step.flow = walker.flow or Flow()
            self._resolve(step, walker.record)
            self._update(step, walker.record, piece, cell, index)
            self._before_merging(step, walker.record)
            _merge(step.record, walker.record)
            self.annotations |= walker.record.annotations
        self._dynamic(step, cell)
        for construct in cell.python.unknown:
            self.diagnostics.append(
                diagnostic(
                    "K222",
                    "this line may bind names that cannot be seen here.",
                    cell=cell.cell,
                    line=construct.line,
                    step=step.name,
                )
            )
        if cell.cell == reading.cells[-1].cell:
            self._declared_outputs(step, cell)
        self._aliases = dict(step.flow.aliases)
        self.stateful |= step.record.stateful

    def _before_merging(self, step: StepState, record: Record) -> None:
        """A place to judge what one piece of a step did, with the names as they were before it."""

    def _dynamic(self, step: StepState, cell: StepCell) -> None:
        """Names that are read or bound by text, where nobody can see which."""
        for node in ast.walk(cell.python.tree) if cell.python.tree is not None else ():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id not in self.shadowed
            ):
                name = node.func.id
                own_names = len(node.args) > 1  # `eval(text, {"n": x})` reads what it is given
                if (
                    (name in {"exec", "eval"} and not own_names)
                    or name == "globals"
                    or (name in {"locals", "vars"} and not node.args)
                ):
                    self.diagnostics.append(
                        diagnostic(
                            "K222", f"{name}() reads or binds names that cannot be seen here.",
                            cell=cell.cell, line=node.lineno, step=step.name, severity=Severity.ERROR,
                        )
                    )  # fmt: skip

    def _reset(self, step: StepState, line: int, cell: StepCell) -> None:
        """``%reset``: every name is unbound, in this step and after it."""
        for name in [
            name for name, definition in self.environment.items() if definition.kind is not Kind.DELETED
        ]:
            step.before.setdefault(name, self.environment[name])
            step.flow.unbind(name)
            step.record.touched.setdefault(name, Place(cell.cell, line))
            step.versions[name] = self._define(name, Kind.DELETED, cell.cell, line, step=step.name).version

    def _resume(self, step: StepState) -> None:
        """Give the step what other steps changed between its cells."""
        step.flow.aliases = dict(self._aliases)
        for name in step.versions:
            definition = self.environment.get(name)
            if definition is not None and definition.version != step.versions[name]:
                step.stale.add(name)
                step.flow.origins[name] = Origin.UPSTREAM
                step.flow.code.pop(name, None)

    def _resolve(self, step: StepState, record: Record) -> None:
        for name, read in record.reads.items():
            definition = self.environment.get(name)
            if definition is None or definition.kind is Kind.DELETED:
                self._unresolved(read, step)
                continue
            if definition.step == step.name and definition.kind is not Kind.CODE:
                # Bound on some earlier path of the step itself; on the others it is what it was before.
                definition = step.before.get(name)
                if definition is None or definition.kind is Kind.DELETED:
                    continue
            known = step.reads.get(name)
            if name in step.stale or (
                known is not None and known[0].version != definition.version and definition.is_data
            ):
                self._interleaved(step, name, read)
            elif known is None or (read.certain and not known[1].certain):
                step.reads[name] = (definition, read)

    def _interleaved(self, step: StepState, name: str, read: Read) -> None:
        self.diagnostics.append(
            diagnostic(
                "K205",
                f"`{name}` is changed by another step between two cells of step {step.name}, which runs in one piece.",
                cell=read.cell,
                line=read.line,
                step=step.name,
            )
        )

    def _update(
        self, step: StepState, record: Record, piece: Piece, cell: StepCell, index: SymbolIndex
    ) -> None:
        """Make what the piece touched the nearest definition of its names."""
        flow = step.flow
        unit: Unit | None = None
        pure = True
        for name, place in record.touched.items():
            previous = self.environment.get(name)
            step.before.setdefault(name, previous)
            if (
                name not in flow.origins
                and name in record.mutated
                and previous is not None
                and previous.kind is Kind.CODE
            ):
                previous.stateful_in = previous.stateful_in or step.name
                continue
            if flow.origin(name) is Origin.UNBOUND:
                definition = self._define(name, Kind.DELETED, place.cell, place.line, step=step.name)
            elif name in flow.code:
                if name in record.mutated and name not in record.rebound and previous is not None:
                    previous.stateful_in = previous.stateful_in or step.name
                    continue
                if unit is None:
                    alone = Walker(self, Flow())
                    alone.run(
                        piece.nodes, cell.cell, index, cell.python.soft, future_annotations=self._future
                    )
                    unit = self._code_unit(piece, cell, alone.record)
                    pure = all(map(is_definition, piece.nodes)) or _makes_class(piece)
                    pure &= set(alone.record.touched) <= {n for n in record.touched if n in flow.code}
                # `if fast: def work(): …` leaves what was there where the condition does not hold.
                kept = previous if previous is not None and flow.origin(name) & Origin.UPSTREAM else None
                units = (*kept.units, unit) if kept is not None else (unit,)
                definition = self._define(
                    name, Kind.CODE, place.cell, place.line, step=step.name, units=units, facts=flow.code[name],
                    blocked=not pure or (kept is not None and kept.kind is not Kind.CODE),
                    state=state_of(piece, flow.code[name]),
                )  # fmt: skip
            else:
                definition = self._define(name, Kind.STEP, place.cell, place.line, step=step.name)
            step.versions[name] = definition.version
            step.stale.discard(name)
        if unit is not None:
            self._decorate(piece, unit)

    def _code_unit(self, piece: Piece, cell: StepCell, record: Record) -> Unit:
        """Code of a step as others execute it: needs are what it reads *while being defined*.

        A decorator or a class body calls functions there and then, so what these read is needed, too.
        """
        called = {name for node in piece.nodes for name in called_when_defined(node)}
        effects = Walker(self, Flow())
        run = {read for name in called for read in effects.effects(name).reads}
        unit = Unit(
            cell.cell,
            piece.line,
            without_comments(piece.source),
            frozenset(record.touched),
            roots=import_roots(piece.nodes),
        )
        for name, read in record.reads.items():
            definition = self.environment.get(name)
            if definition is not None and (name in run or not read.deferred) and name not in record.touched:
                unit.needs[name] = definition
        return unit

    def _declared_outputs(self, step: StepState, cell: StepCell) -> None:
        """Names of the option ``outputs`` count as changed by the step, whatever its code seems to do."""
        for name in step.reading.options.outputs:
            if name in step.versions:
                continue
            before = self.environment.get(name)
            if before is not None and before.is_data:
                place = Place(cell.cell, 1)
                step.before.setdefault(name, before)
                step.record.touched.setdefault(name, place)
                step.record.mutated.setdefault(name, place)
                step.versions[name] = self._define(name, Kind.STEP, cell.cell, 1, step=step.name).version
            else:
                self.diagnostics.append(
                    diagnostic(
                        "K305", f"step {step.name} declares the output `{name}`, but never binds it.",
                        cell=step.first_cell, step=step.name, name=f"`{name}`",
                    )
                )  # fmt: skip


def _merge(total: Record, part: Record) -> None:
    for name, read in part.reads.items():
        total.reads.setdefault(name, read)
    for name, place in part.touched.items():
        total.touched.setdefault(name, place)
        if name not in part.constructors:
            total.constructors.pop(name, None)
    for name, place in part.mutated.items():
        total.mutated.setdefault(name, place)
    total.rebound |= part.rebound
    total.identified |= part.identified
    total.captured |= part.captured
    total.closures |= part.closures
    total.held |= part.held
    total.annotations |= part.annotations
    total.annotated |= part.annotated
    total.star_imports += part.star_imports
    total.constructors |= part.constructors
    total.stateful |= part.stateful


def _written(construct: Construct) -> str:
    """A construct of IPython as the user knows it."""
    match construct:
        case LineMagic(name=name):
            return f"%{name}"
        case CellMagic(name=name):
            return f"%%{name}"
        case _:
            return "this line"


# Of `MISSING = object()` only the identity counts. What travels by its name keeps that.
_SENTINEL = CodeFacts(is_class=True)


def _makes_class(piece: Piece) -> bool:
    return all(
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Call | ast.Lambda) for node in piece.nodes
    ) or all(type(node).__name__ == "TypeAlias" for node in piece.nodes)
