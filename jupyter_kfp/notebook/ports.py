"""What was resolved becomes a Pipeline: steps with their inputs, outputs, code and guarded names."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.evidence import CONTAINERS
from jupyter_kfp.notebook.needs import ARTIFACT
from jupyter_kfp.notebook.roles import Reading
from jupyter_kfp.notebook.syntax import counted
from jupyter_kfp.notebook.travel import OBJECTS
from jupyter_kfp.notebook.units import Definition, Kind, Unit
from jupyter_kfp.notebook.verdicts import Verdicts
from jupyter_kfp.pipeline import (
    Code,
    FromParameter,
    FromStep,
    Input,
    Output,
    Pipeline,
    PipelineOutput,
    Source,
    Step,
)


class PortBuilder(Verdicts):
    """Builds the pipeline of one dataflow: needs, what travels, verdicts, and here the result."""

    def build(self) -> Pipeline:
        """The pipeline; what is wrong with it is in ``diagnostics``."""
        flow, reading = self.flow, self.flow.reading
        for step in flow.steps.values():
            for name, (definition, _) in step.reads.items():
                self._require(step, name, definition)
            for unit in flow.settings:
                if unit.cell < step.first_cell and self._wanted(unit, step):
                    self._carry(step, unit)
            self._forced(step)
        self._pipeline_outputs(reading)
        for step in flow.steps.values():
            self._unite_aliases(step)
        self._travelling_code()
        self._check_missing()
        self._check_reserved()
        self._check_unstable()
        self._check_keepers()
        self._find_readers()
        steps = tuple(self._step(step) for step in flow.steps.values())
        self._check_cycles(steps)
        return Pipeline(
            name=reading.name,
            body=steps,
            parameters=tuple(flow.parameters),
            outputs=tuple(self._pipeline_output(name, source) for name, source in self.outputs.items()),
            description=reading.description,
            options=reading.options,
        )

    def _pipeline_outputs(self, reading: Reading) -> None:
        for output in reading.outputs:
            definition = self.flow.outputs_at[output.cell].get(output.name)
            source: Source
            match definition:
                case Definition(kind=Kind.STEP):
                    producer = self.flow.steps[definition.step]
                    self._leave(producer, output.name)
                    if output.metric:
                        self.ports[producer.name].metrics.add(output.name)
                    source = FromStep(producer.name, output.name)
                case Definition(kind=Kind.PARAMETER):
                    source = FromParameter(output.name)
                case _:
                    what = "is code" if definition and definition.kind is Kind.CODE else (
                        "is only bound in the preamble" if definition and definition.kind is Kind.PREAMBLE else "is not bound by any step"
                    )  # fmt: skip
                    self._report(
                        "K213",
                        f"the output `{output.name}` {what}.",
                        None,
                        output.name,
                        cell=output.cell,
                        line=output.line,
                    )
                    continue
            self.outputs.setdefault(output.name, source)

    def _pipeline_output(self, name: str, source: Source) -> PipelineOutput:
        match source:
            case FromStep(step, variable):
                return PipelineOutput(name, self._output_type(self.flow.steps[step], variable), source)
            case FromParameter(parameter):
                declared = next(p for p in self.flow.parameters if p.name == parameter)
                return PipelineOutput(name, declared.type, source)

    def _step(self, step: StepState) -> Step:
        ports = self.ports[step.name]
        inputs = tuple(self._input(name, d) for name, d in sorted(ports.inputs.items()))
        outputs = tuple(
            Output(
                name,
                known,
                # The outputs cell reads the name on every path.
                self._optional(step, name) and FromStep(step.name, name) not in self.outputs.values(),
                tuple(sorted(ports.code)) if known.kind in OBJECTS else (),
            )
            for name in sorted(ports.outputs)
            for known in [self._output_type(step, name)]
        )
        return Step(
            name=step.name,
            body=tuple(
                Code(counted(cell.python.executed), cell.cell)
                for cell in step.reading.cells
                if cell.source.strip()
            ),
            preamble=_joined(ports.units.values()),
            early=tuple(
                sorted(i.name for i in inputs if i.name in ports.early and self._only_early(step, i))
            ),
            inputs=inputs,
            outputs=outputs,
            after=step.reading.after,
            guard=self._guard(step),
            metrics=tuple(sorted(ports.metrics)),
            options=step.reading.options,
        )

    def _only_early(self, step: StepState, variable: Input) -> bool:
        """Whether an input is bound before the code that travels, and not again after it.

        A parameter the step itself reads is bound again: the code may have bound its name to what it
        was further up.
        """
        if not variable.type.is_parameter:
            return True
        read = step.reads.get(variable.name)
        return read is None or read[0].version != self.ports[step.name].inputs[variable.name].version

    def _input(self, name: str, definition: Definition) -> Input:
        if definition.kind is Kind.PARAMETER:
            return Input(name, definition.type or ARTIFACT, FromParameter(name))
        return Input(
            name, self._output_type(self.flow.steps[definition.step], name), FromStep(definition.step, name)
        )

    def _guard(self, step: StepState) -> dict[str, str]:
        """Names that later steps read as they were before this one, and that this one could change."""
        ports = self.ports[step.name]
        producers = {d.step for d in ports.inputs.values() if d.kind is Kind.STEP}
        mine = {n for unit in ports.units.values() for n in unit.names}
        within_reach = set(ports.inputs) | mine | {n for p in producers for n in self.ports[p].outputs}
        found: dict[str, str] = {}
        for name in sorted(within_reach - ports.outputs - set(step.versions)):
            for cell, definition in self._readers.get(name, ()):
                if (
                    cell <= step.first_cell
                    or definition.cell > step.first_cell
                    or definition.step == step.name
                ):
                    continue
                known = ports.inputs.get(name)
                same_object = known is not None and known.version == definition.version
                made_here = definition.kind is Kind.PREAMBLE and name in mine
                shared = definition.kind is Kind.STEP and definition.step in producers
                if (same_object or made_here or shared) and self._is_mutable(definition):
                    found[name] = definition.step
        return found

    def _find_readers(self) -> None:
        """Who reads which definition of a name: steps by their first cell, and the pipeline's outputs."""
        self._readers: dict[str, list[tuple[int, Definition]]] = {}
        for step in self.flow.steps.values():
            read = {n: d for n, (d, _) in step.reads.items()} | self.ports[step.name].inputs
            for name, definition in read.items():
                if definition.is_data:
                    self._readers.setdefault(name, []).append((step.first_cell, definition))
        for output in self.flow.reading.outputs:
            found = self.flow.outputs_at[output.cell].get(output.name)
            if found is not None and found.is_data:
                self._readers.setdefault(output.name, []).append((output.cell, found))

    def _is_mutable(self, definition: Definition) -> bool:
        known = definition.type
        if definition.kind is Kind.STEP:
            known = self._output_type(self.flow.steps[definition.step], definition.name)
        return known is None or not known.is_parameter or known.kind in CONTAINERS


def _joined(units: Iterable[Unit]) -> tuple[Code, ...]:
    """Units in notebook order, those of one cell as one piece."""
    pieces: list[Code] = []
    for unit in sorted(units, key=lambda u: (u.cell, u.line)):
        if pieces and pieces[-1].cell == unit.cell and not unit.source.lstrip().startswith("%%"):
            pieces[-1] = Code(pieces[-1].source + "\n" + unit.source, unit.cell)
        else:
            pieces.append(Code(unit.source, unit.cell))
    return tuple(pieces)
