"""Operations on a notebook: look at it, compile it, run it here."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from jupyter_kfp.server import worker
from jupyter_kfp.server.answers import Preview, RunSummary, Schemas, Written
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.errors import RequestError, malformed
from jupyter_kfp.server.requests import CompileBody, PreviewBody, RunBody
from jupyter_kfp.server.runs import summary

if TYPE_CHECKING:
    from pathlib import Path

# One URL (fsspec chains them with `::`) that is none of this machine's files.
_REMOTE: Final = re.compile(r"(?!(file|local|memory):)[a-z][a-z0-9+.-]*://(?!.*::)", re.IGNORECASE)


async def preview(context: Context, body: PreviewBody) -> Preview:
    """The graph, the findings and the parameters of a notebook, saved or as it is being edited."""
    file = context.existing(body.path) if body.content is None else context.path(body.path)
    return await context.compute(worker.preview, str(file), body.content, body.folded)


async def options(_context: Context) -> Schemas:
    """The schemas of the options of cells and notebooks."""
    from jupyter_kfp.options import PipelineOptions, StepOptions

    return Schemas(step=StepOptions.model_json_schema(), pipeline=PipelineOptions.model_json_schema())


async def compile_(context: Context, body: CompileBody) -> Written:
    """Write a notebook's IR YAML to a file below the root."""
    file = context.existing(body.path)
    output = body.output or f"{body.path.strip('/').rpartition('.')[0] or body.path}.yaml"
    target = context.path(output)
    made = await context.compute(worker.compiled, str(file))
    await context.thread(_write, target, made.ir, overwrite=body.overwrite)
    return Written(path=output, findings=list(made.findings))


def _write(target: Path, text: str, *, overwrite: bool) -> None:
    from http import HTTPStatus

    try:
        with target.open("w" if overwrite else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise RequestError(
            HTTPStatus.CONFLICT,
            "exists",
            f"There is a file {target.name} already.",
            "Overwrite it, or name another.",
        ) from None
    except OSError as error:
        raise RequestError(
            HTTPStatus.CONFLICT, "not_written", f"{target.name} cannot be written ({error.strerror})."
        ) from error


async def run(context: Context, body: RunBody) -> RunSummary:
    """Start a run of a saved notebook on this machine; it goes on if the server ends."""
    from jupyter_kfp.engine import launch
    from jupyter_kfp.engine.runner import Runner

    file = context.existing(body.path)
    how = launch.RunOptions(
        root=_artifact_root(context, body.artifact_root),
        source_dir=file.parent,
        file=file,  # an edit of the notebook is no change of its steps' data
        max_parallel=body.max_parallel,
        runner=Runner.named(body.runner) if body.runner else None,
    )
    made = await context.compute(worker.compiled, str(file))
    handle = await context.thread(launch.start, made.ir, body.parameters, origin=made.origin, options=how)
    context.live.follow(handle, asyncio.get_running_loop())
    return await context.thread(summary, context, handle.id)


def _artifact_root(context: Context, given: str | None) -> str | None:
    """A URL of another machine as it is; anything else is a directory below the server's root."""
    if given is None or "://" not in given:
        return None if given is None else str(context.path(given))
    if not _REMOTE.match(given):
        raise malformed(
            f"{given!r} is no place for artifacts.",
            "Write a URL such as s3://bucket/runs, or a directory below the server's root.",
        )
    return given
