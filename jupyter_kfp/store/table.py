"""Many runs as a table: which ones, in which order, with which of their values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store.conditions import Condition
from jupyter_kfp.store.records import RunRecord
from jupyter_kfp.store.values import is_history, names_in, spelled

FIELDS = ("run_id", "name", "pipeline", "state", "created_at", "started_at", "ended_at", "duration")
"""What every row has of its run; times are ISO 8601 in UTC, the duration is in seconds."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for.

    ``metrics``: names of columns; ``where``: conditions, all of which hold; ``sort``: names, ``-name`` for the largest
    first, the first name counts most; ``limit``: how many at most.
    """

    metrics: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A run with its values by name: those of the run itself, of its parameters, and of what it made."""

    record: RunRecord
    values: Mapping[str, Any]
    shown: tuple[str, ...]
    """The names of its parameters and scalar results, to show where no metrics are named."""

    def value(self, name: str) -> Any:
        """The value of that name; None if there is none."""
        return self.values.get(spelled(name))

    def flat(self, names: Sequence[str]) -> dict[str, Any]:
        """The run and the values of ``names`` as one mapping; what the run has not is None."""
        return {name: self.value(name) for name in dict.fromkeys((*FIELDS, *names))}


def select_rows(runs: Sequence[tuple[RunRecord, Mapping[str, Any]]], query: Query) -> list[Row]:
    """The rows that a query asks for, of runs with what `values.named_values` gives of them, newest first.

    Raises UsageError for a condition that cannot be read, and for a name that no run has.
    """
    rows = [_row(record, made) for record, made in runs]
    conditions = [Condition(text) for text in query.where]
    sort = [(name.removeprefix("-").removeprefix("+"), name.startswith("-")) for name in query.sort]
    asked = [*query.metrics, *(name for name, _ in sort), *(n for c in conditions for n in c.names)]
    _check(asked, rows)
    rows = [row for row in rows if all(condition.holds(row.values) for condition in conditions)]
    for name, largest_first in reversed(sort):
        # Those without the value come last either way.
        there = [row for row in rows if row.value(name) is not None]
        there.sort(key=lambda row: _key(row.value(name)), reverse=largest_first)
        rows = [*there, *(row for row in rows if row.value(name) is None)]
    return rows[: query.limit]


def columns(rows: Sequence[Row], query: Query) -> list[str]:
    """The names of the values to show: those asked for, else all parameters and scalar results."""
    return list(query.metrics) or names_in(dict.fromkeys(row.shown) for row in rows)


def _row(record: RunRecord, made: Mapping[str, Any]) -> Row:
    own = {
        "run_id": record.id,
        "name": record.name,
        "pipeline": record.pipeline,
        "state": record.state.value,
        "created_at": record.created_at.isoformat(),
        "started_at": record.started_at.isoformat() if record.started_at else None,
        "ended_at": record.ended_at.isoformat() if record.ended_at else None,
        "duration": _seconds(record),
    }
    parameters = {spelled(name): value for name, value in record.parameters.items()}
    values = {name: _last(value) for name, value in {**own, **parameters, **made}.items()}
    shown = [*parameters, *(name for name in made if "." not in name)]
    scalar = (str, int, float, bool)
    return Row(record, values, tuple(name for name in shown if isinstance(values[name], scalar)))


def _seconds(record: RunRecord) -> float | None:
    if record.started_at is None or record.ended_at is None:
        return None
    return (record.ended_at - record.started_at).total_seconds()


def _last(value: Any) -> Any:
    """Of a metric's history its last value; anything else as it is."""
    return value[-1] if is_history(value) else value


def _key(value: Any) -> tuple[int, Any]:
    """Numbers before texts before everything else: what has no order among itself is ordered as text."""
    match value:
        case bool() | int() | float():
            return (0, value)
        case str():
            return (1, value)
        case _:
            return (2, str(value))


def _check(names: Sequence[str], rows: Sequence[Row]) -> None:
    known = names_in(row.values for row in rows)
    for name in names:
        if rows and spelled(name) not in known:
            import difflib

            close = difflib.get_close_matches(name, known, 1)
            there = ", ".join(sorted(n for n in known if "." not in n))
            remedy = f"Did you mean {close[0]}?" if close else f"There are {there}; STEP.NAME is of one step."
            raise UsageError(f"No run has a value {name!r}.", remedy)
