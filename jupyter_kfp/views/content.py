"""What an artifact holds, to look at: a table's first rows, metrics, text, a page or an image.

Told by the content alone, as browsers guess it: the files of artifacts have no suffix. Nothing here executes or
unpickles what a step has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

_ROWS, _COLUMNS, _CELL, _TEXT_BYTES = 100, 200, 1000, 100_000
METRICS = frozenset({"system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics"})
_OF_SERIALIZER = frozenset({"python_type", "serializer", "sha256", "object", "shares", "unbound", "size"})
_PAGES = ("<!doctype html", "<html", "<img ", "<div", "<table")


@dataclass(frozen=True, slots=True)
class Content:
    """What can be shown: ``rows`` of a table, ``values`` of metrics, ``text``, or a file of a ``media_type``.

    ``total_rows`` and ``total_columns``: how many the table has, of which these are the first.
    """

    kind: Literal["table", "metrics", "text", "html", "image", "none"] = "none"
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    total_rows: int | None = None
    total_columns: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    media_type: str | None = None


def metrics(metadata: Mapping[str, Any]) -> Content:
    """The values that a Metrics artifact keeps in its metadata."""
    values = {name: value for name, value in metadata.items() if name not in _OF_SERIALIZER}
    return Content("metrics", values=values)


def content(path: Path) -> Content:
    """What the file of an artifact holds. Raises OSError if it cannot be read."""
    head = _head(path)
    if head[:4] == b"PAR1":
        return _table(path)
    media = _media_type(head)
    if media is None:
        return Content()
    if media == "text/plain":
        return Content("text", text=head.decode("utf-8", "replace"), media_type=media)
    return Content("html" if media == "text/html" else "image", media_type=media)


def media_type(path: Path) -> str | None:
    """The type of a file that a browser can show, else None."""
    return _media_type(_head(path))


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_TEXT_BYTES)


def _media_type(head: bytes) -> str | None:
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    # What was cut in the middle of a character is still text.
    text = head.decode("utf-8", "ignore")
    if b"\0" in head or len(text.encode()) < len(head) - 3:
        return None
    start = text.lstrip()[:200].lower()
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in start):
        return "image/svg+xml"
    return "text/html" if start.startswith(_PAGES) else "text/plain"


def _table(path: Path) -> Content:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:  # who looks need not have what the steps have
        return Content()
    try:
        # Mapped, and of a wide table the first columns only: what is read is bounded, however large the file is.
        with parquet.ParquetFile(path, memory_map=True) as file:
            total = int(file.metadata.num_rows)
            names = [str(name) for name in file.schema_arrow.names]
            columns = tuple(names[:_COLUMNS])
            batch = next(file.iter_batches(batch_size=_ROWS, columns=list(columns)), None)
    except ArrowException:  # damaged
        return Content()
    rows = () if batch is None else tuple(tuple(map(_shown, row.values())) for row in batch.to_pylist())
    return Content("table", columns, rows, total, len(names))


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
