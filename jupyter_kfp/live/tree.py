"""Where cells stand: branches with the arm they took, loops with their iterations, one inside the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_kfp.live.names import Changes
from jupyter_kfp.notebook.control import BranchFrame, LoopFrame, same_loop, same_test


@dataclass(eq=False)
class Scope:
    """A place where cells stand side by side: the notebook, one arm of a branch, one iteration of a loop.

    ``chain`` is the last branch begun in it, ``loops`` its loops, the last one at the end.
    """

    chain: Chain | None = None
    loops: tuple[Loop, ...] = ()

    def loop(self, frame: LoopFrame) -> Loop | None:
        """The last loop, if it has that header."""
        return self.loops[-1] if self.loops and same_loop(self.loops[-1].frame, frame) else None


@dataclass(eq=False)
class ArmRun:
    """One arm of a branch: whether it was taken, why not, and which cell asked (see `Cell.key`)."""

    frame: BranchFrame
    taken: bool
    reason: str
    cell: object
    scope: Scope = field(default_factory=Scope)


@dataclass(eq=False)
class Chain:
    """A branch as far as it has come: an ``--if`` and the arms after it."""

    arms: list[ArmRun]

    @property
    def taken(self) -> ArmRun | None:
        """The arm that runs."""
        return next((arm for arm in self.arms if arm.taken), None)

    def find(self, frame: BranchFrame) -> ArmRun | None:
        """The arm with that header."""
        return next((arm for arm in reversed(self.arms) if same_test(arm.frame, frame)), None)


@dataclass(eq=False)
class Iteration:
    """One iteration: its item, its place (1-based), what it has done to names, and what stands in it."""

    item: Any
    number: int
    changes: Changes
    scope: Scope = field(default_factory=Scope)


@dataclass(eq=False)
class Loop:
    """A loop with its iterations.

    ``first`` is the cell that started it (see `Cell.key`), ``cells`` all that ran in it. ``collect``
    maps the names of lists to the names whose values they take, as all headers of the loop say.
    """

    frame: LoopFrame
    iterations: tuple[Iteration, ...]
    first: object
    cells: frozenset[object]
    collect: Mapping[str, str] = field(default_factory=dict)

    def binds(self, name: str) -> bool:
        """Whether an iteration bound ``name``, itself or in a loop inside."""
        return any(name in i.changes.bound or inner_loop(i, name) for i in self.iterations)


class NotBoundError(Exception):
    """An iteration, ``iteration`` of ``loop``, has no value to collect."""

    def __init__(self, loop: Loop, iteration: Iteration) -> None:
        super().__init__()
        self.loop, self.iteration = loop, iteration


def inner_loop(iteration: Iteration, name: str) -> Loop | None:
    """The last loop inside ``iteration`` that bound ``name``."""
    return next((loop for loop in reversed(iteration.scope.loops) if loop.binds(name)), None)


def collected(loop: Loop, name: str, around: Mapping[str, Any]) -> list[Any] | None:
    """The value of ``name`` in every iteration, in order; None where no iteration has bound it yet.

    A loop inside that bound it gives as many values as it has iterations: the list is flat. ``around``
    are the names around the loop, which an iteration sees where it did not bind or delete them. Raises
    NotBoundError for an iteration without a value where others have one.
    """
    if not loop.binds(name):
        inner = [list(i.scope.loops) for i in loop.iterations]
        nothing = all(loops and not any(each.iterations for each in loops) for loops in inner)
        return [] if nothing else None
    return list(_values(loop, name, around))


def _values(loop: Loop, name: str, around: Mapping[str, Any]) -> Iterator[Any]:
    direct = any(name in iteration.changes.bound for iteration in loop.iterations)
    for iteration in loop.iterations:
        changes = iteration.changes
        if direct and name in changes.bound:
            yield changes.bound[name]
        elif direct and name in around and name not in changes.deleted:
            yield around[name]
        elif not direct and iteration.scope.loops:
            inner = inner_loop(iteration, name)
            seen = {n: v for n, v in around.items() if n not in changes.deleted} | dict(changes.bound)
            yield from _values(inner, name, seen) if inner else ()
        else:
            raise NotBoundError(loop, iteration)
