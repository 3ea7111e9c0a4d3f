"""Runs whose engine is this process: no start-up, for tests of what the engine decides."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jupyter_kfp.engine import execute, launch
from jupyter_kfp.engine.launch import RunOptions
from jupyter_kfp.engine.result import document
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store import location
from jupyter_kfp.store.records import RunRecord
from jupyter_kfp.store.store import Store


@contextmanager
def engines_inline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have `launch` execute runs here, to their end."""

    def spawn(store: Store, run_id: str, *, after: int = 0) -> Any:
        location.run_directory(run_id).mkdir(parents=True, exist_ok=True)
        assert execute.execute(run_id) == 0
        return launch.RunHandle(run_id, os.getpid(), after, None, None)  # type: ignore[arg-type]

    monkeypatch.setattr(launch, "_spawn", spawn)
    monkeypatch.setattr(
        execute, "adopt_orphans", lambda: None
    )  # the tests' own processes are not the engine's
    monkeypatch.delenv("JUPYTER_KFP_CACHE")
    yield


class Engine:
    """Starts runs, lets them go on, and tells what came of them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def run(self, ir: str, values: dict[str, Any] | None = None, **options: Any) -> Told:
        return self.told(launch.start(ir, values, options=RunOptions(runner=Runner.PROCESS, **options)).id)

    def go_on(self, run: Told, *, failed_too: bool = False) -> Told:
        return self.told(launch.resume(run.id, failed_too=failed_too).id)

    def told(self, run_id: str) -> Told:
        return Told(self.store.run(run_id), document(self.store, run_id), self.store)


class Told:
    """A run that has ended."""

    def __init__(self, record: RunRecord, told: dict[str, Any], store: Store) -> None:
        self.record, self.id, self.document, self.store = record, record.id, told, store

    @property
    def state(self) -> str:
        return self.record.state.value

    @property
    def outputs(self) -> dict[str, Any]:
        return dict(self.document["outputs"])

    @property
    def states(self) -> dict[str, str]:
        return {task["path"]: task["state"] for task in self.document["tasks"]}

    @property
    def attempts(self) -> dict[str, int]:
        return {task["path"]: task["attempts"] for task in self.document["tasks"]}

    def artifact(self, task: str, port: str) -> Any:
        return self.store.task(self.id, task).output_artifacts[port][0]
