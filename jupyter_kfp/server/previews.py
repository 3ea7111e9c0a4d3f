"""Artifacts to look at in a browser. Nothing here executes or unpickles what a step has left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.server.answers import ArtifactPreview
from jupyter_kfp.server.errors import RequestError, not_found

if TYPE_CHECKING:
    from jupyter_kfp.runs import StoredArtifact

_ROWS, _TEXT_BYTES, _FILE_BYTES = 100, 100_000, 50_000_000
_METRICS = frozenset({"system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics"})
_OF_SERIALIZER = frozenset({"python_type", "serializer", "sha256", "object", "shares", "unbound", "size"})
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
    known = {"type": record.type, "name": record.name}
    if record.type in _METRICS:
        values = {name: value for name, value in record.metadata.items() if name not in _OF_SERIALIZER}
        return ArtifactPreview(kind="metrics", values=values, **known)
    path = _file(artifact)
    if path is None:
        return ArtifactPreview(kind="none", **known)
    head = _head(path)
    if head[:4] == b"PAR1":
        return _table(path, known)
    media = _media_type(head)
    if media == "text/plain":
        return ArtifactPreview(kind="text", text=head.decode("utf-8", "replace"), content=address, **known)
    if media is None:
        return ArtifactPreview(kind="none", **known)
    return ArtifactPreview(kind="html" if media == "text/html" else "image", content=address, **known)


def raw(artifact: StoredArtifact) -> Raw:
    """The file of an artifact, if a browser can show it."""
    path = _file(artifact)
    media = _media_type(_head(path)) if path is not None else None
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


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_TEXT_BYTES)


def _media_type(head: bytes) -> str | None:
    """By the content, as browsers would guess it: names of artifacts have no suffix."""
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    # What was cut in the middle of a character is still text.
    text = head.decode("utf-8", "ignore")
    if b"\0" in head or len(text.encode()) < len(head) - 3:
        return None
    start = text.lstrip()[:200].lower()
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in start):
        return "image/svg+xml"
    return (
        "text/html"
        if start.startswith(("<!doctype html", "<html", "<img ", "<div", "<table"))
        else "text/plain"
    )


def _table(path: Path, known: Mapping[str, str]) -> ArtifactPreview:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:  # the server need not have what the steps have
        return ArtifactPreview(kind="none", **known)
    try:
        with parquet.ParquetFile(path) as file:
            total = int(file.metadata.num_rows)
            batch = next(file.iter_batches(batch_size=_ROWS), None)
            columns = [str(name) for name in file.schema_arrow.names]
    except ArrowException:  # damaged
        return ArtifactPreview(kind="none", **known)
    rows = [] if batch is None else [[_shown(value) for value in row.values()] for row in batch.to_pylist()]
    return ArtifactPreview(kind="table", columns=columns, rows=rows, total_rows=total, **known)


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
