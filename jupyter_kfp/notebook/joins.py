"""Values that come from several places: what the arms of a branch left, what the iterations of a loop did.

KFP takes them from steps directly in the arms (``dsl.OneOf``) or in the loop (``dsl.Collected``), all
of one type. Where an arm leaves a name as it was, or another type, a step in it hands the value on: one
that is there anyway, else a small one without code.
"""

from __future__ import annotations

from jupyter_kfp.notebook.blocks import ArmBlock, Body, BranchBlock, LoopBlock, loops_in
from jupyter_kfp.notebook.computed import shared_options
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.flow import Flow
from jupyter_kfp.notebook.naming import free_name
from jupyter_kfp.notebook.needs import ARTIFACT, Needs, Ports
from jupyter_kfp.notebook.reading import StepReading
from jupyter_kfp.notebook.structure import Structure
from jupyter_kfp.notebook.units import Definition, Kind
from jupyter_kfp.pipeline import FromStep, ParameterType, ValueType


class Joins(Needs):
    """Resolves definitions that several steps make."""

    def __init__(self, flow: Structure) -> None:
        super().__init__(flow)
        self.alternatives: dict[int, tuple[Definition, list[FromStep]]] = {}
        self.elements: dict[int, FromStep] = {}
        self._carried: dict[tuple[str, str], Definition] = {}
        self._couriers: dict[int, StepState] = {}

    def _provide(self, definition: Definition, who: str, reader: StepState | None) -> None:
        match definition:
            case Definition(kind=Kind.ITEM, block=LoopBlock(values=Definition() as values)):
                if reader is not None:
                    self._require(reader, values.name, values)
            case Definition(kind=Kind.CHOICE, block=BranchBlock() as branch):
                self._choose(definition, branch, who, reader)
            case Definition(kind=Kind.COLLECTED, block=LoopBlock() as loop):
                self._gather(definition, loop, who, reader)
            case _:
                super()._provide(definition, who, reader)

    # ------------------------------------------------------------------ branches

    def _choose(
        self, definition: Definition, branch: BranchBlock, who: str, reader: StepState | None
    ) -> None:
        if definition.version in self.alternatives:
            return
        name = definition.name
        found: list[FromStep] = []
        self.alternatives[definition.version] = (definition, found)
        left = definition.choices
        if any(d is not None and d.kind is Kind.CODE for d in left):
            self._report(
                "K207", f"`{name}` is other code in each arm of a branch, so {who} cannot have its source.", reader, name,
                cell=definition.cell, line=definition.line,
            )  # fmt: skip
            return
        if None in left:
            bound = [arm for arm, d in zip(branch.arms, left, strict=True) if d is not None]
            where = " and ".join(_arm_words(arm) for arm in bound)
            read = reader.reads.get(name) if reader is not None else None
            self._report(
                "K223", f"{who} reads `{name}`, which is only bound {where} (cell {definition.cell + 1}).", reader, name,
                cell=read[1].cell if read else definition.cell, line=read[1].line if read else definition.line,
            )  # fmt: skip
            return
        for arm, made in zip(branch.arms, left, strict=True):
            if made is not None:
                found.append(self._directly(arm.body, arm.end, made, branch.first, who, reader))

    def _gather(self, definition: Definition, loop: LoopBlock, who: str, reader: StepState | None) -> None:
        element = definition.choices[0]
        if definition.version in self.elements or element is None:
            return
        for inner in (loop, *loops_in(loop.body)):
            if inner.end.get(element.name) is element:
                source = self._directly(inner.body, inner.end, element, inner.first, who, reader)
                self.elements[definition.version] = source
                return

    def _directly(
        self,
        body: Body,
        end: dict[str, Definition],
        made: Definition,
        first: str,
        who: str,
        reader: StepState | None,
    ) -> FromStep:
        """``made`` as the output of a step directly in ``body``, at whose end it is still that."""
        producer = self.flow.steps[made.step] if made.kind is Kind.STEP else None
        if producer is not None and any(block is producer for block in body):
            self._export(made, who, reader)
            return FromStep(producer.name, made.name)
        return self._hand_on(body, end, made, first)

    def _hand_on(self, body: Body, end: dict[str, Definition], made: Definition, first: str) -> FromStep:
        """``made`` as the output of a step in ``body`` that did not make it."""
        name = made.name
        through = next(
            (
                block
                for block in reversed(body)
                if isinstance(block, StepState)
                and block.external is None
                and block.environment.get(name) is made
                and name not in block.versions
            ),
            None,
        )
        if through is None:
            through = self._courier(body, end, first)
        self._require(through, name, made)
        self.ports[through.name].outputs.add(name)
        self._carried[through.name, name] = made
        return FromStep(through.name, name)

    def _courier(self, body: Body, end: dict[str, Definition], first: str) -> StepState:
        """The step without code at the end of ``body``."""
        if id(body) not in self._couriers:
            flow = self.flow
            opener = flow.steps[first]
            taken = {step.name for step in flow.reading.steps} | set(flow.steps)
            last = next((block.name for block in reversed(body) if isinstance(block, StepState)), first)
            name = free_name(f"keep_{last}" if body else f"without_{first}", taken)
            reading = StepReading(name, (), (), shared_options(opener.reading.options))
            step = StepState(reading, Flow(), dict(end), at=opener.first_cell)
            flow.steps[name] = step
            self.ports[name] = Ports()
            body.append(step)
            self._couriers[id(body)] = step
        return self._couriers[id(body)]

    # ------------------------------------------------------------------ types

    def _settle_types(self) -> None:
        """Give the alternatives of every choice one type, as KFP wants it."""
        while True:
            unsettled = [
                (definition, found)
                for definition, found in list(self.alternatives.values())
                if len({self._type_of(source) for source in found}) > 1
            ]
            if not unsettled:
                return
            for definition, found in unsettled:
                self._settle(definition, found)

    def _settle(self, definition: Definition, found: list[FromStep]) -> None:
        branch = definition.block
        for index, source in enumerate(found):
            step = self.flow.steps[source.step]
            mine = (source.step, source.name) not in self._carried
            if mine and (step.external is not None or self._type_of(source).is_parameter):
                # Others may need it as it is, so another step hands it on as an artifact.
                made = definition.choices[index]
                if isinstance(branch, BranchBlock) and made is not None:
                    arm = branch.arms[index]
                    found[index] = self._hand_on(arm.body, arm.end, made, branch.first)
                    step = self.flow.steps[found[index].step]
            step.types[source.name] = ARTIFACT

    def _type_of(self, source: FromStep) -> ValueType:
        return self._output_type(self.flow.steps[source.step], source.name)

    def _output_type(self, step: StepState, name: str) -> ValueType:
        made = self._carried.get((step.name, name))
        if made is None or name in step.types:
            return super()._output_type(step, name)
        match made:
            case Definition(kind=Kind.ITEM, block=LoopBlock(json=json, values=values)) if (
                json or values is not None
            ):
                return ARTIFACT
            case Definition(kind=Kind.PARAMETER) if self._may_be_none(made.name):
                return ARTIFACT  # a parameter of KFP's that a step leaves always has a value
            case _:
                known = self._travels_as(made)
                return ARTIFACT if known.many else known

    def _may_be_none(self, name: str) -> bool:
        return any(p.name == name and not p.required and p.default is None for p in self.flow.parameters)

    def _travels_as(self, definition: Definition) -> ValueType:
        """How the value of an input travels."""
        match definition:
            case Definition(kind=Kind.STEP, step=producer):
                return self._output_type(self.flow.steps[producer], definition.name)
            case Definition(kind=Kind.ITEM, block=LoopBlock(type=known)):
                return known
            case Definition(kind=Kind.CHOICE):
                _, found = self.alternatives.get(definition.version, (definition, []))
                return self._type_of(found[0]) if found else ARTIFACT
            case Definition(kind=Kind.COLLECTED):
                element = self.elements.get(definition.version)
                known = self._type_of(element) if element is not None else ARTIFACT
                if isinstance(known.kind, ParameterType):
                    return ValueType(ParameterType.LIST, known.kind)
                return ValueType(known.kind, many=True)
            case _:
                return definition.type or ARTIFACT

    def _makers(self, definition: Definition) -> list[tuple[StepState, str]]:
        """The steps, with the names of their outputs, that an input is made of."""
        match definition.kind:
            case Kind.STEP:
                return [(self.flow.steps[definition.step], definition.name)]
            case Kind.CHOICE:
                _, found = self.alternatives.get(definition.version, (definition, []))
            case Kind.COLLECTED:
                element = self.elements.get(definition.version)
                found = [element] if element is not None else []
            case _:
                found = []
        return [(self.flow.steps[source.step], source.name) for source in found]


def _arm_words(arm: ArmBlock) -> str:
    if arm.frame is None or not arm.frame.test:
        return "where no condition of its branch holds"
    return f"where `{arm.frame.test}`"
