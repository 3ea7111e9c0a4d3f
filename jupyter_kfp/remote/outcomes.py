"""What two runs made of the same or different pipelines: results, metrics and data, one against the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jupyter_kfp.remote.changes import Change, Kind
from jupyter_kfp.store.records import ArtifactRecord, State, TaskRecord
from jupyter_kfp.store.values import is_number, short_path

# What every step leaves of how it went; it differs whenever the step was executed anew.
_REPORTS = frozenset({"executed_notebook", "executed_html", "step_metrics"})
_SHOWN = 12


def outcomes(
    states: tuple[State, State],
    values: tuple[Mapping[str, Any], Mapping[str, Any]],
    tasks: tuple[Sequence[TaskRecord], Sequence[TaskRecord]],
) -> list[Change]:
    """The differences between what two runs made, in an order that does not depend on when their steps ended.

    Args:
        states: How each ended.
        values: What each made by name, as `store.values.named_values` gives it.
        tasks: The steps of each, with what went in and came out.
    """
    found = [] if states[0] is states[1] else [_changed("run", "state", states[0].value, states[1].value)]
    return [*found, *_values(*values), *_data(_contents(tasks[0]), _contents(tasks[1]))]


def _values(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Metrics and results. What only one step makes is told under its own name, not under the step's, too."""
    for name in sorted({*before, *after}):
        _step, dot, own = name.rpartition(".")
        if dot and all(side.get(own) == side.get(name) for side in (before, after)):
            continue
        kind = "metric" if is_number(after.get(name, before.get(name))) else "result"
        yield from _difference(f"{kind} {name}", "value", before, after, name)


def _data(before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            yield Change(f"data {name}", Kind.ADDED if name in after else Kind.REMOVED)
            continue
        old, new = before[name], after[name]
        for what in dict.fromkeys((*old, *new)):
            if old.get(what) != new.get(what):
                yield _changed(f"data {name}", what, old.get(what), new.get(what))


def _difference(
    where: str, what: str, before: Mapping[str, Any], after: Mapping[str, Any], name: str
) -> Iterator[Change]:
    if name not in after:
        yield Change(where, Kind.REMOVED, before=before[name])
    elif name not in before:
        yield Change(where, Kind.ADDED, after=after[name])
    elif before[name] != after[name]:
        yield _changed(where, what, before[name], after[name])


def _changed(where: str, what: str, before: Any, after: Any) -> Change:
    return Change(where, Kind.CHANGED, what, before, after)


def _contents(tasks: Sequence[TaskRecord]) -> dict[str, dict[str, Any]]:
    """What there is to compare of each artifact, by ``step.name``; of artifacts read from elsewhere by the reader's."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        for port, made in task.output_artifacts.items():
            if port not in _REPORTS and made:
                found[f"{short_path(task.path)}.{port}"] = _described(made)
        for port, taken in task.input_artifacts.items():
            if any(record.task is None for record in taken):
                found[f"{short_path(task.path)}.{port}"] = _described(taken)
    return found


def _described(records: Sequence[ArtifactRecord]) -> dict[str, Any]:
    """The content by the first digits of its hash, the rows of a table, and the version that DVC knows."""
    versions = [record.metadata.get("dvc") for record in records]
    described = {
        "content": " ".join((record.sha256 or record.uri)[:_SHOWN] for record in records),
        "rows": records[0].metadata.get("rows"),
        "version": next((version.get("md5") for version in versions if isinstance(version, Mapping)), None),
    }
    return {what: value for what, value in described.items() if value is not None}
