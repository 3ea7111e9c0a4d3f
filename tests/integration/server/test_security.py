"""Who may ask, and what is refused before anything is done."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer
from tornado.httpclient import HTTPClientError, HTTPResponse

from jupyter_kfp.server import handlers, openapi
from jupyter_kfp.server.routes import OPERATIONS, Operation
from tests.integration.server.conftest import Ask

Fetch = Callable[..., Awaitable[HTTPResponse]]


def _url(operation: Operation) -> str:
    return operation.path.format(run_id="r", task="t", port="p", schedule_id="s").lstrip("/")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_nobody_is_served_unknown(operation: Operation, jp_fetch: Fetch) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(
            "jupyter-kfp",
            *_url(operation).split("/"),
            method=operation.method,
            body=b"{}" if operation.body else None,
            headers={"Authorization": "token wrong"},
            allow_nonstandard_methods=True,
        )
    assert refused.value.code == 403
    assert refused.value.response is not None
    assert json.loads(refused.value.response.body)["code"] == "forbidden"


class Nobody(Authorizer):
    """Allows nothing, and remembers what it was asked."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        self.asked = (action, resource)
        return False


async def test_permission_on_the_resource_is_needed(ask: Ask, jp_serverapp: Any) -> None:
    nobody = Nobody(parent=jp_serverapp)
    jp_serverapp.web_app.settings["authorizer"] = nobody
    assert (await ask("GET", "runs"))[0] == 403
    assert nobody.asked == ("read", "jupyter_kfp")
    assert (await ask("POST", "preview", {"path": "a.ipynb"}))[0] == 403
    assert nobody.asked == ("write", "jupyter_kfp")
    assert (await ask("GET", "openapi.json"))[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "../secret.ipynb",
        "a/../../secret.ipynb",
        "/../secret.ipynb",
        "..\\secret.ipynb",
        "link/secret.ipynb",
        ".hidden.ipynb",
    ],
)
async def test_paths_stay_below_the_root(path: str, ask: Ask, jp_root_dir: Path, tmp_path: Path) -> None:
    outside = jp_root_dir.parent
    for place in (outside / "secret.ipynb", jp_root_dir / ".hidden.ipynb"):
        place.write_text('{"nbformat": 4, "cells": [], "metadata": {}}', encoding="utf-8")
    (jp_root_dir / "link").symlink_to(outside)
    bodies = {"preview": {}, "compile": {}, "runs": {}, "submit": {}, "schedules": {"cron": "@daily"}}
    for operation, more in bodies.items():
        status, answer = await ask("POST", operation, {"path": path, **more})
        assert (status, answer["code"]) == (404, "not_found"), operation
    (jp_root_dir / "good.ipynb").write_text('{"nbformat": 4, "cells": [], "metadata": {}}', encoding="utf-8")
    target = path.replace("ipynb", "yaml")
    assert (await ask("POST", "compile", {"path": "good.ipynb", "output": target}))[0] == 404
    assert not (outside / "secret.yaml").exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"path": 3}',
        b'{"path": ""}',
        b'{"path": "a.ipynb", "extra": 1}',
        b'{"path": "a\\u0000.ipynb"}',
        b'{"path": "\\ud800.ipynb"}',
        b'{"path": "a.ipynb", "content": {"x": NaN}}',
        b'{"path": "a.ipynb", "content": ' + b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=range(12),
)
async def test_malformed_bodies_are_refused(raw: bytes, ask: Ask) -> None:
    status, answer = await ask("POST", "preview", raw=raw)
    assert (status, answer["code"]) == (400, "malformed")
    assert answer["message"]


async def test_oversized_bodies_are_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "LARGEST_BODY", 1000)
    status, answer = await ask("POST", "preview", raw=b" " * 1001)
    assert (status, answer["code"]) == (413, "too_large")


async def test_what_there_is_not(ask: Ask) -> None:
    assert (await ask("GET", "runs/unknown"))[0] == 404
    assert (await ask("GET", "runs/unknown/tasks/t/artifacts/p"))[0] == 404
    assert (await ask("GET", "compare", params={"before": "unknown", "after": "unknown"}))[0] == 404
    assert (await ask("GET", "runs/unknown/artifacts"))[0] == 404
    assert (await ask("POST", "runs/unknown/resume"))[0] == 404
    assert (await ask("GET", "runs", params={"limit": "0"}))[0] == 400
    assert (await ask("GET", "runs", params={"of": "me"}))[0] == 400
    assert (await ask("GET", "runs", params={"1795277684765": ""}))[0] == 200  # as JupyterLab asks
    assert (await ask("DELETE", "runs"))[0] == 405
    assert (await ask("POST", "trigger", {"pin": "no pin"}))[1]["code"] == "malformed"
    assert (await ask("POST", "trigger", {"pin": "p/v"}))[1]["code"] == "wrong_use"  # no cluster is known
    assert (await ask("GET", "profiles"))[1] == {"profiles": [], "default": None}


async def test_the_document_tells_of_every_operation(ask: Ask) -> None:
    status, served = await ask("GET", "openapi.json")
    assert (status, served) == (200, json.loads(json.dumps(openapi.document())))
    told = {(m.upper(), path) for path, methods in served["paths"].items() for m in methods}
    assert told == {(one.method, f"/jupyter-kfp{one.path}") for one in OPERATIONS}
    ids = [m["operationId"] for methods in served["paths"].values() for m in methods.values()]
    assert len(ids) == len(set(ids))
