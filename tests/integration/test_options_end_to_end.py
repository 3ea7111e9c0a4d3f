"""Every option of the schema on this machine: honoured by a real run, or named once when it starts."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.api import Run, load
from jupyter_kfp.compiler.names import CACHE_TTL_VARIABLE, NO_PICKLE_VARIABLE
from jupyter_kfp.options import PipelineOptions, StepOptions
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import open_store

AFFINITY = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}}  # fmt: skip
# What a process of this machine makes true.
HONOURED: dict[str, Any] = {
    "packages": ["papermill"],
    "retries": 2,
    "backoff": "2s",
    "backoff_factor": 1.5,
    "backoff_max": "3s",
    "timeout": "5m",
    "pickle": "off",
    "env": {"GREETING": "it's $HOME"},
    "secret": [
        {"name": "db", "key": "password", "env": "DB_PASSWORD"},
        {"name": "certificates", "mount_path": "/etc/secret"},
    ],
    "configmap": [
        {"name": "conf", "key": "mode", "env": "MODE"},
        {"name": "settings", "mount_path": "/etc/conf"},
    ],
    "cache": "24h",
    "cache_key": "k",
    "display_name": "All of it",
    "outputs": {"seen": "dict"},
}
# option -> (what is given, what the warning calls it)
NAMED: dict[str, tuple[Any, str]] = {
    "image": ("me/train:1", "image me/train:1"),
    "cpu": ("2", "cpu"),
    "memory": ("4G", "memory"),
    "cpu_request": ("1", "cpu"),  # one word for both
    "memory_request": ("2G", "memory"),
    "gpu": (1, "gpu"),
    "accelerator": ("amd.com/gpu", "gpu"),
    "volume": ("claim=/data", "volume"),
    "empty_dir": ("/scratch:1Gi", "empty_dir"),
    "shm": ("1Gi", "shm"),
    "node_selector": ({"disk": "ssd"}, "node_selector"),
    "tolerations": ("spot", "tolerations"),
    "affinity": (AFFINITY, "affinity"),
    "labels": ({"a": "b"}, "labels"),
    "annotations": ({"a": "b"}, "annotations"),
    "image_pull_secret": ("regcred", "image_pull_secret"),
    "service_account": ("trainer", "service_account"),
}
# Files are for a cluster to mount.
PARTLY = ("secret (as files)", "configmap (as files)")
PIPELINE = {"name": "options", "description": "All.", "experiment": "e"}
NAMED_OF_THE_PIPELINE = {"experiment", "service_account"}

CODE = f"""
import os
tries = "{{tries}}"
with open(tries, "a") as file:
    file.write("x")
assert os.path.getsize(tries) > 1, "the first try fails"
variables = ("GREETING", "MODE", "{CACHE_TTL_VARIABLE}", "{NO_PICKLE_VARIABLE}")
seen = {{{{name: os.environ[name] for name in variables}}}}
password_length: int = len(os.environ["DB_PASSWORD"])
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    for name in ("DB_PASSWORD", "password"):
        monkeypatch.delenv(name, raising=False)


def written(directory: Path, *cells: tuple[str, list[str], dict[str, Any]], **kfp: Any) -> Path:
    """A notebook of code cells, each with its tags and its ``kfp`` metadata."""
    document = {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {"kfp": kfp},
        "cells": [
            {
                "cell_type": "code",
                "source": source,
                "metadata": {"tags": tags, "kfp": options},
                "outputs": [],
                "execution_count": None,
            }
            for source, tags, options in cells
        ],
    }
    path = directory / "options.ipynb"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def warnings(run: Run) -> list[str]:
    store = open_store()
    try:
        return [event.message for event in store.events(run.id) if event.kind == "warning"]
    finally:
        store.close()


def attempts(run: Run, task: str) -> Any:
    store = open_store()
    try:
        return store.task(run.id, task).attempts
    finally:
        store.close()


def test_every_option_is_accounted_for() -> None:
    assert {*HONOURED, *NAMED} == set(StepOptions.model_fields)
    root = {"pipeline_root", "service_account"}  # where artifacts go is tested with the engine
    assert {*PIPELINE, *root} == set(PipelineOptions.model_fields)


def test_a_step_with_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "fast")
    (tmp_path / ".env").write_text("DB_PASSWORD='hunter2 of file'\n")
    given = {**HONOURED, **{option: value for option, (value, _) in NAMED.items()}}
    path = written(
        tmp_path,
        (CODE.format(tries=tmp_path / "tries"), ["step:everything"], given),
        ("seen\npassword_length", ["outputs"], {}),
        **PIPELINE,
    )
    run = load(path).run()
    assert run.state is State.SUCCEEDED, run.error
    # Honoured: env, secrets of .env, ConfigMaps of the environment, outputs, and the retries with their waits.
    from_options = {CACHE_TTL_VARIABLE: "86400", NO_PICKLE_VARIABLE: "1"}
    assert run.outputs["seen"] == {"GREETING": "it's $HOME", "MODE": "fast", **from_options}
    assert run.outputs["password_length"] == len("hunter2 of file")
    tried = attempts(run, "everything")
    assert [attempt.state for attempt in tried] == [State.FAILED, State.SUCCEEDED]
    assert [(b.started_at - a.ended_at).total_seconds() >= 2 for a, b in pairwise(tried)] == [True]
    # Everything else is named, once.
    (warning,) = warnings(run)
    told = re.fullmatch(
        r"These options have no effect on a process of this machine: everything: (.*); the pipeline: (.*)\.",
        warning,
    )
    assert told is not None, warning
    of_the_step = sorted({name for option, (_, name) in NAMED.items() if option not in NAMED_OF_THE_PIPELINE})
    assert sorted(told[1].split(", ")) == sorted([*of_the_step, *PARTLY])
    assert told[2].split(", ") == sorted(NAMED_OF_THE_PIPELINE)


def test_a_timeout_ends_the_step_and_is_tried_again_as_often_as_asked(tmp_path: Path) -> None:
    source = "import time\ntime.sleep(600)"
    path = written(tmp_path, (source, ["step:slow"], {"timeout": "1s", "retries": 1}))
    run = load(path).run()
    assert run.state is State.FAILED
    assert "longer than its timeout of 1 seconds" in (run.error or "")
    assert len(attempts(run, "slow")) == 2
    assert warnings(run) == []
