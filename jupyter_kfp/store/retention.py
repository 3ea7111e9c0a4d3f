"""Which runs housekeeping removes, and why it keeps the others. A function of values.

A run goes where any part of the policy says so. Never one that is pinned or approved, is going on, or has made what a
run that stays uses: the outputs that one took from the cache stay what they were.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """What is too much. ``keep``: so many runs of each pipeline, the newest. ``max_size``: bytes of all runs together.

    ``pipeline``: only runs of that one are removed.
    """

    older_than: timedelta | None = None
    keep: int | None = None
    max_size: int | None = None
    pipeline: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run: ``size`` in bytes, what protects it by itself, and the runs that have made what it uses."""

    id: str
    pipeline: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    size: int
    protected: str | None = None
    uses: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Choice:
    """The runs to remove, oldest first, and of those that the policy would remove as well, why they stay."""

    removed: tuple[Candidate, ...]
    kept: Mapping[str, str]


def choose(runs: Iterable[Candidate], policy: Policy, now: datetime) -> Choice:
    """What the policy makes of these runs, which are all there are."""
    newest = sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)
    oldest = newest[::-1]
    wanted = {run.id for run in _too_old_or_many(newest, policy, now)}
    if policy.max_size is not None:
        more = [run.id for run in oldest if policy.pipeline in (None, run.pipeline) and run.id not in wanted]

        def excess(count: int) -> bool:
            """Whether there is too much still when the oldest ``count`` are wanted as well."""
            left = _staying(newest, wanted | set(more[:count]))
            return sum(run.size for run in newest if run.id in left) > (policy.max_size or 0)

        count = bisect_left(range(len(more)), True, key=lambda count: not excess(count))
        wanted |= set(more[:count])
    stay = _staying(newest, wanted)
    removed = tuple(run for run in oldest if run.id in wanted and run.id not in stay)
    return Choice(removed, {run.id: stay[run.id] for run in newest if run.id in wanted and run.id in stay})


def _staying(runs: list[Candidate], wanted: Set[str]) -> dict[str, str]:
    """The runs that stay where the policy wants these: all others, the protected, and what they use, with reasons."""
    roots = [run for run in runs if run.protected or run.id not in wanted]
    known = {run.id: run for run in runs}
    found = {run.id: run.protected or "" for run in roots}
    waiting = list(found)
    while waiting:
        user = waiting.pop()
        for used in known[user].uses & known.keys():
            if used not in found:
                found[used] = f"run {user} uses what it has made"
                waiting.append(used)
    return found


def _too_old_or_many(newest: list[Candidate], policy: Policy, now: datetime) -> Iterator[Candidate]:
    seen: dict[str, int] = defaultdict(int)
    for run in newest:
        seen[run.pipeline] += 1
        if policy.pipeline not in (None, run.pipeline):
            continue
        old = policy.older_than is not None and (run.ended_at or run.created_at) < now - policy.older_than
        if old or (policy.keep is not None and seen[run.pipeline] > policy.keep):
            yield run
