"""Reading what is to be shown: mappings (JSON documents) and records alike, times and sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any


def get(thing: Any, *names: str) -> Any:
    """The first of ``names`` that ``thing`` has, as a key or an attribute, and that is not None."""
    for name in names:
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value is not None:
            return value
    return None


def moment(value: object) -> datetime | None:
    """``value`` as a time: a datetime (without zone: UTC), an ISO string, or seconds since the epoch."""
    match value:
        case datetime():
            return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        case str() if value:
            # Python 3.10 does not read "Z".
            return moment(datetime.fromisoformat(value.replace("Z", "+00:00")))
        case int() | float():
            return datetime.fromtimestamp(value, timezone.utc)
        case _:
            return None


def elapsed(start: object, end: object) -> float | None:
    """The seconds between two moments; None where one is missing."""
    first, last = moment(start), moment(end)
    return max(0.0, (last - first).total_seconds()) if first and last else None


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def brief(value: object, longest: int = 60) -> str:
    """An output on one line: a parameter's value, or an artifact's type and where it is.

    An artifact is a mapping ``{"uri", "type", "metadata"}``, as in the document of `run --json`.
    """
    if isinstance(value, Mapping) and {"uri", "type"} <= value.keys():
        rows = (value.get("metadata") or {}).get("rows")
        size = f" ({rows} rows)" if rows is not None else ""
        return f"{str(value['type']).removeprefix('system.')}{size} {value['uri']}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def counted(count: int, word: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{count} {word}" + ("" if count == 1 else "s")
