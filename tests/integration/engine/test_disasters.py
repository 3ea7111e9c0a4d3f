"""Steps that are killed or run out of memory, and a store that another process holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_kfp.engine import execute, launch
from jupyter_kfp.engine.launch import RunOptions
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store import database, location
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store
from tests.integration.engine.inline import Engine, engines_inline
from tests.unit.engine.building import pipeline, python, shell, task


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


def test_a_step_that_is_killed_fails_and_leaves_nothing(engine: Engine, home: Path) -> None:
    """It has written half of its artifact: there is none of it, and a retry makes it whole."""
    code = (
        "home = pathlib.Path(os.environ['JUPYTER_KFP_HOME'])\n"
        "place = pathlib.Path(path('data')); place.write_text('ha')\n"
        "if not (home / 'killed').exists():\n    (home / 'killed').touch(); os.kill(os.getpid(), 9)\n"
        "place.write_text('half' * 2)\n"
    )
    text = pipeline({"a": task(python(code), outputs={"data": "system.Dataset"})}, outputs={"data": "a:data"})
    first = engine.run(text)
    assert first.states == {"a": "FAILED"}
    assert "was ended by the signal SIGKILL, perhaps because memory ran out" in first.document["error"]
    record = engine.store.task(first.id, "a")
    assert (record.output_artifacts, record.attempts[0].exit_code) == ({}, -9)
    again = engine.go_on(first, failed_too=True)
    assert Path(again.artifact("a", "data").uri).read_text() == "halfhalf"
    assert again.outputs["data"]["uri"] == again.artifact("a", "data").uri


def test_a_step_without_memory_says_so(engine: Engine) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 28,) * 2); bytearray(1 << 30)"
    run = engine.run(pipeline({"a": task(python(code)), "b": task(shell("true"))}))
    assert run.states == {"a": "FAILED", "b": "SUCCEEDED"}
    assert "MemoryError" in run.document["error"]


LOCKER = (
    "import sqlite3\n"
    "home = pathlib.Path(os.environ['JUPYTER_KFP_HOME'])\n"
    "if not (home / 'locker').exists():\n"
    "    held = sqlite3.connect(home / 'store.sqlite', isolation_level=None); held.execute('BEGIN EXCLUSIVE')\n"
    "    (home / 'locker').write_text(str(os.getpid())); time.sleep(600)\n"
)
WAITER = 'while [ ! -s "$JUPYTER_KFP_HOME/locker" ]; do sleep 0.01; done'


def test_a_store_that_stays_locked_ends_the_run_and_its_steps(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    ended: list[int] = []

    def spawn(_store: Store, run_id: str, *, after: int = 0) -> Any:
        location.run_directory(run_id).mkdir(parents=True, exist_ok=True)
        ended.append(execute.execute(run_id))
        return launch.RunHandle(run_id, 0, after, None, None)  # type: ignore[arg-type]

    monkeypatch.setattr(launch, "_spawn", spawn)
    monkeypatch.setattr(execute, "adopt_orphans", lambda: None)
    tasks = {"locker": task(python(LOCKER)), "waiter": task(shell(WAITER))}
    options = RunOptions(runner=Runner.PROCESS, max_parallel=2)
    run_id = launch.start(pipeline(tasks), options=options).id
    assert ended == [1]
    assert "has been locked by another process" in capsys.readouterr().err
    locker = int((home / "locker").read_text())
    assert not psutil.pid_exists(locker) or psutil.Process(locker).status() == psutil.STATUS_ZOMBIE
    # What any reader does that finds the engine gone; this one is the test's own process.
    store.recorder(run_id).abandon()
    assert store.run(run_id).state is State.FAILED
    launch.resume(run_id)
    assert ended == [1, 0]
    assert set(store.states(run_id).values()) == {State.SUCCEEDED}
