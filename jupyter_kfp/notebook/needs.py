"""What each step needs: inputs, code that travels to it, and so what others must leave for it.

Works backwards from what is read: a step exports exactly what somebody reads of it, and to do so may
itself need the value from before it (a name it only binds on some path, or changes in place).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.evidence import CONTAINERS, named_type
from jupyter_kfp.notebook.flow import Origin
from jupyter_kfp.notebook.records import IMPORTED
from jupyter_kfp.notebook.structure import Structure
from jupyter_kfp.notebook.units import Definition, Kind, Unit
from jupyter_kfp.pipeline import (
    ArtifactType,
    ValueType,
)

ARTIFACT = ValueType(ArtifactType.ARTIFACT)
# Ports that every step has, beside those of its variables.
RESERVED = frozenset({"executed_notebook", "executed_html", "step_metrics", "step_notebook"})
# Settings of these only change pictures: they need not hold in steps that draw none.
_VISUAL = frozenset({"matplotlib", "seaborn", "plotly", "altair", "bokeh"})
_UNPICKLABLE = frozenset(
    [
        "open",
        "Lock",
        "RLock",
        "Condition",
        "Semaphore",
        "BoundedSemaphore",
        "Event",
        "Barrier",
        "Popen",
        "ThreadPoolExecutor",
        "ProcessPoolExecutor",
        "Thread",
        "Process",
        "create_engine",
        "socket",
        "connect",
        "Connection",
        "cursor",
        "Queue",
        "SimpleQueue",
        "mmap",
        "map",
        "zip",
        "filter",
        "enumerate",
        "reversed",
    ]
) | {"<generator expression>"}


@dataclass(slots=True)
class Ports:
    """The ports of one step, and the code that travels to it, while they are being found."""

    inputs: dict[str, Definition] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    units: dict[int, Unit] = field(default_factory=dict)
    early: set[str] = field(default_factory=set)
    code: frozenset[str] = frozenset()
    closures: frozenset[str] = frozenset()
    metrics: set[str] = field(default_factory=set)


class Needs:
    """The ports of every step of one dataflow, and what was found wrong with them."""

    def __init__(self, flow: Structure) -> None:
        self.flow = flow
        self.diagnostics: list[Diagnostic] = []
        self.ports = {name: Ports() for name in flow.steps}
        self.outputs: dict[str, Definition] = {}
        self._reported: set[tuple[str, str, str]] = set()
        self._keepers: dict[int, tuple[Definition, list[str]]] = {}

    def _report(self, code: str, message: str, step: StepState | None, name: str, **more: object) -> None:
        key = (code, step.name if step else "", name)
        if key not in self._reported:
            self._reported.add(key)
            self.diagnostics.append(
                diagnostic(code, message, step=step.name if step else None, name=f"`{name}`", **more)  # type: ignore[arg-type]  # cell and line pass through
            )

    def _require(self, step: StepState, name: str, definition: Definition, *, early: bool = False) -> None:
        """``step`` needs what ``definition`` made: as an input, or as source."""
        ports = self.ports[step.name]
        if definition.kind in (Kind.DELETED, Kind.STATUS) or (
            definition.step == step.name and definition.kind is not Kind.CODE
        ):
            return
        if definition.kind in (Kind.CODE, Kind.PREAMBLE):
            if definition.step != step.name:
                self._check_code(step, name, definition)
                for unit in definition.units:
                    self._carry(step, unit)
            return
        known = ports.inputs.get(name)
        if known is not None and known.version != definition.version:
            first, second = sorted((known, definition), key=lambda d: d.version)
            self._report(
                "K206",
                f"step {step.name} would need two values of `{name}`: of cell {first.cell + 1} for code that reads it while being "
                f"defined, and of cell {second.cell + 1}.",
                step, name, cell=step.first_cell, what="that code",
            )  # fmt: skip
            return
        ports.inputs[name] = definition
        if early:
            ports.early.add(name)
        if known is None:
            self._provide(definition, f"step {step.name}", step)

    def _carry(self, step: StepState, unit: Unit) -> None:
        ports = self.ports[step.name]
        if id(unit) in ports.units:
            return
        ports.units[id(unit)] = unit
        for name, definition in unit.needs.items():
            self._require(step, name, definition, early=True)

    def _check_code(self, step: StepState, name: str, definition: Definition) -> None:
        if definition.stateful_in and definition.stateful_in != step.name:
            cell, line = definition.cell, definition.line
            if definition.facts is IMPORTED:
                self._report(
                    "K215", f"step {definition.stateful_in} changes a setting of `{name}`, which step {step.name} will not see.",
                    step, name, cell=step.first_cell,
                )  # fmt: skip
            else:
                self._report(
                    "K208", f"step {definition.stateful_in} keeps state in `{name}` itself; step {step.name} gets its source, without it.",
                    step, name, cell=cell, line=line,
                )  # fmt: skip
        if definition.state:
            self._keepers.setdefault(definition.version, (definition, []))[1].append(step.name)
        if definition.blocked:
            self._report(
                "K207", f"`{name}` is defined by code that does other things as well, so its source cannot travel to step {step.name}.",
                step, name, cell=definition.cell, line=definition.line,
            )  # fmt: skip

    def _provide(self, definition: Definition, who: str, reader: StepState | None) -> None:
        """Somebody (``who``) takes what ``definition`` made: whoever made it must leave it."""
        if definition.kind is Kind.STEP:
            self._export(definition, who, reader)

    def _export(self, definition: Definition, who: str, reader: StepState | None) -> None:
        name = definition.name
        producer = self.flow.steps[definition.step]
        if producer.versions.get(name) != definition.version:
            self._report(
                "K205",
                f"{who} reads `{name}` between two cells of step {producer.name} that both change it.",
                reader, name, cell=reader.first_cell if reader is not None else definition.cell,
            )  # fmt: skip
        self._leave(producer, name)

    def _leave(self, producer: StepState, name: str) -> None:
        """``name`` is an output of ``producer``."""
        ports = self.ports[producer.name]
        if name in ports.outputs:
            return
        ports.outputs.add(name)
        constructor = producer.record.constructors.get(name)
        if (
            constructor in _UNPICKLABLE
            and producer.flow.origin(name) is Origin.LOCAL
            and name not in self._declared(producer)
        ):
            place = producer.record.touched[name]
            self._report(
                "K303",
                f"`{name}` is made by {constructor}, which cannot leave the process, but a later step reads it.",
                producer, name, cell=place.cell, line=place.line,
            )  # fmt: skip
        if producer.flow.origin(name) & Origin.UPSTREAM:
            before = producer.before.get(name) or producer.environment.get(name)
            if before is not None:
                self._require(producer, name, before)

    def _declared(self, step: StepState) -> dict[str, str]:
        return step.reading.options.outputs

    def _wanted(self, unit: Unit, step: StepState) -> bool:
        """Whether a preamble setting must hold in ``step``: all but those of pictures it does not draw."""
        code = [d for d in unit.needs.values() if d.kind is Kind.CODE]
        roots = {root for d in code for u in d.units for root in u.roots}
        if not roots or not roots <= _VISUAL:
            return True
        used = {root for u in self.ports[step.name].units.values() for root in u.roots}
        return bool(used & _VISUAL)

    def _forced(self, step: StepState) -> None:
        """What a step exports though nobody may read it: declared outputs, annotated artifacts."""
        for name, kind in self._declared(step).items():
            if kind and named_type(kind) is None:
                self._report(
                    "K304", f"`{kind}` is not a type an output can have.", step, name, cell=step.first_cell
                )
            if name in step.versions and self._is_value(step, name):
                self._leave(step, name)
        for name, known in step.record.annotations.items():
            if (
                known is not None
                and not known.is_parameter
                and name in step.versions
                and self._is_value(step, name)
            ):
                self._leave(step, name)

    @staticmethod
    def _is_value(step: StepState, name: str) -> bool:
        """Whether ``name`` stands for a value when the step ends: not for code, not for nothing."""
        return step.flow.origin(name) is not Origin.UNBOUND and name not in step.flow.code

    def _output_type(self, step: StepState, name: str) -> ValueType:
        if name in step.types:
            return step.types[name]
        declared = self._declared(step).get(name)
        known = named_type(declared) if declared else self.flow.value_type(step, name)
        if known is None:
            return ARTIFACT
        # A parameter always has a value: what may be unbound travels as an artifact that can say so.
        # Two names of one list are one object only as artifacts, which can say that, too.
        shared = step.flow.aliases.get(name, frozenset()) & self.ports[step.name].outputs
        if known.is_parameter and (self._optional(step, name) or (known.kind in CONTAINERS and shared)):
            return ARTIFACT
        return known

    def _optional(self, step: StepState, name: str) -> bool:
        origin = step.flow.origin(name)
        if origin & Origin.UNBOUND:
            return True
        if Origin.UPSTREAM not in origin:
            return False
        before = step.before.get(name) or step.environment.get(name)
        if before is None or before.kind is Kind.DELETED:
            return True
        return self._may_be_unbound(before, step)

    def _may_be_unbound(self, definition: Definition, reader: StepState) -> bool:
        match definition.kind:
            case Kind.STEP if definition.step != reader.name:
                return self._optional(self.flow.steps[definition.step], definition.name)
            case Kind.CHOICE:
                return any(d is not None and self._may_be_unbound(d, reader) for d in definition.choices)
            case _:
                return False
