"""Orders of a directed acyclic graph that the views share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

Link: TypeAlias = tuple[str, str]


class CycleError(ValueError):
    """The links form a circle; the message shows it: ``a → b → a``."""


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that counts numbers inside names: ``step-2`` before ``step-10``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((1, int(part), "") if i % 2 else (0, 0, part) for i, part in enumerate(parts) if part)


def topological(items: Iterable[str], links: Iterable[Link]) -> list[str]:
    """``items`` upstream first, equals in natural order. Raises CycleError."""
    waiting = dict.fromkeys(items, 0)
    downstream: dict[str, list[str]] = defaultdict(list)
    for source, target in set(links):
        downstream[source].append(target)
        waiting[target] += 1
    ready = [(natural(item), item) for item, count in waiting.items() if not count]
    ready.sort()
    ordered = []
    while ready:
        _, item = heappop(ready)
        ordered.append(item)
        for target in downstream[item]:
            waiting[target] -= 1
            if not waiting[target]:
                heappush(ready, (natural(target), target))
    if len(ordered) < len(waiting):
        raise CycleError(" → ".join(_circle(set(waiting) - set(ordered), downstream)))
    return ordered


def _circle(stuck: set[str], downstream: dict[str, list[str]]) -> list[str]:
    """One circle among the ``stuck`` items, each of which has a stuck item upstream."""
    upstream = {
        target: source for source in sorted(stuck) for target in downstream[source] if target in stuck
    }
    item = min(stuck, key=natural)
    path = [item]
    while upstream[item] not in path:
        item = upstream[item]
        path.append(item)
    path = path[path.index(upstream[item]) :]
    return [path[0], *reversed(path)]


def chained(items: Sequence[str], links: Iterable[Link]) -> list[str]:
    """Topologically sorted ``items``, each branch followed to its end before the next one begins.

    ``items`` must be in topological order already; it decides between equals.
    """
    position = {item: index for index, item in enumerate(items)}
    downstream: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(items, 0)
    for source, target in set(links):
        downstream[source].append(target)
        waiting[target] += 1
    stack = [item for item in reversed(items) if not waiting[item]]
    ordered = []
    while stack:
        item = stack.pop()
        ordered.append(item)
        for target in sorted(downstream[item], key=position.__getitem__, reverse=True):
            waiting[target] -= 1
            if not waiting[target]:
                stack.append(target)
    return ordered


def reduced(items: Sequence[str], links: Iterable[Link]) -> set[Link]:
    """The fewest of ``links`` that keep every order (the transitive reduction).

    ``items`` must be in topological order. Reachability is a bit set per item, so that some thousand
    items stay quick.
    """
    position = {item: index for index, item in enumerate(items)}
    downstream: dict[str, list[str]] = defaultdict(list)
    for source, target in set(links):
        downstream[source].append(target)
    reach: dict[str, int] = {}
    kept: set[Link] = set()
    for item in reversed(items):
        covered = 0
        for target in sorted(downstream[item], key=position.__getitem__):
            if not covered >> position[target] & 1:
                kept.add((item, target))
                covered |= reach[target] | 1 << position[target]
        reach[item] = covered
    return kept
