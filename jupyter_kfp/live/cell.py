"""One cell with control flow, as it is executed: which of its frames let it run, how often, on which names.

The rules, which the pipeline keeps too:

- A test is evaluated each time its cell runs. ``--elif`` and ``--else`` belong to the last ``--if`` of the
  place they stand in; cells under the same ``--elif`` share its verdict, unless one runs again: it asks anew.
- Items are evaluated when a loop starts. A cell goes on with the iterations of the cell before it where
  both spell the same loop, and a cell that runs again goes on with the iterations it has been in. The
  cell that started a loop starts it anew.
- An iteration sees the names around the loop, and its own, which nobody else sees. After the loop, however it
  ends, every name is what it was.
- A cell that fails leaves every iteration as it found it; so it can be corrected and run again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any

from jupyter_kfp.live.errors import LiveError
from jupyter_kfp.live.names import Changes, Space, restore, users
from jupyter_kfp.live.session import Cell, Session, common
from jupyter_kfp.live.texts import because, place
from jupyter_kfp.live.tree import ArmRun, Chain, Iteration, Loop, NotBoundError, Scope, collected
from jupyter_kfp.notebook.control import Arm, BranchFrame, LoopFrame, same_loop, same_test
from jupyter_kfp.runtime.items import item as as_item
from jupyter_kfp.runtime.status import FinalStatus

Call = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class CellRun(AbstractContextManager["CellRun"]):
    """One execution of one cell, asked by the statements around its code. A context around all of them.

    Args:
        session: What is remembered from cell to cell.
        cell: The cell.
        space: The namespace it runs in.
        call: Runs the notebook or component that the header names, from inputs to outputs by name.
        forget: Called when the execution has ended.
        say: Tells the user a line.
    """

    def __init__(
        self,
        session: Session,
        cell: Cell,
        space: Space,
        call: Call,
        forget: Callable[[], object],
        say: Callable[[str], None] = print,
    ) -> None:
        self.iteration: AbstractContextManager[None]
        self._session, self._cell, self._space = session, cell, space
        self._call, self._forget, self._say = call, forget, say
        self._frames = cell.control.frames
        self._items = {frame.item for frame in self._frames if isinstance(frame, LoopFrame)}
        self._shared = common(self._frames, session.last)
        self._scopes: dict[int, Scope] = {0: session.root}
        self._settled: dict[int, ArmRun] = {}
        self._around: list[dict[str, Any]] = []
        self._undo: list[Callable[[], None]] = []
        self._given: dict[str, Any] = {}

    def __enter__(self) -> CellRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()
        if error is None:
            self._session.last = self._frames
            return
        if self._around:  # an interrupt between two iterations
            self._restore(self._around[0])
        for undo in reversed(self._undo):
            undo()

    # Branches

    def settled(self, level: int) -> bool:
        """Whether the branch at ``level`` is decided without a look at its test."""
        frame = self._branch(level)
        chain = self._scopes[level].chain
        if frame.arm is Arm.IF:
            return False
        if chain is None:
            raise LiveError(
                f"`--{frame.arm.value}` of {self._cell.name} has no `--if` before it.",
                "Run the cell with the --if first.",
            )
        arm = chain.find(frame)
        if arm is not None and arm is chain.arms[-1] and arm.cell != self._cell.key:
            self._settled[level] = arm
            return True
        if arm is not None:  # it runs again: what came after it is forgotten
            del chain.arms[chain.arms.index(arm) :]
        if chain.arms[-1].frame.arm is Arm.ELSE:
            raise LiveError(
                f"`--{frame.arm.value}` of {self._cell.name} comes after the --else of its branch.",
                "Put it before the --else, or begin with --if.",
            )
        if chain.taken is not None:
            reason = f"{chain.taken.frame.test} was true"
        elif frame.arm is Arm.ELSE:
            reason = ""
        else:
            return False
        scope = arm.scope if arm is not None else Scope()
        self._settled[level] = ArmRun(frame, not reason, reason, self._cell.key, scope)
        chain.arms.append(self._settled[level])
        return True

    def verdict(self, level: int) -> bool:
        """Whether the cell runs, as far as the settled branch at ``level`` is concerned."""
        return self._enter(level, self._settled.pop(level))

    def decide(self, level: int, value: bool) -> bool:
        """The same for a branch whose test has now been evaluated."""
        frame, scope = self._branch(level), self._scopes[level]
        reason = "" if value else because(frame, self._space)
        arm = ArmRun(frame, value, reason, self._cell.key)
        before = scope.chain
        if frame.arm is Arm.IF:
            if before is not None and level < self._shared and same_test(before.arms[-1].frame, frame):
                arm.scope = before.arms[-1].scope
            scope.chain = Chain([arm])
        else:
            assert before is not None, "settled() has looked"
            before.arms.append(arm)
        return self._enter(level, arm)

    def _enter(self, level: int, arm: ArmRun) -> bool:
        self._scopes[level + 1] = arm.scope
        if not arm.taken:
            self._tell(f"Skipped {self._cell.name}: {arm.reason}")
        return arm.taken

    def _branch(self, level: int) -> BranchFrame:
        frame = self._frames[level]
        assert isinstance(frame, BranchFrame)
        return frame

    # Loops

    def resume(self, level: int) -> Iterator[AbstractContextManager[None]] | None:
        """The iterations that a cell before this one, or this one, began; None where the loop starts here."""
        frame, scope, key = self._loop(level), self._scopes[level], self._cell.key
        loop = scope.loop(frame)
        if loop is None or key == loop.first or not (level < self._shared or key in loop.cells):
            return None
        loop.cells |= {key}
        return self._iterations(level, loop)

    def start(self, level: int, items: list[Any]) -> Iterator[AbstractContextManager[None]]:
        """A new loop over ``items``."""
        frame, scope, key = self._loop(level), self._scopes[level], self._cell.key
        values = [as_item(item) for item in items]
        made = tuple(
            Iteration(value, number, Changes({frame.item: value})) for number, value in enumerate(values, 1)
        )
        loop = Loop(frame, made, key, frozenset({key}))
        before = scope.loops
        self._undo.append(lambda: setattr(scope, "loops", before))
        # What iterations of the whole notebook hold may be large, and is not needed after the next loop.
        kept = (
            () if scope is self._session.root else tuple(x for x in before if not same_loop(x.frame, frame))
        )
        scope.loops = (*kept, loop)
        if not made:
            self._tell(f"No iterations of {self._cell.name}: {frame.items} is empty")
        return self._iterations(level, loop)

    def _iterations(self, level: int, loop: Loop) -> Iterator[AbstractContextManager[None]]:
        before = loop.collect
        self._undo.append(lambda: setattr(loop, "collect", before))
        loop.collect = {**loop.collect, **dict(self._loop(level).collect)}
        for iteration in loop.iterations:
            self._tell(place(loop, iteration))
            yield self._iterated(level, loop, iteration)
        self._collect(loop)

    @contextmanager
    def _iterated(self, level: int, loop: Loop, iteration: Iteration) -> Iterator[None]:
        before, earlier = self._users(), iteration.changes
        self._undo.append(lambda: setattr(iteration, "changes", earlier))
        self._scopes[level + 1] = iteration.scope
        self._around.append(before)
        try:
            earlier.apply(self._space)
            yield
            inner = any(isinstance(frame, LoopFrame) for frame in self._frames[level + 1 :])
            stores = () if inner else self._cell.stores
            iteration.changes = earlier.until(before, self._users(), stores)
        except BaseException as error:
            _note(error, f"In the iteration {place(loop, iteration)} of {self._cell.name}.")
            raise
        finally:
            self._restore(before)
            self._around.pop()

    def _collect(self, loop: Loop) -> None:
        for target, name in loop.collect.items():
            try:
                values = collected(loop, name, self._users())
            except NotBoundError as missing:
                where = place(missing.loop, missing.iteration)
                if any(isinstance(frame, BranchFrame) for frame in self._frames):  # another arm may bind it
                    self._tell(f"`{target}` comes once every iteration binds `{name}`; {where} has not.")
                    continue
                raise LiveError(
                    f"`--collect {target}={name}`: the iteration {where} has not bound `{name}`, others have.",
                    "Bind it in every iteration.",
                ) from None
            if values is not None:
                self._space[target] = values
            elif (target, name) in {
                pair for f in self._frames if isinstance(f, LoopFrame) for pair in f.collect
            }:
                self._tell(f"`{target}` comes once a cell of this loop binds `{name}`.")

    def _loop(self, level: int) -> LoopFrame:
        frame = self._frames[level]
        assert isinstance(frame, LoopFrame)
        return frame

    # Exit steps, notebooks and components

    @contextmanager
    def exit_step(self) -> Iterator[None]:
        """Around the code of an exit step: ``status`` is bound; what the code binds only its next cell sees."""
        before, earlier = self._users(), self._session.exits.get(self._cell.name, Changes())
        self._around.append(before)
        try:
            earlier.apply(self._space)
            self._space["status"] = FinalStatus(**vars(self._session.status))
            yield
            self._session.exits[self._cell.name] = earlier.until(before, self._users(), self._cell.stores)
        finally:
            self._restore(before)
            self._around.pop()

    @contextmanager
    def arguments(self, names: tuple[str, ...]) -> Iterator[None]:
        """Around the code that assigns inputs: they are taken from it, no name stays."""
        before = self._users()
        self._around.append(before)
        try:
            yield
            self._given = {name: self._space[name] for name in names if name in self._space}
        finally:
            self._restore(before)
            self._around.pop()

    def call(self) -> None:
        """Run the notebook or component of the header with these inputs, and bind its outputs."""
        outputs = self._call(self._given)
        self._space.update(outputs)
        if outputs:
            self._tell(f"{self._cell.name} bound {', '.join(outputs)}")

    def show(self, value: object) -> None:
        """Display the value of the cell's last expression, as a cell of its own would."""
        sys.displayhook(value)

    def _users(self) -> dict[str, Any]:
        return users(self._space, self._items)  # `_` is IPython's, but for `--for _ in range(3)`

    def _restore(self, names: Mapping[str, Any]) -> None:
        restore(names, self._space, self._items)

    def _tell(self, line: str) -> None:
        self._say("  " * len(self._around) + line)


def _note(error: BaseException, text: str) -> None:
    if sys.version_info >= (3, 11):
        error.add_note(text)
    else:
        # IPython shows what Python 3.11 keeps of notes, whoever put it there.
        notes = [*getattr(error, "__notes__", ()), text]
        vars(error)["__notes__"] = notes
