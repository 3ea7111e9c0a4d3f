"""What was resolved becomes a Pipeline: steps with their inputs, outputs, code and guarded names."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from jupyter_kfp.notebook.blocks import Block, Body, BranchBlock, LoopBlock
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.evidence import CONTAINERS
from jupyter_kfp.notebook.needs import ARTIFACT
from jupyter_kfp.notebook.reading import NamedOutput, Reading, StepCell
from jupyter_kfp.notebook.syntax import counted
from jupyter_kfp.notebook.travel import OBJECTS
from jupyter_kfp.notebook.units import Definition, Kind, Unit
from jupyter_kfp.notebook.verdicts import Verdicts
from jupyter_kfp.pipeline import (
    Arm,
    Branch,
    Code,
    Constant,
    ExitHandler,
    External,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Input,
    Loop,
    Node,
    Output,
    Pipeline,
    PipelineOutput,
    Source,
    Step,
    ValueType,
    walk,
)


class PortBuilder(Verdicts):
    """Builds the pipeline of one dataflow: needs, what travels, verdicts, and here the result."""

    def build(self) -> Pipeline:
        """The pipeline; what is wrong with it is in ``diagnostics``."""
        flow, reading = self.flow, self.flow.reading
        self._require_tests(flow.body)
        for step in list(flow.steps.values()):
            for name, (definition, _) in step.reads.items():
                self._require(step, name, definition)
            if step.external is not None:
                for _, value in step.external.given.values():
                    if isinstance(value, Definition):
                        self._provide(value, f"step {step.name}", step)
                continue
            for unit in flow.settings:
                if unit.cell < step.first_cell and self._wanted(unit, step):
                    self._carry(step, unit)
            self._forced(step)
        if reading.dsl is not None:
            self._explicit_outputs(reading.dsl)
        else:
            self._pipeline_outputs(reading)
        # From the last step on, as it may make earlier ones hand names on.
        for step in reversed(list(flow.steps.values())):
            self._unite_aliases(step)
        self._travelling_code()
        self._settle_types()
        self._check_missing()
        self._check_reserved()
        self._check_unstable()
        self._check_keepers()
        self._find_readers()
        body = self._nodes(flow.body)
        if flow.exit is not None:
            body = (ExitHandler(self._step(flow.exit), body),)
        self._check_cycles(tuple(node for node in walk(body) if isinstance(node, Step | External)))
        return Pipeline(
            name=reading.name,
            body=body,
            parameters=tuple(flow.parameters),
            outputs=tuple(self._pipeline_output(name, d) for name, d in self.outputs.items())
            if reading.dsl is None
            # What they are is for the %%pipeline cell to say.
            else tuple(PipelineOutput(o.name, ARTIFACT, Constant(None)) for o in reading.outputs),
            description=reading.description,
            options=reading.options,
        )

    def _require_tests(self, body: Body) -> None:
        """What conditions compare and loops run over is left by whoever makes it."""
        for block in body:
            match block:
                case BranchBlock(arms=arms):
                    for arm in arms:
                        for definition in arm.tested:
                            self._provide(definition, f"the condition of step {block.first}", None)
                        self._require_tests(arm.body)
                case LoopBlock(items=items, body=inner):
                    if isinstance(items, Definition):
                        self._provide(items, f"the loop of step {block.first}", None)
                    self._require_tests(inner)
                case _:
                    pass

    def _explicit_outputs(self, cell: StepCell) -> None:
        """What the ``%%pipeline`` cell takes from steps: ``task.outputs["name"]``."""
        if cell.python.error is not None:
            error = cell.python.error
            self.diagnostics.append(
                diagnostic("K221", f"syntax error: {error.message}.", cell=cell.cell, line=error.line)
            )
        tree = cell.python.tree
        texts = (
            {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)} if tree is not None else set()
        )
        for step in list(self.flow.steps.values()):
            for name in step.versions:
                if name in texts and self._is_value(step, name):
                    self._leave(step, name)

    def _pipeline_outputs(self, reading: Reading) -> None:
        for output in reading.outputs:
            definition = self.flow.outputs_at[output.cell].get(output.name)
            if definition is None or definition.kind in (Kind.CODE, Kind.PREAMBLE, Kind.DELETED):
                self._not_an_output(output, definition)
                continue
            if output.metric and definition.kind is Kind.PARAMETER:
                # Kale logs parameters as metrics, too; KFP shows them with the run, and hands out only what a step made.
                message = f"`{output.name}` is a parameter that no step changes: it is shown as the run's parameter, not as a metric."
                self._report("K308", message, None, output.name, cell=output.cell, line=output.line)
                continue
            self._provide(definition, "the pipeline's output", None)
            if output.metric:
                for producer, name in self._makers(definition):
                    if name == output.name:
                        self.ports[producer.name].metrics.add(name)
            self.outputs.setdefault(output.name, definition)

    def _not_an_output(self, output: NamedOutput, definition: Definition | None) -> None:
        loop = self.flow.closed.get(output.name)
        match definition:
            case Definition(kind=Kind.CODE):
                what = "is code"
            case Definition(kind=Kind.PREAMBLE):
                what = "is only bound in the preamble"
            case _ if loop is not None:
                what = f"is only bound in the loop of cell {loop.cell + 1} (`--collect` makes a list of it)"
            case _:
                what = "is not bound by any step"
        message = f"the output `{output.name}` {what}."
        self._report("K213", message, None, output.name, cell=output.cell, line=output.line)

    def _nodes(self, body: Body) -> tuple[Node, ...]:
        return tuple(node for block in body for node in self._node(block))

    def _node(self, block: Block) -> tuple[Node, ...]:
        match block:
            case BranchBlock(name=name, arms=arms):
                made = [
                    Arm(arm.test, self._nodes(arm.body), arm.frame.test if arm.frame is not None else "")
                    for arm in arms
                    if arm.body
                ]
                return (Branch(name, tuple(made)),)
            case LoopBlock() as loop:
                frame, items = loop.frame, self._loop_items(loop)
                inner = self._nodes(loop.body)
                return (
                    Loop(
                        loop.name,
                        frame.item,
                        items,
                        loop.type,
                        inner,
                        loop.parallelism,
                        loop.json,
                        frame.items,
                    ),
                )
            case StepState(external=None):
                return (self._step(block),)
            case StepState():
                return (self._external(block),)

    def _loop_items(self, loop: LoopBlock) -> Constant | FromParameter | FromStep:
        source = loop.items if isinstance(loop.items, Constant) else self._source(loop.items)
        # Of anything else a step makes a list first.
        return source if isinstance(source, Constant | FromParameter | FromStep) else Constant([])

    def _external(self, step: StepState) -> External:
        external = step.external
        if external is None:
            raise AssertionError(f"{step.name} is the notebook's own")
        inputs = tuple(
            Input(port, known, value if isinstance(value, Constant) else self._source(value))
            for port, (known, value) in external.given.items()
        )
        outputs = tuple(Output(name, known) for name, known in external.outputs.items())
        reading = step.reading
        return External(step.name, external.component, inputs, outputs, reading.after, reading.options)

    def _pipeline_output(self, name: str, definition: Definition) -> PipelineOutput:
        known = self._travels_as(definition)
        if definition.kind is Kind.PARAMETER:
            known = next(p.type for p in self.flow.parameters if p.name == name)
        return PipelineOutput(name, known, self._source(definition))

    def _step(self, step: StepState) -> Step:
        ports = self.ports[step.name]
        inputs = tuple(self._input(name, d) for name, d in sorted(ports.inputs.items()))
        shown = {(maker.name, name) for d in self.outputs.values() for maker, name in self._makers(d)}
        outputs = tuple(
            Output(
                name,
                known,
                # The outputs cell reads the name on every path.
                self._optional(step, name) and (step.name, name) not in shown,
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
            picks=_picks(ports.inputs),
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
        return Input(name, self._travels_as(definition), self._source(definition))

    def _source(self, definition: Definition) -> Source:
        match definition:
            case Definition(kind=Kind.PARAMETER, name=name):
                return FromParameter(name)
            case Definition(kind=Kind.STEP, step=step, name=name):
                return FromStep(step, name)
            case Definition(kind=Kind.ITEM, block=LoopBlock(name=loop)):
                return FromItem(loop)
            case Definition(kind=Kind.CHOICE, block=BranchBlock(name=branch)):
                _, found = self.alternatives.get(definition.version, (definition, []))
                return FromBranch(branch, tuple(found))
            case Definition(kind=Kind.COLLECTED, block=LoopBlock(name=loop)):
                element = self.elements.get(definition.version)
                return FromLoop(loop, element) if element is not None else Constant(None)
            case _:
                return Constant(None)  # reported already

    def _guard(self, step: StepState) -> dict[str, str]:
        """Names that are read as they were before this step, and that this one could change."""
        if not step.reading.cells:
            return {}  # no code, no changes
        ports = self.ports[step.name]
        producers = {maker.name for d in ports.inputs.values() for maker, _ in self._makers(d)}
        mine = {n for unit in ports.units.values() for n in unit.names}
        within_reach = set(ports.inputs) | mine | {n for p in producers for n in self.ports[p].outputs}
        found: dict[str, str] = {}
        helpers = set(_picks(ports.inputs).values())
        for name in sorted(within_reach - ports.outputs - set(step.versions) - helpers):
            for reader, cell, definition in self._readers.get(name, ()):
                if definition.step == step.name:
                    continue
                known = ports.inputs.get(name)
                same_object = known is not None and known.version == definition.version
                made_here = definition.kind is Kind.PREAMBLE and name in mine
                shared = definition.kind is Kind.STEP and definition.step in producers
                # What costs least is asked first: a parameter may have as many readers as there are steps.
                if (
                    (same_object or made_here or shared)
                    and self._is_mutable(definition)
                    and self._runs_after(reader, cell, step, definition)
                ):
                    found[name] = definition.step
        return found

    def _runs_after(self, reader: str, cell: int, step: StepState, definition: Definition) -> bool:
        """Whether somebody reads ``definition`` in the notebook after ``step`` ran, once more in a loop."""
        path = self._paths.get(step.name, ())
        common = [
            block for block, other in zip(path, self._paths.get(reader, ()), strict=False) if block is other
        ]
        if any(isinstance(block, LoopBlock) and definition.version <= block.start for block in common):
            return True
        return cell > step.first_cell and definition.cell <= step.first_cell

    def _find_readers(self) -> None:
        """Who reads which definition of a name: steps by their first cell, and the pipeline's outputs."""
        self._readers: dict[str, list[tuple[str, int, Definition]]] = {}
        self._paths: dict[str, tuple[BranchBlock | LoopBlock, ...]] = dict(_paths(self.flow.body, ()))
        for step in self.flow.steps.values():
            read = {n: d for n, (d, _) in step.reads.items()} | self.ports[step.name].inputs
            for name, definition in read.items():
                if definition.is_data:
                    self._readers.setdefault(name, []).append((step.name, step.first_cell, definition))
        for output in self.flow.reading.outputs:
            found = self.flow.outputs_at[output.cell].get(output.name)
            if found is not None and found.is_data:
                self._readers.setdefault(output.name, []).append(("", output.cell, found))

    def _is_mutable(self, definition: Definition) -> bool:
        known: ValueType | None = definition.type
        if definition.kind is Kind.ITEM:
            return known is None
        if definition.kind not in (Kind.PREAMBLE, Kind.PARAMETER):
            known = self._travels_as(definition)
        return known is None or not known.is_parameter or known.kind in CONTAINERS


def _picks(inputs: Mapping[str, Definition]) -> dict[str, str]:
    """The items that are elements of a list the step gets, with the name of that list."""
    return {
        name: d.block.values.name
        for name, d in sorted(inputs.items())
        if d.kind is Kind.ITEM and isinstance(d.block, LoopBlock) and d.block.values is not None
    }


def _paths(
    body: Body, outer: tuple[BranchBlock | LoopBlock, ...]
) -> Iterator[tuple[str, tuple[BranchBlock | LoopBlock, ...]]]:
    """The blocks every step stands in, from the outside in."""
    for block in body:
        match block:
            case BranchBlock(arms=arms):
                for arm in arms:
                    yield from _paths(arm.body, (*outer, block))
            case LoopBlock(body=inner):
                yield from _paths(inner, (*outer, block))
            case _:
                yield block.name, outer


def _joined(units: Iterable[Unit]) -> tuple[Code, ...]:
    """Units in notebook order, those of one cell as one piece."""
    pieces: list[Code] = []
    for unit in sorted(units, key=lambda u: (u.cell, u.line)):
        if pieces and pieces[-1].cell == unit.cell and not unit.source.lstrip().startswith("%%"):
            pieces[-1] = Code(pieces[-1].source + "\n" + unit.source, unit.cell)
        else:
            pieces.append(Code(unit.source, unit.cell))
    return tuple(pieces)
