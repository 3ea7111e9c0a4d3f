"""What a kernel remembers from cell to cell."""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_kfp.live.names import Changes
from jupyter_kfp.live.tree import Scope
from jupyter_kfp.notebook.control import BranchFrame, CellControl, Frame, LoopFrame, same_loop, same_test
from jupyter_kfp.runtime.status import FinalStatus


@dataclass(frozen=True)
class Cell:
    """A cell of a step.

    ``key`` tells it from all others, also when it is edited, where the front end says so. ``stores`` are the
    names that its code assigns.
    """

    name: str
    control: CellControl
    key: object
    stores: frozenset[str] = frozenset()


@dataclass
class Session:
    """What a kernel remembers of the cells with control flow that ran in it.

    ``last`` are the frames of the last component cell; ``status`` is how the last component cell ended;
    ``exits`` is what the cells of exit steps have bound.
    """

    root: Scope = field(default_factory=Scope)
    last: tuple[Frame, ...] = ()
    status: FinalStatus = field(default_factory=lambda: FinalStatus("SUCCEEDED"))
    exits: dict[str, Changes] = field(default_factory=dict)

    def passed(self) -> None:
        """A component cell without control flow runs: no loop goes on after it."""
        self.last = ()

    def ended(self, step: str, error: BaseException | None) -> None:
        """A component cell has ended, with ``error`` if it failed."""
        if error is None:
            self.status = FinalStatus("SUCCEEDED", pipeline_task_name=step)
        else:
            # The words and the codes (google.rpc.Code) that a run gives its exit step.
            state, code = ("CANCELLED", 1) if isinstance(error, KeyboardInterrupt) else ("FAILED", 2)
            message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self.status = FinalStatus(state, code, message, pipeline_task_name=step)


def common(one: tuple[Frame, ...], other: tuple[Frame, ...]) -> int:
    """How many frames two cells share, from the outside."""
    count = 0
    for a, b in zip(one, other, strict=False):
        match a, b:
            case LoopFrame(), LoopFrame():
                same = same_loop(a, b)
            case BranchFrame(), BranchFrame():
                same = same_test(a, b)
            case _:
                same = False
        if not same:
            break
        count += 1
    return count
