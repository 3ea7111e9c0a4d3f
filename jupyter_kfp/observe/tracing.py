"""OpenTelemetry spans of a run: run → task → cell, with the times at which things happened.

They are made from what the store and the executed notebooks (papermill's timing metadata) say, after the end. All
spans of a run are one trace, whose id is the beginning of the SHA-256 of the run's id; where the process that started
the run had a ``TRACEPARENT``, they are part of that trace. `spans` is pure, `export` hands them to the SDK, which
the extra ``otel`` installs and ``OTEL_*`` variables configure.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.records import RunRecord, State, TaskRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

Attributes = Mapping[str, str | int | float | bool]
Cells = Callable[[TaskRecord], Iterable[Mapping[str, Any]]]
_PREFIX = "jupyter_kfp"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time. ``error``: why it failed, or None. ``events``: what happened meanwhile."""

    name: str
    start: datetime
    end: datetime
    attributes: Attributes
    error: str | None = None
    events: tuple[tuple[datetime, str, Attributes], ...] = ()
    children: tuple[Span, ...] = field(default=())


def spans(run: RunRecord, tasks: Iterable[TaskRecord], cells: Cells) -> Span | None:
    """The spans of a run that has ended; None where it never began. ``cells`` gives a task's executed cells."""
    if run.started_at is None or run.ended_at is None:
        return None
    return Span(
        name=f"run {run.pipeline}",
        start=run.started_at,
        end=run.ended_at,
        attributes=_attributes(
            run_id=run.id,
            pipeline=run.pipeline,
            state=run.state.value,
            notebook=run.origin.notebook,
            interrupted=run.interrupted or None,
        ),
        error=run.failure.message if run.failure else None,
        children=tuple(_task(run, task, cells) for task in tasks if task.started_at and task.ended_at),
    )


def _task(run: RunRecord, task: TaskRecord, cells: Cells) -> Span:
    assert task.started_at is not None, "it has begun"
    assert task.ended_at is not None, "and ended"
    failed = task.state is State.FAILED
    return Span(
        name=f"task {task.path}",
        start=task.started_at,
        end=task.ended_at,
        attributes=_attributes(
            run_id=run.id,
            task=task.path,
            component=task.component,
            state=task.state.value,
            attempts=len(task.attempts),
            cache_hit=task.state is State.CACHED,
        ),
        error=task.failure.message if failed and task.failure else None,
        events=tuple(
            (
                each.ended_at or each.started_at,
                "attempt failed",
                _attributes(attempt=each.number, message=each.failure.message if each.failure else None),
            )
            for each in task.attempts
            if each.state is State.FAILED
        ),
        children=tuple(_cells(run, task, cells(task))),
    )


def _cells(run: RunRecord, task: TaskRecord, cells: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    """The cells that were executed, by papermill's metadata: times, and whether an exception ended them."""
    for number, cell in enumerate(cells):
        told = cell.get("metadata", {}).get("papermill") or {}
        start, end = _moment(told.get("start_time")), _moment(told.get("end_time"))
        if cell.get("cell_type") != "code" or start is None or end is None:
            continue
        yield Span(
            name=f"cell {number + 1}",
            start=start,
            end=end,
            attributes=_attributes(
                run_id=run.id, task=task.path, cell=number, cell_id=cell.get("id"), status=told.get("status")
            ),
            error="An exception ended it." if told.get("exception") else None,
        )


def _moment(text: Any) -> datetime | None:
    """A time as papermill writes it: ISO 8601, in UTC without saying so."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    from datetime import timezone

    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _attributes(**values: str | float | bool | None) -> dict[str, str | int | float | bool]:
    return {f"{_PREFIX}.{name}": value for name, value in values.items() if value is not None}


def trace_id(run_id: str) -> int:
    """The id of the trace of a run."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:16], "big")


def export(root: Span, run_id: str) -> int:
    """Send the spans where ``OTEL_*`` says. Returns how many. Raises JupyterKfpError where that fails."""
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        raise JupyterKfpError(
            f"Spans cannot be sent: {error}.",
            "Install jupyter-kfp[otel], or unset OTEL_EXPORTER_OTLP_ENDPOINT.",
        ) from error

    class Ids(RandomIdGenerator):
        """Spans at random, the trace by the run."""

        def generate_trace_id(self) -> int:
            return trace_id(run_id)

    collected = _Collected()
    resource = Resource.create(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "jupyter-kfp"),
            "service.version": version("jupyter-kfp"),
        }
    )
    provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(collected.exporter))
    parent = TraceContextTextMapPropagator().extract(
        {
            name: os.environ[name.upper()]
            for name in ("traceparent", "tracestate")
            if name.upper() in os.environ
        }
    )
    count = _write(root, provider.get_tracer(_PREFIX, version("jupyter-kfp")), parent)
    provider.shutdown()
    collected.send()
    return count


class _Collected:
    """All spans of a run in one request, and what became of it."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.exporter = InMemorySpanExporter()

    def send(self) -> None:
        """Send them. The exporter tries again by itself where that may help."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        sender = _sender()
        try:
            if sender.export(self.exporter.get_finished_spans()) is not SpanExportResult.SUCCESS:
                raise JupyterKfpError(
                    "The spans have not arrived.", "See above for what the receiver answered."
                )
        finally:
            sender.shutdown()


def _sender() -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    if protocol not in (None, "", "http/protobuf"):
        raise JupyterKfpError(
            f"Spans cannot be sent by the protocol {protocol!r}.",
            "Set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the receiver's HTTP port (4318).",
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _write(span: Span, tracer: Any, context: Any) -> int:
    """Hand a span and those below it to the SDK; returns how many."""
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    started = tracer.start_span(
        span.name, context=context, start_time=_nanoseconds(span.start), attributes=dict(span.attributes)
    )
    for moment, name, attributes in span.events:
        started.add_event(name, dict(attributes), _nanoseconds(moment))
    if span.error is not None:
        started.set_status(Status(StatusCode.ERROR, span.error))
    inner = set_span_in_context(started)
    count = 1 + sum(_write(child, tracer, inner) for child in span.children)
    started.end(_nanoseconds(span.end))
    return count


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
