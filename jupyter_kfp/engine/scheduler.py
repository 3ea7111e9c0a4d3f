"""What may start now. Pure: no clock, no process, no database.

The scheduler knows tasks as names with upstream names. The supervisor tells it what happened, and gets
back what to do. No call costs more than the neighbours of the task it is about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from jupyter_kfp.store.records import State


@dataclass(frozen=True, slots=True)
class Start:
    """Begin this task: it has a slot."""

    task: str


@dataclass(frozen=True, slots=True)
class End:
    """This task will never begin; it ends in ``state``. ``cause`` is the upstream task that decided so."""

    task: str
    state: State
    cause: str | None = None


Action: TypeAlias = Start | End


class Scheduler:
    """The state machine of a run's tasks.

    PENDING until started or ended; RUNNING from `Start` until `finished`. Between the tries of a task it
    stays RUNNING but holds no slot (`paused`, `resumed`). Dependents of a task that ends other than in
    success are SKIPPED at once; independent branches go on.
    """

    def __init__(self, upstream: Mapping[str, Iterable[str]], slots: int) -> None:
        """Schedule the tasks that are the keys of ``upstream``, at most ``slots`` (>= 1) at a time."""
        if slots < 1:
            raise ValueError("a scheduler needs at least one slot")
        self._waits: dict[str, set[str]] = {task: set(others) for task, others in upstream.items()}
        self._downstream: dict[str, list[str]] = {task: [] for task in upstream}
        for task, others in self._waits.items():
            for other in others:
                self._downstream[other].append(task)
        self._states: dict[str, State] = dict.fromkeys(upstream, State.PENDING)
        self._queue: deque[str] = deque(task for task, others in self._waits.items() if not others)
        self._free = slots
        self._open = len(self._states)

    @property
    def done(self) -> bool:
        """Whether every task has ended."""
        return self._open == 0

    def state(self, task: str) -> State:
        """The state of one task."""
        return self._states[task]

    def begin(self) -> list[Action]:
        """What to do first."""
        return self._dispatch()

    def finished(self, task: str, state: State) -> list[Action]:
        """A running task has ended; frees its slot."""
        self._free += 1
        return self._ended(task, state) + self._dispatch()

    def finished_paused(self, task: str, state: State) -> list[Action]:
        """A task has ended while it was waiting for its next try."""
        return self._ended(task, state) + self._dispatch()

    def paused(self, task: str) -> list[Action]:
        """A running task waits for its next try; frees its slot."""
        assert self._states[task] is State.RUNNING
        self._free += 1
        return self._dispatch()

    def resumed(self, task: str) -> list[Action]:
        """A paused task may have its next try, before tasks that have not begun."""
        self._queue.appendleft(task)
        return self._dispatch()

    def cancel(self) -> list[Action]:
        """Nothing more starts: every task that has not begun is CANCELED. Running ones are the caller's."""
        self._queue.clear()
        pending = [task for task, state in self._states.items() if state is State.PENDING]
        for task in pending:
            self._states[task] = State.CANCELED
        self._open -= len(pending)
        return [End(task, State.CANCELED) for task in pending]

    def _dispatch(self) -> list[Action]:
        actions: list[Action] = []
        while self._free and self._queue:
            task = self._queue.popleft()
            self._free -= 1
            self._states[task] = State.RUNNING
            actions.append(Start(task))
        return actions

    def _ended(self, task: str, state: State) -> list[Action]:
        assert self._states[task] is State.RUNNING
        assert state.is_final
        self._states[task] = state
        self._open -= 1
        if state.is_success:
            for follower in self._downstream[task]:
                self._waits[follower].discard(task)
                if not self._waits[follower] and self._states[follower] is State.PENDING:
                    self._queue.append(follower)
            return []
        return self._skip_after(task)

    def _skip_after(self, task: str) -> list[Action]:
        """End everything downstream of a task that did not succeed."""
        ends: list[Action] = []
        causes = deque([task])
        while causes:
            cause = causes.popleft()
            for follower in self._downstream[cause]:
                if self._states[follower] is State.PENDING:
                    self._states[follower] = State.SKIPPED
                    self._open -= 1
                    ends.append(End(follower, State.SKIPPED, cause))
                    causes.append(follower)
        return ends
