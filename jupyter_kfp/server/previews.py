"""Artifacts to look at in a browser. Nothing here executes or unpickles what a step has left."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.server.answers import ArtifactPreview
from jupyter_kfp.server.errors import RequestError, not_found
from jupyter_kfp.views.content import METRICS, Content, content, media_type, metrics

if TYPE_CHECKING:
    from jupyter_kfp.runs import StoredArtifact

_FILE_BYTES = 50_000_000
_SANDBOX = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' https:; style-src 'unsafe-inline' https:; img-src data: https:; font-src data: https:"


@dataclass(frozen=True, slots=True)
class Raw:
    """A file for the browser, and the content security policy that confines it."""

    data: bytes
    media_type: str
    policy: str = _SANDBOX


def preview(artifact: StoredArtifact, address: str) -> ArtifactPreview:
    """What can be shown of an artifact; ``address`` is where its file is served."""
    record = artifact.record
    found = metrics(record.metadata) if record.type in METRICS else _content(artifact)
    return ArtifactPreview(
        kind=found.kind,
        type=record.type,
        name=record.name,
        columns=list(found.columns),
        rows=[list(row) for row in found.rows],
        total_rows=found.total_rows,
        total_columns=found.total_columns,
        values=dict(found.values),
        text=found.text,
        content=address if found.media_type else None,
    )


def _content(artifact: StoredArtifact) -> Content:
    path = _file(artifact)
    return Content() if path is None else content(path)


def raw(artifact: StoredArtifact) -> Raw:
    """The file of an artifact, if a browser can show it."""
    path = _file(artifact)
    media = media_type(path) if path is not None else None
    if path is None or media is None:
        raise not_found(f"{artifact.record.name} is nothing that a browser shows.")
    if path.stat().st_size > _FILE_BYTES:
        raise RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"{artifact.record.name} is too large to show."
        )
    return Raw(path.read_bytes(), media if media.startswith("image/") else f"{media}; charset=utf-8")


def _file(artifact: StoredArtifact) -> Path | None:
    try:
        path = artifact.path
    except JupyterKfpError as error:
        raise not_found(str(error)) from error
    return path if path.is_file() else None
