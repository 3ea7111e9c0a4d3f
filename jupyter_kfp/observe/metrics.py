"""Prometheus metrics of the runs in the store.

========================================  ================  ===========================================================
metric                                    labels
========================================  ================  ===========================================================
``jupyter_kfp_store_up``                                    1 where the store can be read
``jupyter_kfp_runs``                      pipeline, state   runs in the store
``jupyter_kfp_tasks``                     pipeline, state   their tasks; those out of the cache are CACHED
``jupyter_kfp_run_duration_seconds``      pipeline, state   histogram of the runs that have ended
``jupyter_kfp_task_duration_seconds``     pipeline, state   histogram of the tasks that were executed to their end
``jupyter_kfp_last_run_ended_seconds``    pipeline, state   when the newest of these runs ended, as Unix time
========================================  ================  ===========================================================

They tell what is there: `jupyter kfp gc` lets them fall. The database counts; what is read is a row per pipeline and
state, however many runs there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, extract, func, select

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import schema
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.records import State, TaskKind

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Seconds: from a step that does next to nothing to a training over night.
BUCKETS: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_LABELS: Final = ("pipeline", "state")
_FRESH_SECONDS: Final = 5.0
_DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Row:
    """The runs, or the tasks, of one pipeline in one state. ``buckets``: how many took up to so many seconds."""

    pipeline: str
    state: str
    count: int
    timed: int = 0
    seconds: float = 0.0
    buckets: tuple[int, ...] = ()
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is, at one moment."""

    runs: Sequence[Row]
    tasks: Sequence[Row]


def snapshot(database: Database) -> Snapshot:
    """Count what is in the store. Raises StoreError."""
    run, task = schema.Run, schema.Task
    is_sqlite = database.path is not None
    runs = _counted(
        run.pipeline, run.state, run.started_at, run.ended_at, run.state.is_not(None), is_sqlite=is_sqlite
    )
    tasks = _counted(
        run.pipeline,
        task.state,
        task.started_at,
        task.ended_at,
        task.state.in_([State.SUCCEEDED, State.FAILED]),
        is_sqlite=is_sqlite,
    ).where(task.kind == TaskKind.TASK, task.run_id == run.id)
    with database.reading() as session:
        return Snapshot(list(_rows(session.execute(runs))), list(_rows(session.execute(tasks))))


def _counted(
    pipeline: Any, state: Any, start: Any, end: Any, timed: ColumnElement[bool], *, is_sqlite: bool
) -> Select[Any]:
    """A query that counts by pipeline and state, with the times of what has begun, ended and is ``timed``."""
    if is_sqlite:
        seconds: ColumnElement[Any] = (func.julianday(end) - func.julianday(start)) * _DAY
    else:
        seconds = extract("epoch", end - start)
    has_time = and_(timed, start.is_not(None), end.is_not(None))
    counts = [func.sum(case((and_(has_time, seconds <= limit), 1), else_=0)) for limit in BUCKETS]
    total = func.sum(case((has_time, seconds), else_=0.0))
    timed_count = func.sum(case((has_time, 1), else_=0))
    return select(pipeline, state, func.count(), timed_count, total, func.max(end), *counts).group_by(
        pipeline, state
    )


def _rows(found: Iterable[Any]) -> Iterator[Row]:
    for pipeline, state, count, timed, seconds, last, *buckets in found:
        ended = last.timestamp() if isinstance(last, datetime) else None
        yield Row(
            pipeline,
            state.value,
            count,
            int(timed),
            float(seconds),
            tuple(int(each) for each in buckets),
            ended,
        )


def families(found: Snapshot | None) -> Iterator[Metric]:
    """The metrics; of a store that cannot be read (None), that it is so."""
    from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

    yield GaugeMetricFamily(
        "jupyter_kfp_store_up", "Whether the run store can be read.", float(found is not None)
    )
    if found is None:
        return
    for what, rows in (("run", found.runs), ("task", found.tasks)):
        gauge = GaugeMetricFamily(
            f"jupyter_kfp_{what}s", f"The {what}s in the store, by state.", labels=_LABELS
        )
        times = HistogramMetricFamily(
            f"jupyter_kfp_{what}_duration_seconds",
            f"How long {what}s took that were executed.",
            labels=_LABELS,
        )
        for row in rows:
            labels = (row.pipeline, row.state)
            gauge.add_metric(labels, row.count)
            if row.timed:
                buckets = [
                    (str(float(limit)), count) for limit, count in zip(BUCKETS, row.buckets, strict=True)
                ]
                times.add_metric(labels, [*buckets, ("+Inf", row.timed)], row.seconds)
        yield gauge
        yield times
    ends = GaugeMetricFamily(
        "jupyter_kfp_last_run_ended_seconds", "When the newest of these runs ended.", labels=_LABELS
    )
    for row in found.runs:
        if row.last is not None:
            ends.add_metric((row.pipeline, row.state), row.last)
    yield ends


class Collector:
    """The store's metrics for a Prometheus registry. Looks at the store at most every few seconds; never fails."""

    def __init__(self, opened: Callable[[], Database]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._found: Snapshot | None = None

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._found = self._look()
                self._read_at = time.monotonic()
        yield from families(self._found)

    def _look(self) -> Snapshot | None:
        try:
            database = self._opened()
            try:
                return snapshot(database)
            finally:
                database.close()
        except JupyterKfpError:
            return None


class _Once:
    """What was read already, as a collector."""

    def __init__(self, found: Snapshot) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        yield from families(self._found)


def write_file(found: Snapshot, path: Path) -> None:
    """Write the metrics to a file for node_exporter, all at once."""
    from prometheus_client import CollectorRegistry, write_to_textfile

    registry = CollectorRegistry()
    registry.register(_Once(found))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


def push(found: Snapshot, gateway: str, pipeline: str) -> None:
    """Push the metrics of one pipeline to a Pushgateway, in place of those it had of it. Raises OSError."""
    from prometheus_client import CollectorRegistry, push_to_gateway

    own = Snapshot(*([row for row in rows if row.pipeline == pipeline] for rows in (found.runs, found.tasks)))
    registry = CollectorRegistry()
    registry.register(_Once(own))
    push_to_gateway(
        gateway, job="jupyter_kfp", grouping_key={"pipeline": pipeline}, registry=registry, timeout=20
    )
