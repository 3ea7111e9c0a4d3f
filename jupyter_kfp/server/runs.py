"""Operations on runs, of this machine and of clusters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_kfp.server import worker
from jupyter_kfp.server.answers import (
    Comparison,
    Difference,
    Picture,
    RunDetails,
    Runs,
    RunSummary,
    TaskSummary,
)
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.errors import not_found
from jupyter_kfp.server.requests import ComparisonQuery, PictureQuery, RunsQuery
from jupyter_kfp.views.content import METRICS, metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_kfp.engine.launch import RunHandle
    from jupyter_kfp.runs import Run
    from jupyter_kfp.store.records import RunRecord, TaskRecord

_SEARCHED = 5000


async def list_(context: Context, query: RunsQuery) -> Runs:
    """The runs there are, newest first."""
    found = await context.thread(_listed, context, query)
    for one in found:
        if not one.state.is_final and one.url is None:
            context.live.follow(one.run_id, asyncio.get_running_loop())
    return Runs(runs=found)


def _listed(context: Context, query: RunsQuery) -> list[RunSummary]:
    from jupyter_kfp.store.store import open_store

    filtered = any((query.state, query.notebook, query.text))
    store = open_store()
    try:
        records = store.runs(limit=_SEARCHED if filtered else query.limit, pipeline=query.pipeline)
    finally:
        store.close()
    shown = (_summary(context, record) for record in records)
    notebook = query.notebook.strip("/") if query.notebook else None
    matching = [
        one
        for one in shown
        if query.state in (None, one.state)
        and (notebook is None or one.notebook == notebook)
        and (query.text is None or _mentions(one, query.text))
    ]
    return matching[: query.limit]


def _mentions(run: RunSummary, text: str) -> bool:
    said = (run.name, run.pipeline, run.run_id, run.notebook, run.error)
    return any(text.casefold() in one.casefold() for one in said if one)


async def show(context: Context, run_id: str) -> RunDetails:
    """A run with its tasks and outputs. Of a run on a cluster, the cluster is asked how it goes now."""
    details = await context.thread(_details, context, run_id)
    if not details.state.is_final:
        is_remote = details.url is not None
        context.live.follow(details.run_id, asyncio.get_running_loop(), is_remote=is_remote)
    return details


def _details(context: Context, run_id: str) -> RunDetails:
    run = find(run_id)
    known = _summary(context, run.record).model_copy(update={"stale": run.stale})
    document = run.as_dict()
    return RunDetails(
        **known.model_dump(),
        parameters=dict(run.parameters),
        tasks=[task_summary(step.record) for step in run.steps.values()],
        outputs=document["outputs"],
    )


async def picture(context: Context, run_id: str, query: PictureQuery) -> Picture:
    """The graph of a run, coloured by the states of its tasks."""
    ir, states = await context.thread(_states, run_id)
    closed = None if query.folded is None else [box for box in query.folded.split(",") if box]
    return await context.compute(worker.picture, ir, states, closed)


def _states(run_id: str) -> tuple[str, dict[str, str]]:
    from jupyter_kfp.store.store import open_store

    found = find(run_id)
    store = open_store()
    try:
        states = {task.path: task.state.value for task in store.tasks(found.id, groups=True)}
        return store.ir(found.id), states
    finally:
        store.close()


async def cancel(context: Context, run_id: str) -> RunSummary:
    """Ask a run to end."""
    await context.thread(lambda: find(run_id).cancel())
    return await context.thread(summary, context, run_id)


async def retry(context: Context, run_id: str) -> RunSummary:
    """Execute the failed tasks of a run again, and those after them, where it ran."""
    return await _go_on(context, run_id, failed_too=True)


async def resume(context: Context, run_id: str) -> RunSummary:
    """Let a run of this machine go on that was canceled, or whose engine died."""
    return await _go_on(context, run_id, failed_too=False)


async def _go_on(context: Context, run_id: str, *, failed_too: bool) -> RunSummary:
    handle = await context.thread(_started_again, run_id, failed_too=failed_too)
    if handle is not None:
        context.live.follow(handle, asyncio.get_running_loop())
    return await context.thread(summary, context, run_id)


def _started_again(run_id: str, *, failed_too: bool) -> RunHandle | None:
    """The handle of a run of this machine; None for one that its cluster goes on with."""
    from jupyter_kfp.engine import launch

    run = find(run_id)
    if failed_too and run.url is not None:
        run.retry()
        return None
    return launch.resume(run.id, failed_too=failed_too)


async def compare(context: Context, query: ComparisonQuery) -> Comparison:
    """Two runs side by side: their parameters and metrics."""
    return await context.thread(_compare, context, query.before, query.after)


def _compare(context: Context, before: str, after: str) -> Comparison:
    old, new = find(before), find(after)
    return Comparison(
        before=_summary(context, old.record),
        after=_summary(context, new.record),
        parameters=differences(old.parameters, new.parameters),
        metrics=differences(_metrics(old), _metrics(new)),
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The values of both by name, in the order they are in."""
    return [
        Difference(
            name=name,
            before=before.get(name),
            after=after.get(name),
            differs=name not in before or name not in after or before[name] != after[name],
        )
        for name in dict.fromkeys((*before, *after))
    ]


def _metrics(run: Run) -> dict[str, Any]:
    return {
        f"{path}.{name}": value
        for path, step in run.steps.items()
        for name, value in task_metrics(step.record).items()
    }


def task_metrics(record: TaskRecord) -> dict[str, Any]:
    """What the Metrics artifacts of a task say, by name."""
    made = (one for port in record.output_artifacts.values() for one in port if one.type in METRICS)
    return {name: value for one in made for name, value in metrics(one.metadata).values.items()}


def find(run_id: str) -> Run:
    """The run of that id. Raises RequestError if there is none."""
    from jupyter_kfp.errors import UsageError
    from jupyter_kfp.runs import Run
    from jupyter_kfp.store.store import open_store

    store = open_store()
    try:
        known = store.unchecked_run(run_id).id == run_id
    except UsageError:
        known = False
    finally:
        store.close()
    if not known:
        raise not_found(f"There is no run {run_id!r}.")
    return Run(run_id)


def summary(context: Context, run_id: str) -> RunSummary:
    """A run in short, as it is now."""
    run = find(run_id)
    return _summary(context, run.record).model_copy(update={"stale": run.stale})


def _summary(context: Context, record: RunRecord) -> RunSummary:
    remote = record.options.get("remote")
    return RunSummary(
        run_id=record.id,
        name=record.name,
        pipeline=record.pipeline,
        state=record.state,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        notebook=context.api_path(record.origin.notebook),
        error=record.failure.message if record.failure else None,
        url=str(remote["url"]) if remote else None,
        interrupted=record.interrupted,
        stale=None,
    )


def task_summary(record: TaskRecord) -> TaskSummary:
    """A task in short."""
    return TaskSummary(
        path=record.path,
        name=record.display_name or record.key,
        state=record.state,
        attempts=len(record.attempts),
        started_at=record.started_at,
        ended_at=record.ended_at,
        error=record.failure.message if record.failure else None,
        cell=record.failure.cell if record.failure else None,
    )
