"""Objects that must stay themselves: names of one object, and the code that values refer to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jupyter_kfp.notebook.blocks import loops_in
from jupyter_kfp.notebook.environment import BUILTINS, StepState
from jupyter_kfp.notebook.joins import Joins
from jupyter_kfp.notebook.needs import ARTIFACT
from jupyter_kfp.notebook.records import IMPORTED
from jupyter_kfp.notebook.symbols import CodeFacts
from jupyter_kfp.notebook.units import Definition, Kind
from jupyter_kfp.notebook.walk import Walker
from jupyter_kfp.pipeline import (
    ArtifactType,
    ValueType,
)

# Artifacts that may hold objects of the notebook's own classes; tables, metrics and pictures do not.
OBJECTS = frozenset({ArtifactType.ARTIFACT, ArtifactType.MODEL})


class Travel(Joins):
    """Adds to the needs of steps what keeps objects what they are."""

    def _unite_aliases(self, step: StepState) -> None:
        """Names of one object that ``step`` changes, compares or hands on come from one producer, so that they stay one.

        ``y = xs`` in step B and ``y.append(1)`` or ``y is xs`` in step C: C must not get xs from step
        A, as another list, beside the y of B.
        """
        inputs = self.ports[step.name].inputs
        handed_on = {
            name
            for name in self.ports[step.name].outputs & set(inputs)
            if step.versions.get(name) == inputs[name].version
        }
        looked_at = set(step.record.mutated) | step.record.identified | handed_on
        for name in sorted(looked_at & set(inputs)):
            for other in sorted(step.aliases.get(name, frozenset()) & looked_at):
                mine, its = inputs[name], inputs.get(other) or step.environment.get(other)
                if its is None or not its.is_data:
                    continue
                older, newer = sorted((mine, its), key=lambda d: d.version)
                if newer.kind is Kind.STEP and newer.step != older.step:
                    self._pass_on(step, self.flow.steps[newer.step], older)
                elif newer.kind is Kind.CHOICE and self._travels_as(older).is_parameter:
                    self._keep_identity(step, newer, older)

    def _keep_identity(self, step: StepState, newer: Definition, older: Definition) -> None:
        """What an arm of a branch gave a second name travels as an artifact, which can say that it is one object."""
        loops = loops_in(self.flow.body, branches=True)
        if older.kind is Kind.STEP and not any(loop.items is older for loop in loops):
            self.flow.steps[older.step].types[older.name] = ARTIFACT
            return
        self._report(
            "K237",
            f"`{older.name}` and `{newer.name}` may be one object behind the branch of cell {newer.cell + 1}, and step "
            f"{step.name} changes it.",
            step, newer.name, cell=step.first_cell, other=older.name,
        )  # fmt: skip

    def _pass_on(self, step: StepState, through: StepState, older: Definition) -> None:
        """``step`` takes ``older`` from the step ``through``, which hands it on."""
        name = older.name
        if name in through.versions:
            return
        self._require(through, name, older)
        self.ports[through.name].outputs.add(name)
        self.ports[step.name].inputs[name] = Definition(
            name,
            Kind.STEP,
            through.versions.setdefault(name, older.version),
            older.cell,
            older.line,
            step=through.name,
        )

    def _travelling_code(self) -> None:
        """Classes and functions that values may refer to travel to whoever loads the values."""
        while True:
            before = [(p.code, len(p.inputs), len(p.units)) for p in self.ports.values()]
            for step in list(self.flow.steps.values()):
                ports = self.ports[step.name]
                code = self._own_code(step)
                closures = set(step.record.closures)
                for definition in list(ports.inputs.values()):
                    for producer, output in self._makers(definition):
                        if self._output_type(producer, output).kind in OBJECTS:
                            code |= self.ports[producer.name].code
                            closures |= self.ports[producer.name].closures
                            self._receive_code(step, producer)
                ports.code, ports.closures = frozenset(code), frozenset(closures)
            if before == [(p.code, len(p.inputs), len(p.units)) for p in self.ports.values()]:
                return

    def _own_code(self, step: StepState) -> set[str]:
        found: set[str] = set()
        for name in step.record.captured:
            definition = step.environment.get(name)
            facts = step.flow.code.get(name) or (definition.facts if definition is not None else None)
            if name in step.versions and name not in step.flow.code:
                continue  # bound to a value by now: its name would find that
            if facts is not None and facts is not IMPORTED:
                found.add(name)
        return found

    def _receive_code(self, step: StepState, producer: StepState) -> None:
        for name in sorted(self.ports[producer.name].code):
            here = step.environment.get(name)
            if here is None or here.kind is not Kind.CODE:
                continue
            made = self._code_version(producer, name)
            held = name in producer.record.held or (here.facts is not None and here.facts.is_class)
            if made is not None and made != here.version and held:
                self._report(
                    "K209",
                    f"`{name}` is defined again in cell {here.cell + 1}, while values that hold the earlier one travel from step "
                    f"{producer.name} to step {step.name}.",
                    step, name, cell=here.cell, line=here.line,
                )  # fmt: skip
            self._require(step, name, here)
            self._receive_reads(step, _deferred_reads(step, name))
        # Functions without a name travel by value, and read the names of where they are called.
        self._receive_reads(step, self.ports[producer.name].closures)

    def _receive_reads(self, step: StepState, names: frozenset[str]) -> None:
        for name in sorted(names):
            definition = step.environment.get(name)
            if definition is not None and name not in self.ports[step.name].inputs and name not in step.reads:
                self._require(step, name, definition)

    def _code_version(self, producer: StepState, name: str) -> int | None:
        if name in producer.flow.code and name in producer.versions:
            return producer.versions[name]
        definition = producer.environment.get(name)
        return definition.version if definition is not None else None


def _deferred_reads(step: StepState, name: str) -> frozenset[str]:
    """What ``name``'s code reads when it runs, with all it calls, as things stood when ``step`` began."""
    return Walker(_Snapshot(step.environment)).effects(name).reads


class _Snapshot:
    """An environment of some moment, as a walker asks of it."""

    own_methods: frozenset[str] = frozenset()
    shadowed: frozenset[str] = BUILTINS
    imports: Mapping[str, str] = MappingProxyType({})
    stateful: frozenset[str] = frozenset()

    def __init__(self, environment: dict[str, Definition]) -> None:
        self._environment = environment

    def facts(self, name: str) -> CodeFacts | None:
        definition = self._environment.get(name)
        return definition.facts if definition is not None and definition.kind is Kind.CODE else None

    def is_code(self, name: str) -> bool:
        return self.facts(name) is not None

    def type_of(self, name: str) -> ValueType | None:
        return None
