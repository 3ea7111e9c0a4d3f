"""KFP parameters: JSON values with a declared Python type, on their way in and out.

Locally NaN, infinities and integers above 2**53 travel as Python's JSON has them; a cluster's
protobuf numbers are doubles, which have none of the integers and no place for the others.
"""

from __future__ import annotations

import json
from typing import Any

from .fingerprint import fingerprint, kinds


def _split(declared: str) -> tuple[str, str]:
    """``"dict[str, float]"`` as ``("dict", "float")``; the second is empty for any items."""
    kind, _, items = declared.partition("[")
    return kind, items[:-1].rpartition(" ")[2]


def coerce(value: Any, declared: str) -> Any:
    """A parameter as KFP hands it over, as the declared type: protobuf knows no integers."""
    kind, items = _split(declared)
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "float" and type(value) is int:
        return float(value)
    if items and isinstance(value, list):
        return [coerce(v, items) for v in value]
    if items and isinstance(value, dict):
        return {k: coerce(v, items) for k, v in value.items()}
    return value


LARGEST = 64_000  # characters; Linux takes 128 KiB in one argument, which holds all parameters of a step


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python number, text or bool it is; anything else unchanged."""
    return value.item() if "numpy.generic" in kinds(value) else value


def check(value: Any, declared: str) -> Any:
    """``value`` as it may travel under the declared type. Raises TypeError with the reason if it may not."""
    kind, items = _split(declared)
    value = plain(value)
    if kind != "int":
        value = coerce(value, declared)
    if type(value).__name__ != kind:
        raise TypeError(f"it is {type(value).__name__} {value!r:.40}")
    if kind in ("list", "dict"):
        try:
            same = fingerprint(json.loads(json.dumps(value))) == fingerprint(value)
        except (TypeError, ValueError):
            same = False
        if not same:
            raise TypeError("JSON cannot give it back exactly")
        for item in (value if kind == "list" else value.values()) if items else ():
            check(item, items)
    if kind not in ("int", "float", "bool") and len(json.dumps(value)) > LARGEST:
        raise TypeError(f"it takes more than {LARGEST // 1000} kB as text, and travels in a command line")
    return value
