"""Lists as the API gives them: filtered, sorted, in pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
_OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQUALS": lambda a, b: a == b,
    "NOT_EQUALS": lambda a, b: a != b,
    "IS_SUBSTRING": lambda a, b: b in (a or ""),
    "IN": lambda a, b: a in b,
}


class BadQuery(Exception):
    """What KFP answers with code 3."""


def page(found: list[Body], query: dict[str, str], key: str) -> Body:
    """One page of ``found`` as the response of a list operation, under ``key``."""
    for predicate in _predicates(query.get("filter", "")):
        found = [body for body in found if _matches(body, predicate)]
    name, _, direction = query.get("sort_by", "created_at").partition(" ")
    found = sorted(found, key=lambda body: str(body.get(name, "")), reverse=direction == "desc")
    start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 0) or 20
    answer: Body = {key: found[start : start + size], "total_size": len(found)}
    if start + size < len(found):
        answer["next_page_token"] = str(start + size)
    return answer if found else {}


def _predicates(text: str) -> list[Body]:
    if not text:
        return []
    try:
        return list(json.loads(text).get("predicates", []))
    except ValueError as error:
        raise BadQuery(f"failed to parse filter {text!r}") from error


def _matches(body: Body, predicate: Body) -> bool:
    operation = _OPERATIONS.get(predicate.get("operation", ""))
    if operation is None:
        raise BadQuery(f"unknown operation {predicate.get('operation')!r}")
    value = predicate.get("string_value", predicate.get("string_values", {}).get("values"))
    return operation(body.get(predicate["key"]), value)
