"""The control flow of one cell: the flags of its header as frames, from the outside in.

``--for lr in rates --collect scores=score --if lr > 0.1`` is a loop with a branch in it. The analysis
and the live kernel read the same frames, so that both understand a header alike.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from jupyter_kfp.notebook.header import Control, ControlKind
from jupyter_kfp.notebook.spellings import Findings


class Arm(str, Enum):
    """Which arm of a branch a cell stands in."""

    IF = "if"
    ELIF = "elif"
    ELSE = "else"


@dataclass(frozen=True, slots=True)
class BranchFrame:
    """``--if TEST``, ``--elif TEST`` or ``--else`` (then ``test`` is "")."""

    arm: Arm
    test: str
    line: int


@dataclass(frozen=True, slots=True)
class LoopFrame:
    """``--for ITEM in ITEMS``. Two frames are the same loop when item and items are.

    ``collect`` pairs the name of each list with the name whose values it takes from every iteration.
    """

    item: str
    items: str
    line: int
    parallelism: int | None = None
    collect: tuple[tuple[str, str], ...] = ()


Frame = BranchFrame | LoopFrame


@dataclass(frozen=True, slots=True)
class CellControl:
    """All control flow of a header.

    ``notebook`` and ``component`` are what ``--notebook`` and ``--from`` name; ``line`` is the header's.
    """

    frames: tuple[Frame, ...] = ()
    on_exit: bool = False
    notebook: str = ""
    component: str = ""
    line: int = 1

    def __bool__(self) -> bool:
        return bool(self.frames or self.on_exit or self.notebook or self.component)


def read_control(controls: Iterable[Control], cell: int, findings: Findings) -> CellControl:
    """The control flow that the flags of one header spell; what is wrong goes to ``findings`` (K107)."""
    reader = _Reader(cell, findings)
    for control in controls:
        reader.add(control)
    return reader.result()


def same_loop(one: LoopFrame, other: LoopFrame) -> bool:
    """Whether two headers spell the same loop."""
    return one.item == other.item and _normal(one.items) == _normal(other.items)


def same_test(one: BranchFrame, other: BranchFrame) -> bool:
    """Whether two headers spell the same condition."""
    return one.arm is other.arm and _normal(one.test) == _normal(other.test)


def same_frames(one: CellControl, other: CellControl) -> bool:
    """Whether two headers of one step say the same of when the cell runs.

    How many run at once and what is collected may be said on either.
    """
    if (one.on_exit, one.notebook, one.component) != (other.on_exit, other.notebook, other.component):
        return False
    if len(one.frames) != len(other.frames):
        return False
    for a, b in zip(one.frames, other.frames, strict=True):
        match a, b:
            case BranchFrame(), BranchFrame():
                same = same_test(a, b)
            case LoopFrame(), LoopFrame():
                same = same_loop(a, b)
            case _:
                same = False
        if not same:
            return False
    return True


def joined(one: CellControl, other: CellControl) -> CellControl:
    """The frames of two headers that are the same, with what both say of their loops."""
    if one.frames == other.frames or len(one.frames) != len(other.frames):
        return one
    frames = [
        joined_loop(a, b) if isinstance(a, LoopFrame) and isinstance(b, LoopFrame) else a
        for a, b in zip(one.frames, other.frames, strict=True)
    ]
    return replace(one, frames=tuple(frames))


def joined_loop(one: LoopFrame, other: LoopFrame) -> LoopFrame:
    """One loop with what two headers say of it; the first parallelism counts."""
    collect = dict.fromkeys((*one.collect, *other.collect))
    return replace(one, parallelism=one.parallelism or other.parallelism, collect=tuple(collect))


def _normal(expression: str) -> str:
    return ast.unparse(ast.parse(f"({expression})", mode="eval")) if expression else ""


@dataclass
class _Reader:
    """Reads flag after flag."""

    cell: int
    findings: Findings
    frames: list[Frame] = field(default_factory=list)
    on_exit: bool = False
    notebook: str = ""
    component: str = ""
    line: int = 1

    def add(self, control: Control) -> None:
        text = self.line_of(control)
        match control.kind:
            case ControlKind.IF | ControlKind.ELIF:
                if self._expression(control, text):
                    self.frames.append(BranchFrame(Arm(control.kind.value), text, control.line))
            case ControlKind.ELSE:
                if text:
                    self._problem(control, f"`--else {text}`: an else has no condition.", "Write --elif.")
                else:
                    self.frames.append(BranchFrame(Arm.ELSE, "", control.line))
            case ControlKind.FOR:
                self._loop(control, text)
            case ControlKind.PARALLELISM:
                self._parallelism(control, text)
            case ControlKind.COLLECT:
                self._collect(control, text)
            case ControlKind.ON_EXIT:
                if text:
                    self._problem(control, f"`{text}` after --on-exit is no option.", "Remove it.")
                self.on_exit = True
            case ControlKind.NOTEBOOK | ControlKind.FROM:
                self._reference(control, text)

    def line_of(self, control: Control) -> str:
        self.line = control.line
        return control.text.strip()

    def result(self) -> CellControl:
        control = CellControl(tuple(self.frames), self.on_exit, self.notebook, self.component, self.line)
        if self.on_exit and (self.frames or self.notebook or self.component):
            self._say("`--on-exit` stands alone: the cell runs once, at the end.", "Remove the other flags.")
        elif self.notebook and self.component:
            self._say("`--notebook` and `--from` are two components.", "Leave one.")
        return control

    def _expression(self, control: Control, text: str) -> bool:
        example = "--for x in xs" if control.kind is ControlKind.FOR else f"--{control.kind.value} x > 1"
        if not text:
            self._problem(
                control, f"`--{control.kind.value}` has no expression.", f"Write for instance {example}."
            )
            return False
        try:
            tree = ast.parse(f"({text})", mode="eval")
        except (SyntaxError, ValueError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            self._problem(
                control, f"`{text}` is no Python expression: {reason}.", "Quote it if it holds ` --`."
            )
            return False
        if any(
            isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for node in ast.walk(tree)
        ):
            self._problem(
                control,
                f"`{text}` binds a name, awaits or yields, which a header cannot.",
                "Do it in a step.",
            )
            return False
        return True

    def _loop(self, control: Control, text: str) -> None:
        head, found, items = text.partition(" in ")
        item = head.strip()
        if not found or not item.isidentifier():
            self._problem(
                control,
                f"`--for {text}` is no loop over one name.",
                "Write --for ITEM in ITEMS; for several values per item use dicts: `item.field`.",
            )
        elif self._expression(control, items.strip()):
            self.frames.append(LoopFrame(item, items.strip(), control.line))

    def _parallelism(self, control: Control, text: str) -> None:
        loop = self._last_loop(control)
        if loop is None:
            return
        if not text.isdigit() or int(text) < 1:
            self._problem(control, f"`--parallelism {text}` is no positive number.", "Write --parallelism 2.")
        else:
            self._replace(LoopFrame(loop.item, loop.items, loop.line, int(text), loop.collect))

    def _collect(self, control: Control, text: str) -> None:
        loop = self._last_loop(control)
        if loop is None:
            return
        for pair in text.split(",") if text else [""]:
            target, found, name = (part.strip() for part in pair.partition("="))
            if not found or not target.isidentifier() or not name.isidentifier():
                self._problem(
                    control,
                    f"`--collect {text}` is not LIST=NAME.",
                    "Write for instance --collect models=model.",
                )
                return
            loop = LoopFrame(
                loop.item, loop.items, loop.line, loop.parallelism, (*loop.collect, (target, name))
            )
        self._replace(loop)

    def _reference(self, control: Control, text: str) -> None:
        if not text:
            self._problem(control, f"`--{control.kind.value}` names no file.", "Write its path.")
        elif control.kind is ControlKind.NOTEBOOK:
            self.notebook = text
        else:
            self.component = text

    def _last_loop(self, control: Control) -> LoopFrame | None:
        loop = next((f for f in reversed(self.frames) if isinstance(f, LoopFrame)), None)
        if loop is None:
            self._problem(
                control,
                f"`--{control.kind.value}` belongs to a loop.",
                "Put it after its --for ITEM in ITEMS.",
            )
        return loop

    def _replace(self, loop: LoopFrame) -> None:
        at = max(i for i, frame in enumerate(self.frames) if isinstance(frame, LoopFrame))
        self.frames[at] = loop

    def _problem(self, control: Control, message: str, remedy: str) -> None:
        self.findings.error("K107", message, remedy, self.cell, control.line)

    def _say(self, message: str, remedy: str) -> None:
        self.findings.error("K107", message, remedy, self.cell, self.line)
