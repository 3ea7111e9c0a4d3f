"""A run in one line, and how far it has come. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jupyter_kfp.store.records import RunRecord, State
from jupyter_kfp.views.model import Graph, Node
from jupyter_kfp.views.states import FINAL
from jupyter_kfp.views.values import counted, duration, elapsed

_ITERATIONS = re.compile(r"\[\d+\]")
_NAMED = 3  # steps that are named in one line


@dataclass(frozen=True, slots=True)
class Progress:
    """The tasks of a run by state: path → state, iterations one by one, in the order of the pipeline."""

    states: Mapping[str, str]

    @property
    def counts(self) -> Counter[str]:
        """How many tasks are in which state."""
        return Counter(self.states.values())

    @property
    def done(self) -> int:
        """How many have ended."""
        return sum(self.counts[state] for state in FINAL)

    @property
    def total(self) -> int:
        """How many are known; a loop that has not begun counts each of its tasks once."""
        return len(self.states)

    def paths(self, state: str) -> list[str]:
        """The tasks in one state."""
        return [path for path, found in self.states.items() if found == state]


def progress(graph: Graph, states: Mapping[str, str]) -> Progress:
    """What a run's states (path → state, boxes included) say of the tasks of its graph."""
    order = {node.id: number for number, node in enumerate(graph.nodes)}
    found = {path: state for path, state in states.items() if isinstance(graph.by_id.get(bare(path)), Node)}
    begun = {bare(path) for path in found}
    found |= dict.fromkeys((node.id for node in graph.nodes if node.id not in begun), State.PENDING.value)
    place = {path: (order[bare(path)], _numbers(path)) for path in found}
    return Progress({path: found[path] for path in sorted(found, key=place.__getitem__)})


def bare(path: str) -> str:
    """A task's path without its iterations: the id of its node."""
    return _ITERATIONS.sub("", path)


def _numbers(path: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\[(\d+)\]", path)))


def told(record: RunRecord, now: Progress, moment: datetime) -> str:
    """What became of a run, or how it goes, in one line. ``moment`` is the present."""
    took = duration(elapsed(record.started_at or record.created_at, record.ended_at or moment))
    match record.state:
        case State.PENDING:
            return "The run waits to begin."
        case State.RUNNING:
            going = now.paths(State.RUNNING.value)
            names = ", ".join(going[:_NAMED]) + (f" and {len(going) - _NAMED} more" if going[_NAMED:] else "")
            word = "Ending" if record.cancel_requested_at else "Running"
            return f"{word}{f': {names}' if names else ''}. {now.done} of {counted(now.total, 'step')} ended."
        case State.FAILED:
            return f"Failed after {took}: {_reason(record, now)}"
        case State.CANCELED:
            return f"Canceled after {took}: {now.done - now.counts['CANCELED']} of {counted(now.total, 'step')} had ended."
    return f"Succeeded in {took}: {_what_ran(now)}."


def _reason(record: RunRecord, now: Progress) -> str:
    message = " ".join(record.failure.message.split()) if record.failure else "no reason is known."
    failed = now.paths(State.FAILED.value)
    if not failed or failed[0] in message:
        return message
    more = f" (and {counted(len(failed) - 1, 'other step')})" if failed[1:] else ""
    return f"{failed[0]}{more}: {message}"


def _what_ran(now: Progress) -> str:
    parts = [counted(now.total, "step")]
    parts += [f"{now.counts['CACHED']} from the cache"] if now.counts["CACHED"] else []
    parts += [f"{now.counts['SKIPPED']} skipped"] if now.counts["SKIPPED"] else []
    return ", ".join(parts)
