"""Steps that are other notebooks or components: their cell gives the inputs, their outputs become names."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path

from jupyter_kfp.errors import NotebookError
from jupyter_kfp.notebook.blocks import Body, LoopBlock
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.computed import Computed, shared_options
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.externals import ExternalComponent, Interface, OpenNotebook, Port, interface
from jupyter_kfp.notebook.flow import Flow
from jupyter_kfp.notebook.parameters import coerce
from jupyter_kfp.notebook.reading import Reading, StepCell, StepReading
from jupyter_kfp.notebook.records import Place
from jupyter_kfp.notebook.units import Definition, Kind
from jupyter_kfp.pipeline import ArtifactType, Constant, ParameterType, ValueType


class Foreign(Computed):
    """Walks the cells of ``--notebook`` and ``--from``."""

    def __init__(self, reading: Reading, open_notebook: OpenNotebook) -> None:
        super().__init__(reading)
        self._open_notebook = open_notebook

    def _external_cell(self, cell: StepCell, reading: StepReading, body: Body) -> StepState | None:
        """The step of a component from elsewhere; None where there is none to be had."""
        control = reading.control
        known = self.steps.get(reading.name)
        if known is not None:
            self._foreign_problem(
                "K235", f"step {reading.name} is a component from elsewhere and has one cell.", cell, reading
            )
            return None
        directory: Path | None = self.reading.notebook.directory
        try:
            spec = interface(control, directory, self._open_notebook)
        except NotebookError as error:
            self._foreign_problem(
                "K232", f"{error.message} {error.remedy or ''}".strip(), cell, reading, control.line
            )
            return None
        given = self._given(spec, cell, reading, body)
        step = StepState(reading, Flow(), dict(self.environment), at=cell.cell)
        step.external = ExternalComponent(spec.component, given, spec.outputs)
        self.steps[reading.name] = step
        for name, kind in spec.outputs.items():
            if name.isidentifier():
                place = Place(cell.cell, control.line)
                step.before[name] = self.environment.get(name)
                step.record.touched[name] = place
                step.record.rebound.add(name)
                step.flow.bind(name, kind)
                step.types[name] = kind
                self._aliases.pop(name, None)
                step.versions[name] = self._define(
                    name, Kind.STEP, cell.cell, control.line, step=step.name
                ).version
        return step

    def _given(
        self, spec: Interface, cell: StepCell, reading: StepReading, body: Body
    ) -> dict[str, tuple[ValueType, Constant | Definition]]:
        """The inputs that the cell assigns, and where their values come from."""
        given: dict[str, tuple[ValueType, Constant | Definition]] = {}
        simple = _assignments(cell)
        if simple is not None:
            for name, (value, line) in simple.items():
                port = spec.inputs.get(name)
                if port is None:
                    self._misspelt(name, spec, cell, reading, line)
                    continue
                source = self._direct(value, port)
                if source is None:
                    simple = None
                    break
                given[name] = (port.type, source)
        if simple is None:
            given = self._computed_inputs(spec, cell, reading, body)
        for name, port in spec.inputs.items():
            if port.required and name not in given:
                self._foreign_problem(
                    "K233", f"step {reading.name} gives no value for `{name}`, which {_what(reading)} requires.", cell, reading,
                    name=name,
                )  # fmt: skip
        return given

    def _direct(self, value: ast.expr, port: Port) -> Constant | Definition | None:
        """The value of an input without any code, if that is possible."""
        if isinstance(value, ast.Name):
            definition = self.environment.get(value.id)
            known = self._travelling_type(definition) if definition is not None else None
            return definition if known is not None and _fits(known, port.type) else None
        if not port.type.is_parameter:
            return None
        if port.nullable and _is_none(value):
            return Constant(None)  # left out, which is the same
        try:
            return Constant(coerce(ast.literal_eval(value), port.type))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None

    def _travelling_type(self, definition: Definition) -> ValueType | None:
        match definition:
            case Definition(kind=Kind.PARAMETER, type=known):
                return known
            case Definition(kind=Kind.STEP, step=step, name=name):
                producer = self.steps[step]
                known = self._surely(producer, name)
                return known if known is not None else ValueType(ArtifactType.ARTIFACT)
            case Definition(kind=Kind.ITEM, block=LoopBlock(json=False, values=None) as loop):
                return loop.type
            case _:
                return None

    def _computed_inputs(
        self, spec: Interface, cell: StepCell, reading: StepReading, body: Body
    ) -> dict[str, tuple[ValueType, Constant | Definition]]:
        """The cell as a step before the component; what it binds for the inputs is its outputs."""
        own = StepReading(
            self._new_step_name(f"{reading.name}_inputs"), (cell,), (), shared_options(reading.options)
        )
        environment, aliases = dict(self.environment), dict(self._aliases)
        self._step_cell(cell, own)
        step = self.steps[own.name]
        body.append(step)
        made = self.environment
        self.environment, self._aliases = environment, aliases
        given: dict[str, tuple[ValueType, Constant | Definition]] = {}
        read = {
            n.id
            for n in ast.walk(cell.python.tree or ast.Module([], []))
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
        }
        literal = _assignments(cell) or {}
        for name, place in step.record.touched.items():
            port = spec.inputs.get(name)
            if port is not None and port.nullable and name in literal and _is_none(literal[name][0]):
                given[name] = (port.type, Constant(None))
            elif (
                port is not None
                and step.versions.get(name) == made[name].version
                and made[name].kind is Kind.STEP
            ):
                step.types[name] = port.type
                given[name] = (port.type, made[name])
            elif port is None and name not in read:
                self._misspelt(name, spec, cell, reading, place.line)
        return given

    def _misspelt(self, name: str, spec: Interface, cell: StepCell, reading: StepReading, line: int) -> None:
        close = difflib.get_close_matches(name, spec.inputs, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(spec.inputs) or 'none'}."
        self._foreign_problem(
            "K234", f"`{name}` is no input of {_what(reading)}; {hint}", cell, reading, line, name=name
        )

    def _foreign_problem(
        self,
        code: str,
        message: str,
        cell: StepCell,
        reading: StepReading,
        line: int | None = None,
        name: str = "",
    ) -> None:
        self.diagnostics.append(
            diagnostic(
                code,
                message,
                cell=cell.cell,
                line=line or reading.control.line,
                step=reading.name,
                name=f"`{name}`",
            )
        )


def _what(reading: StepReading) -> str:
    return reading.control.notebook or reading.control.component


def _assignments(cell: StepCell) -> dict[str, tuple[ast.expr, int]] | None:
    """The assignments of names and literals that the cell is made of; None for any other code."""
    found: dict[str, tuple[ast.expr, int]] = {}
    for statement in cell.python.tree.body if cell.python.tree is not None else ():
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if name in found or any(isinstance(n, ast.Name) and n.id in found for n in ast.walk(value)):
                    return None
                found[name] = (value, statement.lineno)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case _:
                return None
    return found


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _fits(known: ValueType, wanted: ValueType) -> bool:
    """Whether KFP takes a value of one type for an input of another."""
    if known.is_parameter or wanted.is_parameter:
        return known.kind is wanted.kind and (
            wanted.kind is not ParameterType.LIST or known.items == wanted.items or wanted.items is None
        )
    return known.many == wanted.many and (
        known.kind is wanted.kind or ArtifactType.ARTIFACT in (known.kind, wanted.kind)
    )
