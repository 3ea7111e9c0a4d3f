"""What may start now. Pure: no clock, no process, no database.

The scheduler knows tasks as names with upstream names. Some are boxes that hold other tasks: nested
pipelines, branches, loops and their iterations. What is in a box becomes known when the box begins. The
supervisor tells the scheduler what happened, and gets back what to do. No call costs more than the
neighbours of the tasks it is about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from jupyter_kfp.store.records import State


@dataclass(frozen=True, slots=True)
class Node:
    """A task as the scheduler sees it.

    ``waits_for_all``: it begins once its upstream has ended, however that was. ``always``: and even if the run
    was canceled meanwhile. ``is_box``: it holds other tasks, and needs no slot. ``instant``: what it makes is
    there already, so it needs none either.
    """

    upstream: Collection[str] = ()
    waits_for_all: bool = False
    always: bool = False
    is_box: bool = False
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Begin this task: a box is to be opened, any other task that is not instant has a slot."""

    task: str


@dataclass(frozen=True, slots=True)
class End:
    """This task will never begin; it ends in ``state``.

    ``cause`` is the upstream task that decided so; ``failed`` says whether a failure stands behind it, and not
    just a branch that was not taken.
    """

    task: str
    state: State
    cause: str | None = None
    failed: bool = True


@dataclass(frozen=True, slots=True)
class Close:
    """Everything in this box (None: the pipeline itself) has ended, and so has the box, in ``state``."""

    box: str | None
    state: State


Action: TypeAlias = Start | End | Close


@dataclass(slots=True)
class _Box:
    """An open box: how many of its members have not ended, how many may run at once and do."""

    open: int
    limit: int | None = None
    running: int = 0
    backlog: deque[str] = field(default_factory=deque)
    failed: bool = False
    canceled: bool = False

    @property
    def state(self) -> State:
        return State.CANCELED if self.canceled else State.FAILED if self.failed else State.SUCCEEDED


class Scheduler:
    """The state machine of a run's tasks.

    PENDING until started or ended; RUNNING from `Start` until `finished` or `Close`. Between the tries of a task
    it stays RUNNING but holds no slot (`paused`, `resumed`). Dependents of a task that ends other than in success
    are SKIPPED at once; independent branches go on.
    """

    def __init__(self, slots: int) -> None:
        """At most ``slots`` (>= 1) tasks run at a time, whatever box they are in."""
        if slots < 1:
            raise ValueError("a scheduler needs at least one slot")
        self._nodes: dict[str, Node] = {}
        self._waits: dict[str, set[str]] = {}
        self._downstream: dict[str, list[str]] = {}
        self._states: dict[str, State] = {}
        self._skips: dict[str, bool] = {}
        self._place: dict[str, str | None] = {}
        self._boxes: dict[str | None, _Box] = {}
        self._queue: deque[str] = deque()
        self._free = slots
        self.done = False

    def state(self, task: str) -> State:
        """The state of one task."""
        return self._states[task]

    def open(self, box: str | None, members: Mapping[str, Node], *, limit: int | None = None) -> list[Action]:
        """A box has begun, and holds these tasks, of which ``limit`` run at once. None: the pipeline itself."""
        inside = self._boxes[box] = _Box(len(members), limit)
        for task, node in members.items():
            self._nodes[task], self._place[task] = node, box
            self._waits[task], self._downstream[task] = set(node.upstream), []
            self._states[task] = State.PENDING
        for task, node in members.items():
            for other in node.upstream:
                self._downstream[other].append(task)
        actions: list[Action] = []
        for task in members:
            if not self._waits[task]:
                self._ready(task, actions)
        if not inside.open:
            self._close(box, actions)
        return self._dispatch(actions)

    def finished(self, task: str, state: State) -> list[Action]:
        """A running task has ended (or a box, instead of being opened); frees its slot."""
        if self._needs_slot(task):
            self._free += 1
        return self.finished_paused(task, state)

    def finished_paused(self, task: str, state: State) -> list[Action]:
        """A task has ended while it was waiting for its next try."""
        assert self._states[task] is State.RUNNING
        assert state.is_final
        actions: list[Action] = []
        self._settle(task, state, actions)
        return self._dispatch(actions)

    def queue(self, task: str) -> list[Action]:
        """An instant task has begun, but is to be executed after all: it will begin once more, with a slot."""
        assert self._states[task] is State.RUNNING
        self._nodes[task] = replace(self._nodes[task], instant=False)
        self._states[task] = State.PENDING
        self._queue.append(task)
        return self._dispatch([])

    def is_instant(self, task: str) -> bool:
        """Whether a task began without a slot."""
        return self._nodes[task].instant

    def _needs_slot(self, task: str) -> bool:
        node = self._nodes[task]
        return not (node.is_box or node.instant)

    def paused(self, task: str) -> list[Action]:
        """A running task waits for its next try; frees its slot."""
        assert self._states[task] is State.RUNNING
        self._free += 1
        return self._dispatch([])

    def resumed(self, task: str) -> list[Action]:
        """A paused task may have its next try, before tasks that have not begun."""
        self._queue.appendleft(task)
        return self._dispatch([])

    def cancel(self, *, at_once: bool = False) -> list[Action]:
        """Every task that has not begun is CANCELED. Running ones are the caller's.

        Exit tasks (``always``) of what has begun stay, unless it is to end ``at_once``.
        """
        pending = [
            task
            for task, state in self._states.items()
            if state is State.PENDING and (at_once or not self._stays(task))
        ]
        for task in pending:
            self._states[task] = State.CANCELED
        self._queue = deque(task for task in self._queue if self._states[task] is State.PENDING)
        actions: list[Action] = [End(task, State.CANCELED) for task in pending]
        for task in pending:
            self._settle(task, State.CANCELED, actions, began=False)
        return self._dispatch(actions)

    def _stays(self, task: str) -> bool:
        node = self._nodes[task]
        return node.always and any(
            self._states[other] not in (State.PENDING, State.SKIPPED) for other in node.upstream
        )

    def _ready(self, task: str, actions: list[Action]) -> None:
        """Nothing stands before this task any more, but for its box's limit and a slot."""
        box = self._boxes[self._place[task]]
        if box.limit is not None and box.running >= box.limit:
            box.backlog.append(task)
            return
        box.running += 1
        if self._needs_slot(task):
            self._queue.append(task)
        else:
            self._states[task] = State.RUNNING
            actions.append(Start(task))

    def _dispatch(self, actions: list[Action]) -> list[Action]:
        while self._free and self._queue:
            task = self._queue.popleft()
            self._free -= 1
            self._states[task] = State.RUNNING
            actions.append(Start(task))
        return actions

    def _settle(self, task: str, state: State, actions: list[Action], *, began: bool = True) -> None:
        """A task has ended: see to those that wait for it, and to its box."""
        self._states[task] = state
        ended = deque([(task, began)])
        while ended:
            task, began = ended.popleft()
            state = self._states[task]
            box = self._boxes[self._place[task]]
            box.failed |= state is State.FAILED
            box.canceled |= state is State.CANCELED
            if began:
                box.running -= 1
            ended.extend((follower, False) for follower in self._tell(task, state, actions))
            while box.backlog and (box.limit is None or box.running < box.limit):
                following = box.backlog.popleft()
                if self._states[following] is State.PENDING:
                    self._ready(following, actions)
            box.open -= 1
            if not box.open:
                self._close(self._place[task], actions)

    def _tell(self, task: str, state: State, actions: list[Action]) -> list[str]:
        """Tell the dependents of a task how it ended. Returns those that end because of it."""
        failed = self._skips.get(task, True) if state is State.SKIPPED else True
        skipped = []
        for follower in self._downstream[task]:
            if self._states[follower] is not State.PENDING:
                continue
            if state.is_success or self._nodes[follower].waits_for_all:
                self._waits[follower].discard(task)
                if not self._waits[follower]:
                    self._ready(follower, actions)
            else:
                self._states[follower] = State.SKIPPED
                self._skips[follower] = failed
                actions.append(End(follower, State.SKIPPED, task, failed))
                skipped.append(follower)
        return skipped

    def skip(self, task: str) -> list[Action]:
        """A task that was to start is not to run: its condition is false."""
        self._skips[task] = False
        return self.finished(task, State.SKIPPED)

    def _close(self, box: str | None, actions: list[Action]) -> None:
        state = self._boxes[box].state
        actions.append(Close(box, state))
        if box is None:
            self.done = True
        else:
            self._settle(box, state, actions)
