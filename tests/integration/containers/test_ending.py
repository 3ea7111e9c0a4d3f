"""However a run ends, no container of it is left."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import psutil

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.containers import sweep
from jupyter_kfp.engine.containers.client import Engine
from jupyter_kfp.engine.launch import RunHandle, RunOptions
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store
from tests.integration.containers.conftest import containers_of
from tests.integration.containers.test_running import shell
from tests.integration.engine.test_ending import eventually
from tests.unit.engine.building import pipeline, task

POLITE = "trap 'echo asked; exit 9' TERM; echo ready; sleep 600 & wait"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


def start(store: Store, code: str, **config: Any) -> RunHandle:
    """A run whose only step is inside its container now."""
    ir = pipeline({"a": task(shell(code))}, kubernetes={"exec-a": config} if config else None)
    handle = launch.start(ir, options=RunOptions(runner=Runner.CONTAINER))
    assert eventually(lambda: "ready" in text(store, handle), seconds=120), text(store, handle)
    return handle


def text(store: Store, handle: RunHandle) -> str:
    found = store.tasks(handle.id)[0]
    return Path(found.log).read_text() if found.log and Path(found.log).exists() else ""


def test_cancel_asks_the_container_to_end(engine: Engine, home: Path, store: Store) -> None:
    handle = start(store, POLITE)
    names = containers_of(engine, handle.id)
    assert [name.strip("/") for name in names] == [f"jupyter-kfp-{handle.id}-a-1"]
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED
    assert text(store, handle).split() == ["ready", "asked"]
    assert not containers_of(engine, handle.id)


def test_a_timeout_ends_a_container_that_does_not_listen(engine: Engine, home: Path, store: Store) -> None:
    handle = start(store, STUBBORN, activeDeadlineSeconds=2)
    record = launch.wait(handle)
    assert record.state is State.FAILED
    assert "longer than its timeout of 2 seconds" in str(record.failure)
    assert not containers_of(engine, handle.id)


def test_a_killed_engines_container_is_removed(engine: Engine, home: Path, store: Store) -> None:
    handle = start(store, STUBBORN)
    os.kill(handle.pid, signal.SIGKILL)
    assert launch.wait(handle).state is State.FAILED
    assert eventually(lambda: not containers_of(engine, handle.id), seconds=60)


def test_what_an_unguarded_engine_left_is_removed_by_the_next(
    engine: Engine, home: Path, store: Store
) -> None:
    handle = start(store, STUBBORN)
    living = sweep.remove_orphans(engine, str(home))
    assert living == 0, "its engine lives"
    family = psutil.Process(handle.pid)
    for process in [*family.children(), family]:  # the guard first
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    launch.wait(handle)
    assert containers_of(engine, handle.id)
    again = launch.start(pipeline({"a": task(shell("true"))}), options=RunOptions(runner=Runner.CONTAINER))
    assert launch.wait(again).state is State.SUCCEEDED
    assert not containers_of(engine, handle.id)


def test_a_container_that_somebody_removes_is_a_failure(engine: Engine, home: Path, store: Store) -> None:
    handle = start(store, STUBBORN)
    with contextlib.closing(engine.client()) as client:
        sweep.discard(client, containers_of(engine, handle.id)[0].strip("/"))
    record = launch.wait(handle)
    assert record.state is State.FAILED
    message = str(record.failure)
    assert "was removed while it ran" in message or "SIGKILL" in message
