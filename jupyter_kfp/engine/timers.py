"""Things to do later, in the thread that asks for them."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class _Timer:
    due: float
    order: int
    action: Callable[[], None] = field(compare=False)


class Timers:
    """Actions and when they are due; nothing happens by itself."""

    def __init__(self) -> None:
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have this done in so many seconds."""
        heapq.heappush(self._timers, _Timer(time.monotonic() + seconds, next(self._numbers), action))

    @property
    def wait(self) -> float | None:
        """Seconds (>= 0) until the first is due; None if there is none."""
        return max(0.0, self._timers[0].due - time.monotonic()) if self._timers else None

    def pop(self) -> Callable[[], None]:
        """Take out the first."""
        return heapq.heappop(self._timers).action
