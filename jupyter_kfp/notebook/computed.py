"""What control flow needs computed: conditions KFP cannot decide, and the items of loops.

Such code runs where the notebook would run it: at the end of the step that made all it reads, where
that is possible, else as a small step of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from jupyter_kfp.notebook import conditions
from jupyter_kfp.notebook.blocks import Body, LoopBlock
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.conditions import Operand
from jupyter_kfp.notebook.control import LoopFrame
from jupyter_kfp.notebook.dataflow import Dataflow
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.evidence import literal_type, named_type
from jupyter_kfp.notebook.flow import Flow, Origin
from jupyter_kfp.notebook.naming import free_name
from jupyter_kfp.notebook.reading import StepCell, StepReading
from jupyter_kfp.notebook.syntax import transform
from jupyter_kfp.notebook.units import Definition, Kind
from jupyter_kfp.notebook.walk import Walker
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import (
    Constant,
    FromItem,
    FromParameter,
    FromStep,
    Json,
    ParameterType,
    Test,
    ValueType,
)

_SCALARS = {ParameterType.STRING, ParameterType.INTEGER, ParameterType.FLOAT, ParameterType.BOOLEAN}
_INDEX = ValueType(ParameterType.INTEGER)
# What code needs to run at all; what the step asks for beyond that is for its own work.
_SHARED_OPTIONS = (
    "image", "packages", "env", "secret", "configmap", "image_pull_secret", "service_account", "labels", "annotations",
    "node_selector", "tolerations", "cache", "pickle",
)  # fmt: skip


class Computed(Dataflow):
    """Adds code of control flow to steps."""

    def _test(
        self, expression: str, earlier: list[str], reading: StepReading, cell: StepCell, line: int, body: Body
    ) -> tuple[Test, tuple[Definition, ...]]:
        """The test of an arm, and the definitions it compares."""
        wrong = conditions.string_to_boolean(expression, self.type_of)
        if wrong:
            self.diagnostics.append(
                diagnostic(
                    "K230", f"`{wrong}` compares a boolean with a text, which is never equal.",
                    cell=cell.cell, line=line, step=reading.name,
                )
            )  # fmt: skip
        found = conditions.plain_test(expression, self._operand)
        if found is not None:
            return found
        verdict = self._new_name(f"{reading.name}_condition".replace("-", "_"))
        source = conditions.verdict_source(verdict, earlier, expression)
        step = self._compute(source, f"check_{reading.name}", reading, cell, line, body)
        test = Test(FromStep(step.name, verdict), "==", Constant(value=True))
        return test, (self.environment[verdict],)

    def _operand(self, name: str) -> Operand | None:
        """A name as KFP sees it in a comparison, if its value is surely a scalar."""
        definition = self.environment.get(name)
        match definition:
            case Definition(kind=Kind.PARAMETER):
                parameter = next(p for p in self.parameters if p.name == name)
                known = parameter.type
                if known.kind in _SCALARS and (parameter.required or parameter.default is not None):
                    return Operand(FromParameter(name), known, definition)
            case Definition(kind=Kind.STEP, step=producer):
                known_type = self._surely(self.steps[producer], name)
                if known_type is not None and known_type.kind in _SCALARS:
                    return Operand(FromStep(producer, name), known_type, definition)
            case Definition(kind=Kind.ITEM, block=LoopBlock(json=False, values=None) as loop):
                return Operand(FromItem(loop.name), loop.type, definition)
            case _:
                pass
        return None

    def _surely(self, step: StepState, name: str) -> ValueType | None:
        """The type in which the step's output will surely travel."""
        declared = step.reading.options.outputs.get(name)
        if declared:
            return named_type(declared)
        origin = step.flow.origin(name)
        return self.value_type(step, name) if origin is Origin.LOCAL else None

    def _items(self, frame: LoopFrame, reading: StepReading, cell: StepCell, body: Body) -> LoopBlock:
        """The loop that a header opens, with where its items come from."""

        def loop(items: Constant | Definition, known: ValueType, *, json: bool = False) -> LoopBlock:
            return LoopBlock(self._block_name("for"), frame, cell.cell, reading.name, items, known, json=json)

        literal = conditions.literal_items(frame.items)
        if literal:
            known = _scalar_type(literal)
            if known is not None:
                return loop(Constant(literal), known)  # type: ignore[arg-type]  # scalars, as just checked
            texts = _json_texts(literal)
            if texts is not None:
                return loop(Constant(texts), ValueType(ParameterType.STRING), json=True)
        if frame.items.isidentifier():
            known = self._item_type(frame.items)
            if known is not None:
                return loop(self.environment[frame.items], known)
        values, indices = self._new_name(f"{frame.item}_values"), self._new_name(f"{frame.item}_indices")
        source = f"{values} = list({frame.items}); {indices}: list[int] = list(range(len({values})))"
        self._compute(source, f"list_{frame.item}", reading, cell, frame.line, body)
        found = loop(self.environment[indices], _INDEX)
        found.values = self.environment[values]
        return found

    def _item_type(self, name: str) -> ValueType | None:
        """The type of the items of a list that KFP itself can loop over."""
        definition = self.environment.get(name)
        match definition:
            case Definition(kind=Kind.PARAMETER):
                parameter = next(p for p in self.parameters if p.name == name)
                if parameter.type.kind is not ParameterType.LIST:
                    return None
                if parameter.type.items in _SCALARS:
                    return ValueType(parameter.type.items)
                default = parameter.default
                return _scalar_type(default) if isinstance(default, list) and default else None
            case Definition(kind=Kind.STEP, step=producer):
                known = self._surely(self.steps[producer], name)
                if known is None or known.kind is not ParameterType.LIST or known.items not in _SCALARS:
                    return None
                return None if self._aliases.get(name) else ValueType(known.items)
            case _:
                return None

    # ------------------------------------------------------------- where code runs

    def _compute(
        self, source: str, name: str, reading: StepReading, cell: StepCell, line: int, body: Body
    ) -> StepState:
        """Run ``source`` at this point of the notebook; the step that does."""
        code = "\n" * (line - 1) + source
        extra = StepCell(cell.cell, code, transform(code))
        step = self._maker(extra, body)
        if step is not None:
            step.reading = replace(step.reading, cells=(*step.reading.cells, extra))
            self._step_cell(extra, step.reading)
            return step
        own = StepReading(self._new_step_name(name), (extra,), (), shared_options(reading.options))
        self._step_cell(extra, own)
        step = self.steps[own.name]
        body.append(step)
        return step

    def _maker(self, extra: StepCell, body: Body) -> StepState | None:
        """The step of this body that made all the values ``extra`` reads, if one did."""
        walker = Walker(self, Flow())
        tree = extra.python.tree
        walker.run(tree.body if tree is not None else (), extra.cell, self._index(extra), extra.python.soft)
        if walker.record.mutated:
            return None
        read = [
            d for name in walker.record.reads if (d := self.environment.get(name)) is not None and d.is_data
        ]
        makers = {d.step for d in read if d.kind is Kind.STEP}
        if len(makers) != 1 or any(d.kind not in (Kind.STEP, Kind.PARAMETER, Kind.PREAMBLE) for d in read):
            return None
        step = self.steps[makers.pop()]
        # Nobody has changed since what the step bound: its end is as good as here.
        still = all(self._version(name) == version for name, version in step.versions.items())
        untouched = all(d.name not in step.versions for d in read if d.kind is not Kind.STEP)
        ended = step.reading.cells and step.reading.cells[-1].cell < extra.cell
        if step in body and step.external is None and still and untouched and ended:
            return step
        return None

    def _version(self, name: str) -> int | None:
        definition = self.environment.get(name)
        return definition.version if definition is not None else None

    # ------------------------------------------------------------------- names

    def _new_name(self, wanted: str) -> str:
        """A variable's name that the notebook does not use."""
        name = free_name(wanted, self.used)
        self.used.add(name)
        return name

    def _new_step_name(self, wanted: str) -> str:
        taken = {step.name for step in self.reading.steps} | set(self.steps)
        return free_name(wanted, taken)

    def _block_name(self, kind: str) -> str:
        self._blocks += 1
        return f"{kind}-{self._blocks}"


def shared_options(options: StepOptions) -> StepOptions:
    """What of a step's options a small step beside it needs as well."""
    given = {name: getattr(options, name) for name in _SHARED_OPTIONS if name in options.model_fields_set}
    return StepOptions.model_construct(_fields_set=set(given), **given)


def _scalar_type(items: Iterable[object]) -> ValueType | None:
    """The one type of ``items``, if they are scalars of one type that KFP carries exactly."""
    types = {literal_type(item) for item in items}
    known = types.pop() if len(types) == 1 else None
    return known if known is not None and known.kind in _SCALARS else None


def _json_texts(items: list[object]) -> list[Json] | None:
    """``items`` as JSON texts, if JSON gives them back as they are."""
    import json

    texts: list[Json] = []
    for item in items:
        try:
            text = json.dumps(item, allow_nan=False)
        except (TypeError, ValueError):
            return None
        if repr(json.loads(text)) != repr(item):
            return None
        texts.append(text)
    return texts
