"""The walk over a whole notebook: cells in order, in the blocks that control flow makes of them.

Branches and loops are walked as Python runs them. Every arm of a branch starts from the names before
it, and what its arms left is joined behind it; an iteration of a loop has names of its own, of which
only what is collected is left.
"""

from __future__ import annotations

from collections.abc import Callable

from jupyter_kfp.notebook.blocks import (
    ArmBlock,
    Body,
    BranchBlock,
    LoopBlock,
    Open,
    OpenBranch,
    OpenLoop,
    loops_in,
)
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.conditions import names_in
from jupyter_kfp.notebook.control import Arm, BranchFrame, Frame, LoopFrame, same_loop, same_test
from jupyter_kfp.notebook.copies import Copies
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.externals import OpenNotebook
from jupyter_kfp.notebook.foreign import Foreign
from jupyter_kfp.notebook.reading import Reading, StepCell, StepReading
from jupyter_kfp.notebook.records import Record
from jupyter_kfp.notebook.units import Definition, Kind


class Structure(Foreign):
    """Walks a notebook; the result is in ``steps``, ``body`` and ``exit``."""

    def __init__(self, reading: Reading, open_notebook: OpenNotebook) -> None:
        super().__init__(reading, open_notebook)
        self._open: list[Open] = []
        self._homes: dict[str, Body] = {}
        self._exit_names: dict[str, Definition] = {}
        self._copies = Copies()

    def run(self) -> None:
        """Walk every cell in notebook order."""
        preamble = {cell.cell for cell in self.reading.preamble}
        parameters = {cell.cell for cell in self.reading.parameters}
        owner = {cell.cell: step for step in self.reading.steps for cell in step.cells}
        outputs = sorted({output.cell for output in self.reading.outputs})
        for cell in self._cells():
            while outputs and outputs[0] < cell.cell:
                self._close(0)
                self.outputs_at[outputs.pop(0)] = dict(self.environment)
            if cell.python.tree is None and cell.python.error is not None:
                self._syntax_error(cell, owner.get(cell.cell))
            elif cell.cell in parameters:
                self._outside(cell, self._parameters)
            elif cell.cell in preamble:
                self._outside(cell, self._preamble)
            else:
                self._place(cell, owner[cell.cell])
        self._close(0)
        for index in outputs:
            self.outputs_at[index] = dict(self.environment)
        for output in self.reading.outputs:
            found = self.outputs_at[output.cell].get(output.name)
            self.diagnostics += self._copies.read(output.name, found)

    def _outside(self, cell: StepCell, walk: Callable[[StepCell], None]) -> None:
        """A cell of no step between the cells of a block: what it binds holds in and around the block."""
        before = self._versions
        walk(cell)
        for name, definition in self.environment.items():
            if definition.version > before:
                for block in self._open:
                    block.environment[name] = definition

    def _place(self, cell: StepCell, reading: StepReading) -> None:
        """Walk one cell of a step where it belongs."""
        if reading.control.on_exit:
            self._exit_cell(cell, reading)
            return
        if not self._enter(cell, reading):
            return
        body = self._body()
        if self._homes.setdefault(reading.name, body) is not body:
            self.diagnostics.append(
                diagnostic(
                    "K229", f"the cells of step {reading.name} stand in different branches or loops.",
                    cell=cell.cell, step=reading.name,
                )
            )  # fmt: skip
            return
        if reading.control.notebook or reading.control.component:
            external = self._external_cell(cell, reading, body)
            if external is not None:
                body.append(external)
            return
        self._step_cell(cell, reading)
        step = self.steps[reading.name]
        if step not in body:
            body.append(step)
        self._check_rebound(step)

    def _body(self) -> Body:
        return self._open[-1].body if self._open else self.body

    # ------------------------------------------------------------------ blocks

    def _enter(self, cell: StepCell, reading: StepReading) -> bool:
        """Open the blocks the cell stands in, close those it does not. False where a header is wrong."""
        frames = reading.control.frames
        depth = 0
        while depth < min(len(frames), len(self._open)) and self._continues(self._open[depth], frames[depth]):
            depth += 1
        if depth < min(len(frames), len(self._open)):
            frame, block = frames[depth], self._open[depth]
            if isinstance(frame, BranchFrame) and frame.arm is not Arm.IF and isinstance(block, OpenBranch):
                self._close(depth + 1)
                self._next_arm(block, frame, cell, reading)
                depth += 1
        self._close(depth)
        for frame in frames[depth:]:
            match frame:
                case LoopFrame():
                    self._open_loop(frame, cell, reading)
                case BranchFrame(arm=Arm.IF):
                    self._open_branch(frame, cell, reading)
                case BranchFrame():
                    self.diagnostics.append(
                        diagnostic(
                            "K228", f"`--{frame.arm.value}` has no `--if` directly before it.",
                            cell=cell.cell, line=frame.line, step=reading.name,
                        )
                    )  # fmt: skip
                    return False
        for block, frame in zip(self._open, frames, strict=True):
            if isinstance(block, OpenLoop) and isinstance(frame, LoopFrame):
                self._say_of_loop(block.block, frame, cell)
        return True

    def _continues(self, block: Open, frame: Frame) -> bool:
        """Whether a cell with this frame stands in the block that is open."""
        match block, frame:
            case OpenLoop(block=loop), LoopFrame():
                return same_loop(loop.frame, frame)
            case OpenBranch(block=branch), BranchFrame():
                current = branch.arms[-1].frame
                if current is None or not same_test(current, frame):
                    return False
                # Where the body changed what its own condition reads, the notebook decides anew.
                return frame.arm is not Arm.IF or block.reads == self._versions_of(frame.test)
            case _:
                return False

    def _versions_of(self, expression: str) -> dict[str, int]:
        found = ((name, self.environment.get(name)) for name in sorted(names_in(expression)))
        return {name: definition.version for name, definition in found if definition is not None}

    def _open_branch(self, frame: BranchFrame, cell: StepCell, reading: StepReading) -> None:
        body = self._body()
        test, tested = self._test(frame.test, [], reading, cell, frame.line, body)
        branch = BranchBlock(self._block_name("if"), reading.name, cell.cell)
        branch.arms.append(ArmBlock(frame, cell.cell, test=test, tested=tested))
        body.append(branch)
        reads = self._versions_of(frame.test)
        self._open.append(
            OpenBranch(branch, dict(self.environment), dict(self._aliases), reads, [frame.test])
        )

    def _next_arm(self, block: OpenBranch, frame: BranchFrame, cell: StepCell, reading: StepReading) -> None:
        branch = block.block
        if branch.arms[-1].test is None:
            message = f"`--{frame.arm.value}` stands after the `--else` of its branch."
            self.diagnostics.append(
                diagnostic("K228", message, cell=cell.cell, line=frame.line, step=reading.name)
            )
        self._end_arm(block)
        arm = ArmBlock(frame, cell.cell)
        if frame.arm is Arm.ELIF:
            body = self._open[self._open.index(block) - 1].body if self._open[0] is not block else self.body
            before = len(body)
            arm.test, arm.tested = self._test(frame.test, block.tests, reading, cell, frame.line, body)
            # What decides stands before the branch, and its names are known around it.
            body[:] = [*body[: body.index(branch)], *body[before:], *body[body.index(branch) : before]]
            new = {n: d for n, d in self.environment.items() if block.environment.get(n) is not d}
            for known in (block.environment, *(a.end for a in branch.arms)):
                known.update(new)
            block.tests.append(frame.test)
        branch.arms.append(arm)

    def _end_arm(self, block: OpenBranch) -> None:
        block.block.arms[-1].end = self.environment
        self.environment = dict(block.environment)
        block.left = _united(block.left, self._aliases)
        self._aliases = dict(block.aliases)

    def _open_loop(self, frame: LoopFrame, cell: StepCell, reading: StepReading) -> None:
        body = self._body()
        loop = self._items(frame, reading, cell, body)
        body.append(loop)
        self._open.append(OpenLoop(loop, dict(self.environment), dict(self._aliases)))
        loop.start = self._versions
        known = None if loop.json or loop.values is not None else loop.type
        self._define(frame.item, Kind.ITEM, cell.cell, frame.line, type=known, block=loop)
        shared = {frame.items} if frame.items.isidentifier() and frame.items in self.environment else set()
        self._aliases.pop(frame.item, None)
        if known is None:
            # What the helper list shares with the notebook's names, the item may; the list nobody else sees.
            helper = {loop.values.name} if loop.values is not None else set()
            for name in sorted(shared | helper):
                self._relate_names(frame.item, name, helper)

    def _relate_names(self, name: str, other: str, hidden: set[str]) -> None:
        group = ({other} | self._aliases.get(other, frozenset())) - {name} - hidden
        self._aliases[name] = self._aliases.get(name, frozenset()) | group
        for member in group:
            self._aliases[member] = self._aliases.get(member, frozenset()) | {name}

    def _say_of_loop(self, loop: LoopBlock, frame: LoopFrame, cell: StepCell) -> None:
        loop.parallelism = loop.parallelism or frame.parallelism
        for target, name in frame.collect:
            loop.collect.setdefault(target, (name, cell.cell, frame.line))

    def _close(self, depth: int) -> None:
        """Close every block deeper than ``depth``."""
        while len(self._open) > depth:
            match self._open.pop():
                case OpenLoop() as loop:
                    self._close_loop(loop)
                case OpenBranch() as branch:
                    self._close_branch(branch)

    def _close_loop(self, opened: OpenLoop) -> None:
        loop = opened.block
        loop.end, inner, shared = self.environment, self.environment, self._aliases
        self.environment, self._aliases = opened.environment, opened.aliases
        for name, definition in inner.items():
            if definition.version > loop.start and definition.kind is not Kind.DELETED:
                self.closed[name] = loop
        for target, (name, cell, line) in loop.collect.items():
            element = self._element(loop, name)
            if element is None or not _surely_bound(element):
                nothing = "nothing in the loop over" if element is None else "not every iteration over"
                message = f"{nothing} {loop.frame.items} binds `{name}`, so there is nothing to collect."
                self.diagnostics.append(
                    diagnostic("K225", message, cell=cell, line=line, step=loop.first, name=f"`{name}`")
                )
                continue
            self._aliases.pop(target, None)
            made = self._define(target, Kind.COLLECTED, cell, line, block=loop, choices=(element,))
            self.closed.pop(target, None)
            # What the iterations have still of before the loop, and may have collected a part of.
            self._copies.collected(
                made, {n: inner[n] for n in shared.get(name, ()) if self._is_still(n, inner)}
            )

    def _is_still(self, name: str, inner: dict[str, Definition]) -> bool:
        """Whether ``name`` is, in a loop, what it is before it: data."""
        now = inner.get(name)
        return now is not None and now.is_data and self.environment.get(name) is now

    def _element(self, loop: LoopBlock, name: str) -> Definition | None:
        """What an iteration binds to ``name``: in the loop itself, else in a loop within it."""
        for inner in (loop, *loops_in(loop.body)):
            found = inner.end.get(name)
            if found is not None and found.version > inner.start and found.is_data:
                return found
        return None

    def _close_branch(self, opened: OpenBranch) -> None:
        branch = opened.block
        self._end_arm(opened)
        if branch.arms[-1].test is not None:
            branch.arms.append(ArmBlock(None, branch.cell, end=dict(opened.environment)))
        self._aliases = _united(opened.left, opened.aliases)
        ends = [arm.end for arm in branch.arms]
        for name in {name for end in ends for name in end}:
            left = tuple(end.get(name) for end in ends)
            if len({d.version if d is not None else None for d in left}) > 1:
                self._join(branch, name, left)

    def _join(self, branch: BranchBlock, name: str, left: tuple[Definition | None, ...]) -> None:
        """What ``name`` is after a branch whose arms left different things."""
        kept = tuple(d if d is not None and d.kind is not Kind.DELETED else None for d in left)
        there = [d for d in kept if d is not None]
        if not there:
            gone = next(d for d in left if d is not None)
            self._define(name, Kind.DELETED, gone.cell, gone.line, step=gone.step)
            return
        newest = max(there, key=lambda d: d.version)
        types = {self._type(d) for d in there}
        known = types.pop() if len(types) == 1 else None
        self._define(name, Kind.CHOICE, newest.cell, newest.line, type=known, block=branch, choices=kept)

    # ------------------------------------------------------------------ exit step

    def _exit_cell(self, cell: StepCell, reading: StepReading) -> None:
        """The exit step: it runs even where no other step did, so it reads what is there without them."""
        self._close(0)
        environment, aliases = self.environment, self._aliases
        made = {n for n, d in environment.items() if d.kind not in (Kind.PARAMETER, Kind.CODE, Kind.PREAMBLE)}
        self.hidden |= frozenset(made)
        self.environment = {n: d for n, d in environment.items() if n not in made}
        self.environment |= self._exit_names  # of its earlier cells
        if "status" not in self._exit_names:
            self._define("status", Kind.STATUS, cell.cell, 1)
        self._aliases = {}
        self._step_cell(cell, reading)
        self.exit = self.steps[reading.name]
        self._exit_names = {n: d for n, d in self.environment.items() if environment.get(n) is not d}
        self.environment, self._aliases = environment, aliases

    # ------------------------------------------------------------------ checks

    def _before_merging(self, step: StepState, record: Record) -> None:
        """In a loop nothing of before it changes in place: the iterations run apart in the pipeline."""
        self._copies.change(
            step.name, record.mutated_before, lambda n: step.before.get(n) or self.environment.get(n)
        )
        loop = next((b.block for b in reversed(self._open) if isinstance(b, OpenLoop)), None)
        if loop is None:
            return
        for name, place in record.mutated_before.items():
            before = step.before.get(name) or self.environment.get(name)
            if before is None or before.block is loop or not before.is_data:
                continue
            if before.version <= loop.start:
                self.diagnostics.append(
                    diagnostic(
                        "K226", f"step {step.name} changes `{name}` of before the loop in place; every iteration has its own.",
                        cell=place.cell, line=place.line, step=step.name, name=name,
                    )
                )  # fmt: skip

    def _check_rebound(self, step: StepState) -> None:
        """Say where a name that a loop bound anew is read behind the loop as it was before."""
        inside = {id(b.block) for b in self._open}
        for name, (definition, read) in step.reads.items():
            self.diagnostics += self._copies.read(name, definition)
            loop = self.closed.get(name)
            if loop is not None and id(loop) not in inside and definition.version <= loop.start:
                found = diagnostic(
                    "K231", f"step {step.name} reads `{name}` as it was before the loop of cell {loop.cell + 1}, which binds it anew in each iteration.",
                    cell=read.cell, line=read.line, step=step.name, name=f"`{name}`",
                )  # fmt: skip
                if found not in self.diagnostics:
                    self.diagnostics.append(found)


def _surely_bound(definition: Definition) -> bool:
    """Whether every arm of the branches a definition comes from leaves the name bound."""
    return definition.kind is not Kind.CHOICE or all(
        d is not None and _surely_bound(d) for d in definition.choices
    )


def _united(one: dict[str, frozenset[str]], other: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: one.get(name, frozenset()) | other.get(name, frozenset()) for name in {*one, *other}}
