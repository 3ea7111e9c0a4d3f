"""Operations on runs, of this machine and of clusters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_kfp.server import worker
from jupyter_kfp.server.answers import Picture, RunDetails, Runs, RunSummary, TaskSummary
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.errors import not_found
from jupyter_kfp.server.requests import RunsQuery

if TYPE_CHECKING:
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

    filtered = query.state is not None or query.notebook is not None
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
        if query.state in (None, one.state) and (notebook is None or one.notebook == notebook)
    ]
    return matching[: query.limit]


async def show(context: Context, run_id: str) -> RunDetails:
    """A run with its tasks and outputs. Of a run on a cluster, the cluster is asked how it goes now."""
    details = await context.thread(_details, context, run_id)
    if not details.state.is_final and details.url is None:
        context.live.follow(details.run_id, asyncio.get_running_loop())
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


async def picture(context: Context, run_id: str) -> Picture:
    """The graph of a run, coloured by the states of its tasks."""
    ir, states = await context.thread(_states, run_id)
    return Picture(svg=await context.compute(worker.picture, ir, states))


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
    """Have the cluster execute the failed tasks of a run again."""
    await context.thread(lambda: find(run_id).retry())
    return await context.thread(summary, context, run_id)


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
