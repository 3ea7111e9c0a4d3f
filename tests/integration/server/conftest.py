"""A Jupyter server with the extension, in this process, with a root and a store of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures and hooks, for these tests only
from tornado.httpclient import HTTPResponse

from jupyter_kfp.store.store import open_store
from tests.e2e.conftest import document

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "kfp"))
    open_store().close()
    return tmp_path / "kfp"


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"jupyter_kfp.server": True}}}


@pytest.fixture
def ask(jp_fetch: Callable[..., Awaitable[HTTPResponse]]) -> Ask:
    """``await ask("POST", "preview", {...})`` → status and the JSON of the answer."""

    async def ask_it(
        method: str, path: str, body: Any = None, *, params: Any = None, raw: bytes | None = None
    ) -> tuple[int, Any]:
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        got = await jp_fetch(
            "jupyter-kfp",
            *path.split("/"),
            method=method,
            body=data if method == "GET" else data or b"",
            params=params or {},
            allow_nonstandard_methods=True,
            raise_error=False,
            request_timeout=100,
        )
        return got.code, json.loads(got.body)

    return ask_it


@pytest.fixture
def write(jp_root_dir: Path) -> Callable[..., str]:
    """Writes a notebook below the server's root and gives its path there."""

    def write_it(*cells: Any, name: str = "notebook.ipynb") -> str:
        (jp_root_dir / name).write_text(json.dumps(document(*cells)), encoding="utf-8")
        return name

    return write_it


async def ended(ask: Ask, run_id: str) -> Any:
    """The run once it has ended, as the server's own answers tell it."""
    while True:
        status, run = await ask("GET", f"runs/{run_id}")
        assert status == 200, run
        if run["state"] not in ("PENDING", "RUNNING"):
            return run
        await asyncio.sleep(0.2)
