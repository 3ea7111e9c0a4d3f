"""How the server misbehaves on request. A fault is JSON that is put at ``/_faults``."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request

LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    "<body><form method='post'><input name='login'></form></body></html>"
)


@dataclass
class Fault:
    """One way to misbehave.

    ``kind``: ``slow`` (``seconds``), ``silent``, ``drop`` (before the request has an effect), ``drop_after``
    (when it had one), ``status`` (``status``, ``retry_after``), ``login``, ``garbage`` (``body``).
    ``method`` and ``path`` (a part of it) choose requests; the first ``skip`` of them pass, the next
    ``times`` meet the fault (None: all).
    """

    kind: str
    method: str | None = None
    path: str = ""
    skip: int = 0
    times: int | None = None
    status: int = 500
    retry_after: str | None = None
    seconds: float = 0.0
    body: str = ""
    content_type: str = "application/json"

    def takes(self, method: str, path: str) -> bool:
        """Whether this request meets the fault; counts it."""
        if self.path not in path or self.method not in (None, method):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass
class Faults:
    """The faults there are, in the order they are tried."""

    active: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, faults: list[dict[str, Any]]) -> None:
        """Replace all."""
        with self._lock:
            self.active = [Fault(**fault) for fault in faults]

    def before(self) -> Response | None:
        """What to answer instead of the truth, or None."""
        fault = self._find(lambda f: f.kind != "drop_after")
        if fault is None:
            return None
        match fault.kind:
            case "slow":
                time.sleep(fault.seconds)
                return None
            case "silent":
                time.sleep(fault.seconds or 60)
                return _cut()
            case "drop":
                return _cut()
            case "login":
                return Response(LOGIN_PAGE, 200, mimetype="text/html")
            case "garbage":
                return Response(fault.body, fault.status, content_type=fault.content_type)
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        body = fault.body or '{"code": 13, "message": "injected"}'
        return Response(body, fault.status, headers=headers, content_type=fault.content_type)

    def after(self, response: Response) -> Response:
        """Cut the connection where asked to, after the request had its effect."""
        return _cut() if self._find(lambda f: f.kind == "drop_after") else response

    def _find(self, wanted: Any) -> Fault | None:
        with self._lock:
            for fault in self.active:
                if wanted(fault) and fault.takes(request.method, request.path):
                    return fault
        return None


def _cut() -> Response:
    """Close the connection without an answer."""
    connection = request.environ["werkzeug.socket"]
    connection.shutdown(2)
    return Response("", 500)
