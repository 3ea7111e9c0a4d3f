"""Lanes like those of ``git log --graph``, for a DAG whose items stand one to a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jupyter_kfp.views.ordering import Link, chained, reduced, topological


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters of the lanes: ``open`` and ``close`` begin and end a branch on the right."""

    lane: str
    fork: str
    across: str
    middle_open: str
    open: str
    middle_close: str
    close: str


UNICODE = Signs("│", "├", "─", "┬", "╮", "┴", "╯")
ASCII = Signs("|", "|", "-", ".", ".", "'", "'")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. ``item`` stands at column ``at``; ``below`` are the lanes right after it.

    Lines without an item only join or part lanes.
    """

    lanes: str
    item: str | None = None
    at: int = 0
    below: str = ""


def rows(items: Sequence[str], links: Collection[Link], signs: Signs) -> list[Row]:
    """The lines that show ``items`` and the order that ``links`` give them.

    Links that follow from others are left out; each branch goes to its end before the next begins.
    """
    ordered = topological(items, links)
    rank = {item: index for index, item in enumerate(items)}
    # Where the caller's own order is a valid one, it is the one to keep between equals.
    if all(rank[source] < rank[target] for source, target in links):
        ordered = list(items)
    kept = reduced(ordered, links)
    return list(_drawn(chained(ordered, kept), kept, signs))


def _drawn(ordered: Sequence[str], links: Iterable[Link], signs: Signs) -> Iterator[Row]:
    position = {item: index for index, item in enumerate(ordered)}
    downstream: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        downstream[source].append(target)
    lanes: list[str | None] = []  # what each lane leads to
    ended = -1  # the lane that the line above ended
    for item in ordered:
        arriving = [index for index, goal in enumerate(lanes) if goal == item]
        if len(arriving) > 1:
            yield Row(_joint(lanes, arriving, signs.middle_close, signs.close, signs))
        at = arriving[0] if arriving else _free(lanes, 0)
        if not arriving and at == ended:  # or the two would look like one after the other
            yield Row(_lanes(lanes, signs))
        for index in arriving:
            lanes[index] = None
        goals = sorted(downstream[item], key=position.__getitem__)
        lanes[at] = item
        line = _lanes(lanes, signs)
        lanes[at] = goals[0] if goals else None
        ended = -1 if goals else at
        while lanes and lanes[-1] is None:
            lanes.pop()
        yield Row(line, item, 2 * at, _lanes(lanes, signs).ljust(2 * at + 1))
        leaving = [at]
        for goal in goals[1:]:
            leaving.append(_free(lanes, at + 1))
            lanes[leaving[-1]] = goal
        if len(leaving) > 1:
            yield Row(_joint(lanes, leaving, signs.middle_open, signs.open, signs))


def _free(lanes: list[str | None], start: int) -> int:
    """The first lane from ``start`` on that leads nowhere; a new one if need be."""
    for index in range(start, len(lanes)):
        if lanes[index] is None:
            return index
    lanes.append(None)
    return len(lanes) - 1


def _lanes(lanes: Sequence[str | None], signs: Signs) -> str:
    return " ".join(signs.lane if goal else " " for goal in lanes)


def _joint(lanes: Sequence[str | None], at: Sequence[int], middle: str, end: str, signs: Signs) -> str:
    """A line that joins the lanes ``at`` to the first of them; others pass over it."""
    chars = list(_lanes(lanes, signs))
    for column in range(2 * at[0], 2 * at[-1] + 1):
        index = column // 2
        if column % 2:
            chars[column] = signs.across
        elif index == at[0]:
            chars[column] = signs.fork
        elif index == at[-1]:
            chars[column] = end
        elif index in at:
            chars[column] = middle
        elif lanes[index] is None:
            chars[column] = signs.across
    return "".join(chars)
