"""Operations on the tasks of a run: code, log, what went in and came out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.runs import REPORTS
from jupyter_kfp.server.answers import (
    Artifact,
    ArtifactPreview,
    Artifacts,
    Attempt,
    Log,
    MadeArtifact,
    Picture,
    TaskDetails,
)
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.errors import not_found
from jupyter_kfp.server.previews import Raw, preview, raw
from jupyter_kfp.server.requests import ArtifactQuery, LogQuery
from jupyter_kfp.server.runs import find, task_metrics, task_summary

if TYPE_CHECKING:
    from jupyter_kfp.runs import StepRun, StoredArtifact
    from jupyter_kfp.store.records import ArtifactRecord

_ITERATION = re.compile(r"\[\d+\]")


async def show(context: Context, run_id: str, task: str) -> TaskDetails:
    """A task with its code, attempts, inputs and outputs."""
    return await context.thread(_show, run_id, task)


def _show(run_id: str, task: str) -> TaskDetails:
    step = _step(run_id, task)
    record = step.record
    executed = _executed(step)
    return TaskDetails(
        **task_summary(record).model_dump(),
        code=None if executed is None else _code(executed),
        has_notebook=executed is not None,
        options=_options(run_id, task),
        metrics=task_metrics(record),
        traceback=record.failure.traceback if record.failure else None,
        tries=[
            Attempt(
                number=one.number,
                state=one.state,
                started_at=one.started_at,
                ended_at=one.ended_at,
                exit_code=one.exit_code,
                error=one.failure.message if one.failure else None,
            )
            for one in record.attempts
        ],
        input_parameters=dict(record.input_parameters),
        output_parameters=dict(record.output_parameters),
        input_artifacts=_artifacts(record.input_artifacts),
        output_artifacts=_artifacts(record.output_artifacts),
    )


def _step(run_id: str, task: str) -> StepRun:
    steps = find(run_id).steps
    if task not in steps:
        raise not_found(
            f"Run {run_id} has no task {task!r}.", f"Its tasks: {', '.join(steps) or 'none yet'}."
        )
    return steps[task]


def _artifacts(ports: Mapping[str, tuple[ArtifactRecord, ...]]) -> list[Artifact]:
    return [
        Artifact(
            port=port, index=index, name=one.name, type=one.type, uri=one.uri, metadata=dict(one.metadata)
        )
        for port, records in ports.items()
        for index, one in enumerate(records)
    ]


def _code(document: Mapping[str, Any]) -> str:
    cells = (cell for cell in document.get("cells", ()) if cell.get("cell_type") == "code")
    return "\n\n".join("".join(cell.get("source", "")) for cell in cells)


def _options(run_id: str, task: str) -> dict[str, Any]:
    from jupyter_kfp.remote import changes, package
    from jupyter_kfp.store.store import open_store

    store = open_store()
    try:
        said = changes.options(*package.specs(store.ir(run_id)))
    finally:
        store.close()
    return said.get(_ITERATION.sub("", task), {})


def _executed(step: StepRun) -> dict[str, Any] | None:
    """The executed notebook; None where there is none, or no longer."""
    try:
        path = step.notebook
        return None if path is None else json.loads(path.read_text(encoding="utf-8"))
    except (JupyterKfpError, OSError, ValueError):
        return None


async def artifacts(context: Context, run_id: str) -> Artifacts:
    """What the tasks of a run have made."""
    return await context.thread(_made, run_id)


def _made(run_id: str) -> Artifacts:
    found = []
    for path, step in find(run_id).steps.items():
        made = {port: all_ for port, all_ in step.record.output_artifacts.items() if port not in REPORTS}
        records = [record for port in made.values() for record in port]
        for shown, record in zip(_artifacts(made), records, strict=True):
            known = {"task": path, "size": record.size, "created_at": record.created_at}
            found.append(MadeArtifact(**shown.model_dump(), **known))
    return Artifacts(artifacts=found)


async def notebook(context: Context, run_id: str, task: str) -> dict[str, Any]:
    """The executed notebook of a task, with its outputs; also of a failed one."""

    def read() -> dict[str, Any]:
        found = _executed(_step(run_id, task))
        if found is None:
            raise not_found(f"{task} has left no executed notebook.")
        return found

    return await context.thread(read)


async def log(context: Context, run_id: str, task: str, query: LogQuery) -> Log:
    """The end of what the last attempt of a task printed."""
    return await context.thread(_log, run_id, task, query.tail)


def _log(run_id: str, task: str, tail: int) -> Log:
    run = find(run_id)
    run.fetch_logs()
    record = _step(run_id, task).record
    data, size = b"", 0
    if record.log is not None and Path(record.log).is_file():
        with Path(record.log).open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - tail))
            data = stream.read(tail)
    return Log(task=task, text=data.decode("utf-8", "replace"), size=size)


async def artifact(
    context: Context, run_id: str, task: str, port: str, query: ArtifactQuery
) -> ArtifactPreview:
    """An artifact to look at; nothing is unpickled for it."""

    def look() -> ArtifactPreview:
        found = _artifact(run_id, task, port, query.index)
        return preview(found, f"runs/{run_id}/tasks/{task}/artifacts/{port}/content?index={query.index}")

    return await context.thread(look)


async def lineage(context: Context, run_id: str, task: str, port: str, query: ArtifactQuery) -> Picture:
    """What an artifact was made of, and what was made of it, over all runs."""
    return await context.thread(_lineage, run_id, task, port, query.index)


def _lineage(run_id: str, task: str, port: str, index: int) -> Picture:
    from jupyter_kfp.store.lineage.model import Way
    from jupyter_kfp.store.store import open_store
    from jupyter_kfp.views.lineage import lineage_graph
    from jupyter_kfp.views.svg import to_svg

    subject = f"artifact:{_artifact(run_id, task, port, index).record.id}"
    store = open_store()
    try:
        return Picture(svg=to_svg(lineage_graph(store.lineage(subject, Way.BOTH))), boxes=[])
    finally:
        store.close()


async def content(context: Context, run_id: str, task: str, port: str, query: ArtifactQuery) -> Raw:
    """An artifact's file: HTML (in a sandbox without an origin), PNG, SVG or text."""
    return await context.thread(lambda: raw(_artifact(run_id, task, port, query.index)))


def _artifact(run_id: str, task: str, port: str, index: int) -> StoredArtifact:
    from jupyter_kfp.runs import StoredArtifact

    record = _step(run_id, task).record
    made = record.output_artifacts.get(port) or record.input_artifacts.get(port) or ()
    if index >= len(made):
        known = ", ".join({**record.input_artifacts, **record.output_artifacts}) or "none"
        raise not_found(f"{task} has no artifact {port!r} (number {index}).", f"There are: {known}.")
    return StoredArtifact(made[index])
