"""What seems to be a secret is refused over HTTP, too, and not said again."""

from __future__ import annotations

import json
from collections.abc import Callable

from jupyter_kfp.store.store import open_store
from tests.integration.server.conftest import Ask
from tests.planted import credentials

TOKEN = credentials()["github"]


async def test_in_notebooks_and_parameters(ask: Ask, write: Callable[..., str]) -> None:
    path = write(("x = 1", "step:a"), (f"y = 2\ntoken = '{TOKEN}'", "step:b"))
    for operation, expected in (("preview", 200), ("compile", 422), ("runs", 422)):
        status, answer = await ask("POST", operation, {"path": path})
        assert status == expected
        found = answer["findings" if operation == "preview" else "diagnostics"]
        assert [(d["code"], d["cell"], d["line"]) for d in found] == [("K306", 1, 2)]
        assert TOKEN not in json.dumps([found, answer.get("message")])

    path = write(("text: str = ''", "parameters"), ("x = text", "step:a"))
    status, answer = await ask("POST", "runs", {"path": path, "parameters": {"text": TOKEN}})
    assert status == 400
    assert "The value of the parameter 'text' seems to be a secret (GitHub Token)" in answer["message"]
    assert TOKEN not in json.dumps(answer)
    store = open_store()
    assert store.runs() == []
    store.close()
