"""What is forbidden here is forbidden in what is sent, and in containers of here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_kfp.api import load
from jupyter_kfp.engine.containers.attempt import ContainerAttempt
from jupyter_kfp.remote import package
from jupyter_kfp.remote.profile import make
from jupyter_kfp.remote.submit import prepared


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("nb") / "nb.ipynb"
    sources = ["%%component one --env MODE=fast\nx = 1", "%%component two --pickle off\ny = 2"]
    cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    return load(path).compile()


def variables(sent: package.Package) -> list[dict[str, str]]:
    executors = sent.spec["deploymentSpec"]["executors"]
    return [
        {v["name"]: v["value"] for v in e["container"].get("env", ())} for _, e in sorted(executors.items())
    ]


def test_what_is_sent(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = make("p", endpoint="http://localhost")
    off = {"JUPYTER_KFP_NO_PICKLE": "1"}
    assert variables(prepared(package.read(text), profile)) == [{"MODE": "fast"}, off]
    monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
    for cache in (True, False):
        assert variables(prepared(package.read(text), profile, cache=cache)) == [{"MODE": "fast"} | off, off]


def test_what_a_container_gets(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = package.read(text).plan
    attempt: Any = ContainerAttempt.__new__(ContainerAttempt)
    attempt._context = SimpleNamespace(source=tmp_path, secrets={})
    attempt._component = SimpleNamespace(executor="exec-one")
    attempt._executor = plan.executors["exec-one"]
    assert "JUPYTER_KFP_NO_PICKLE" not in attempt._variables(None)
    monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
    assert attempt._variables(None)["JUPYTER_KFP_NO_PICKLE"] == "1"
