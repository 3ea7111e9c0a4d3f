"""A server that takes OpenLineage events over HTTP, and holds each against the classes of openlineage-python."""

from __future__ import annotations

import json
import threading
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attr
from openlineage.client import event_v2, facet_v2

# Facets whose key is not the beginning of their class's name.
_NAMES = {"version": "DatasetVersion"}


class Received:
    """What has come so far. ``status``: what every request is answered with."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.status = 201
        self.requests = 0
        self.url = ""

    def told(self) -> list[tuple[str, str]]:
        """Type and job of each event."""
        return [(event["eventType"], event["job"]["name"]) for event in self.events]


@contextmanager
def receiving() -> Iterator[Received]:
    """A server on a port of its own."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests += 1
            if received.status < 400:
                received.events.append(json.loads(body))
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def facets() -> dict[str, type]:
    """Every class of a standard facet by the last part of its schema's URL."""
    modules = [module for module in vars(facet_v2).values() if isinstance(module, types.ModuleType)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {
        cls._get_schema().rpartition("/")[2]: cls
        for cls in found
        if issubclass(cls, facet_v2.BaseFacet) and cls._get_schema()
    }


def check(event: dict[str, Any]) -> None:
    """Raises AssertionError where an event has a field that the standard has not, lacks one, or has one of another type."""
    _check(event_v2.RunEvent, event, "event", ignored={"_skip_redact"})
    known = facets()
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for holder in holders:
        for key in ("facets", "inputFacets", "outputFacets"):
            for name, facet in (holder.get(key) or {}).items():
                title = facet["_schemaURL"].rpartition("/")[2]
                assert title in known, f"{name} is no standard facet"
                named = _NAMES.get(name, name.replace("_", ""))
                assert title.lower().startswith(named.lower()), f"{title} under the name {name}"
                _check(known[title], facet, name)


def _check(cls: type, value: dict[str, Any], where: str, ignored: typing.Collection[str] = ()) -> None:
    fields = {field.name: field for field in attr.fields(cls) if field.name not in ignored}
    hints = typing.get_type_hints(cls)
    assert not set(value) - set(fields), f"{where}: {set(value) - set(fields)}"
    for name, field in fields.items():
        if name not in value:
            assert field.default is not attr.NOTHING or "None" in str(field.type), f"{where} lacks {name}"
            continue
        assert _fits(value[name], hints[name], f"{where}.{name}"), f"{where}.{name}: {value[name]!r}"


def _fits(value: Any, hint: Any, where: str) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each, where) for each in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0], where) for item in value)
    if origin is dict:
        return isinstance(value, dict)  # of facets, which are checked by their own classes
    if attr.has(hint):
        _check(hint, value, where)
        return True
    if isinstance(hint, type) and hint.__module__.startswith("openlineage"):
        return value in [each.value for each in hint]  # type: ignore[attr-defined]  # an enum
    return isinstance(value, hint)
