"""How a task's state looks: one table, so that every picture and every line agrees.

The states are KFP's own (PENDING, RUNNING, SUCCEEDED, CACHED, SKIPPED, FAILED, CANCELED).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Look:
    """One state's symbol (Unicode and ASCII), rich style, and hex colours on light and dark ground.

    Of a pair of colours the first is the line, the second the fill.
    """

    symbol: str
    ascii: str
    style: str
    light: tuple[str, str]
    dark: tuple[str, str]


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "PENDING": Look("○", "o", "dim", ("#8b949e", "#f6f8fa"), ("#6e7681", "#161b22")),
        "RUNNING": Look("◐", ">", "bold blue", ("#0969da", "#ddf4ff"), ("#58a6ff", "#0c2d4d")),
        "SUCCEEDED": Look("✓", "+", "green", ("#1a7f37", "#dafbe1"), ("#3fb950", "#0f2d1a")),
        "CACHED": Look("↻", "=", "cyan", ("#0e7490", "#d9f6fb"), ("#39c5cf", "#0b2b30")),
        "SKIPPED": Look("⊘", "-", "dim", ("#8b949e", "#eaeef2"), ("#6e7681", "#21262d")),
        "FAILED": Look("✗", "x", "bold red", ("#cf222e", "#ffebe9"), ("#f85149", "#3d1214")),
        "CANCELED": Look("■", "!", "yellow", ("#9a6700", "#fff8c5"), ("#d29922", "#332701")),
    }
)
STATES = tuple(LOOKS)
FINAL = frozenset(STATES) - {"PENDING", "RUNNING"}

# What a group or a loop's task shows when its parts differ: the first that any part has.
_WEIGHT = ("FAILED", "CANCELED", "RUNNING")
_ENDED_WELL = ("SUCCEEDED", "CACHED", "SKIPPED")


def checked(state: str) -> str:
    """``state`` in capitals. Raises ValueError, naming the states there are, for any other word."""
    known = str(getattr(state, "value", state)).upper()
    if known not in LOOKS:
        raise ValueError(f"{state!r} is not a state; the states are {', '.join(STATES)}")
    return known


def combined(states: Iterable[str]) -> str | None:
    """The one state that stands for several: None for none, RUNNING for some ended and some not."""
    counts = Counter(checked(state) for state in states)
    if not counts:
        return None
    for state in _WEIGHT:
        if counts[state]:
            return state
    if counts["PENDING"]:
        return "PENDING" if len(counts) == 1 or set(counts) == {"PENDING", "SKIPPED"} else "RUNNING"
    return next(state for state in _ENDED_WELL if counts[state])


def symbol(state: str, *, ascii_only: bool = False) -> str:
    """The one character that stands for ``state``."""
    look = LOOKS[checked(state)]
    return look.ascii if ascii_only else look.symbol
