"""The blocks that control flow makes of a notebook's steps, while the notebook is walked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from jupyter_kfp.notebook.control import BranchFrame, LoopFrame
from jupyter_kfp.notebook.environment import StepState
from jupyter_kfp.notebook.units import Definition
from jupyter_kfp.pipeline import Constant, Test, ValueType


@dataclass(eq=False, slots=True)
class ArmBlock:
    """An arm of a branch.

    ``test`` is what KFP decides (None: an else); ``tested`` the definitions it compares. ``end`` is
    what every name stands for when the arm is done. The arm of ``frame`` None is what happens where
    no arm is taken and there is no else.
    """

    frame: BranchFrame | None
    cell: int
    body: Body = field(default_factory=list)
    test: Test | None = None
    tested: tuple[Definition, ...] = ()
    end: dict[str, Definition] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class BranchBlock:
    """If, elifs and an else. ``first`` is the step whose cell opened it."""

    name: str
    first: str
    cell: int
    arms: list[ArmBlock] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class LoopBlock:
    """A loop.

    ``items`` are constants, or the definition of the list (of the indices, where ``values`` is the
    definition of the values themselves). ``start`` is the version of the last definition before it,
    ``end`` what every name stands for at the end of an iteration. ``collect`` holds for every list
    the collected name and the cell that asks for it.
    """

    name: str
    frame: LoopFrame
    cell: int
    first: str
    items: Constant | Definition
    type: ValueType
    json: bool = False
    values: Definition | None = None
    parallelism: int | None = None
    start: int = 0
    body: Body = field(default_factory=list)
    collect: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    end: dict[str, Definition] = field(default_factory=dict)


Block: TypeAlias = StepState | BranchBlock | LoopBlock
Body: TypeAlias = list[Block]


@dataclass(eq=False, slots=True)
class OpenBranch:
    """A branch whose cells are being walked.

    ``reads`` are the versions of what its `if` reads, ``left`` the aliases that its arms so far left.
    """

    block: BranchBlock
    environment: dict[str, Definition]
    aliases: dict[str, frozenset[str]]
    reads: dict[str, int]
    tests: list[str] = field(default_factory=list)
    left: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def body(self) -> Body:
        """Where the next step belongs."""
        return self.block.arms[-1].body


@dataclass(eq=False, slots=True)
class OpenLoop:
    """A loop whose cells are being walked, and what held before it."""

    block: LoopBlock
    environment: dict[str, Definition]
    aliases: dict[str, frozenset[str]]

    @property
    def body(self) -> Body:
        """Where the next step belongs."""
        return self.block.body


Open: TypeAlias = OpenBranch | OpenLoop


def steps_in(body: Body) -> Iterator[StepState]:
    """Every step of a body, those in inner blocks too."""
    for block in body:
        match block:
            case BranchBlock(arms=arms):
                for arm in arms:
                    yield from steps_in(arm.body)
            case LoopBlock(body=inner):
                yield from steps_in(inner)
            case _:
                yield block


def loops_in(body: Body, *, branches: bool = False) -> Iterator[LoopBlock]:
    """The loops of a body, outer before inner; those that are in branches only if asked for."""
    for block in body:
        match block:
            case BranchBlock(arms=arms) if branches:
                for arm in arms:
                    yield from loops_in(arm.body, branches=True)
            case LoopBlock(body=inner):
                yield block
                yield from loops_in(inner, branches=branches)
            case _:
                pass
