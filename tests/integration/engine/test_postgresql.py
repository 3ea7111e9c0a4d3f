"""Runs whose store is a PostgreSQL server: many at once, ended, killed, and bereft of the server for a while."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.result import document
from jupyter_kfp.store.database import ConnectionLostError, Database
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store, open_store
from tests.integration.engine.crashing import orphans
from tests.integration.engine.inline import engines_inline
from tests.integration.engine.test_ending import eventually
from tests.postgresql import Server
from tests.unit.engine.building import pipeline, shell, task

RUNS = 20
# Two steps at the same time and one that reads both. Values and an artifact.
SMALL = pipeline(
    {
        "double": task(
            shell('echo $(($0 * 2)) > "$1"', "{{$.inputs.parameters['n']}}", "{{$.outputs.parameters['m'].output_file}}"),
            inputs={"n": "$n"},
            outputs={"m": "NUMBER_INTEGER"},
        ),
        "write": task(
            shell('echo "$0" > "$1"', "{{$.inputs.parameters['n']}}", "{{$.outputs.artifacts['data'].path}}"),
            inputs={"n": "$n"},
            outputs={"data": "system.Dataset"},
        ),
        "both": task(
            shell('cat "$1" > "$2"; [ $0 -gt 0 ]', "{{$.inputs.parameters['m']}}",
                  "{{$.inputs.artifacts['data'].path}}", "{{$.outputs.parameters['n'].output_file}}"),
            inputs={"m": "double.m", "data": "write:data"},
            outputs={"n": "NUMBER_INTEGER"},
        ),
    },
    parameters={"n": ("NUMBER_INTEGER", 1)},
    outputs={"m": "double.m", "n": "both.n"},
)  # fmt: skip
# The first step is executed once and says so; the second waits for a file.
WAITING = pipeline(
    {
        "first": task(shell('echo once >> "$JUPYTER_KFP_HOME/first"')),
        "second": task(
            shell(
                'touch "$JUPYTER_KFP_HOME/waits"; while [ ! -e "$JUPYTER_KFP_HOME/go" ]; do sleep 0.05; done'
            ),
            after=("first",),
        ),
        "third": task(shell('echo once >> "$JUPYTER_KFP_HOME/third"'), after=("second",)),
    }
)


@pytest.fixture
def store(home: Path, postgresql_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("JUPYTER_KFP_STORE_URL", postgresql_server.database())
    opened = open_store()
    yield opened
    opened.close()


def test_twenty_engines_at_once_lose_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "ir.yaml").write_text(SMALL)
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.engine.crowd", str(tmp_path / "ir.yaml"), str(RUNS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ids = done.stdout.split()
    assert len({store.run(run_id).pid for run_id in ids}) == len(set(ids)) == RUNS
    steps = ["double", "write", "both"]
    for number, run_id in enumerate(ids, 1):
        assert store.run(run_id).state is State.SUCCEEDED
        found = document(store, run_id)
        assert found["outputs"] == {"m": 2 * number, "n": number}
        told = {each["path"]: (each["state"], each["attempts"]) for each in found["tasks"]}
        assert told == dict.fromkeys(steps, ("SUCCEEDED", 1))
        # The whole history, in order.
        history = store.events(run_id)
        assert [event.state for event in history if event.kind == "run"] == [
            State.PENDING, State.RUNNING, State.SUCCEEDED
        ]  # fmt: skip
        for step in steps:
            assert [event.state for event in history if event.task == step] == [
                State.RUNNING,
                State.SUCCEEDED,
            ]
    assert len(store.runs()) == RUNS + 1, "and the one that loaded everything"


def test_a_run_is_canceled_through_it(store: Store, home: Path) -> None:
    handle = launch.start(WAITING)
    assert eventually((home / "waits").exists, 60)
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED
    assert store.states(handle.id)["second"] is State.CANCELED
    assert not (home / "third").exists()


def test_a_killed_engine_leaves_a_run_that_goes_on(store: Store, home: Path) -> None:
    handle = launch.start(WAITING)
    assert eventually((home / "waits").exists, 60)
    os.kill(handle.pid, signal.SIGKILL)
    record = launch.wait(handle)
    assert (record.state, record.interrupted) == (State.FAILED, True)
    (home / "go").touch()
    assert launch.wait(launch.resume(handle.id)).state is State.SUCCEEDED
    assert (home / "first").read_text() == (home / "third").read_text() == "once\n"


def test_a_run_outlives_a_restart_of_the_server(store: Store, home: Path, postgresql_server: Server) -> None:
    handle = launch.start(WAITING)
    assert eventually((home / "waits").exists, 60)
    postgresql_server.stop()
    try:
        # The second step ends while there is no server to tell.
        (home / "go").touch()
        assert eventually(lambda: not orphans([f"{handle.id}/second/"]), 60)
    finally:
        postgresql_server.start()
    assert launch.wait(handle).state is State.SUCCEEDED
    assert set(store.states(handle.id).values()) == {State.SUCCEEDED}
    assert (home / "first").read_text() == (home / "third").read_text() == "once\n"


@pytest.mark.parametrize("commit", [1, 2, 3, 4])
@pytest.mark.parametrize("is_kept", [False, True])
def test_a_connection_lost_within_a_transaction_costs_no_finished_task(
    store: Store,
    home: Path,
    postgresql_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    commit: int,
    is_kept: bool,
) -> None:
    """``is_kept``: the server has kept the transaction, and its answer was lost."""
    text = pipeline(
        {
            name: task(shell(f'echo {name} >> "$JUPYTER_KFP_HOME/executed"'), after=after)
            for name, after in {"a": (), "b": ("a",), "c": ("b",)}.items()
        }
    )
    name = os.environ["JUPYTER_KFP_STORE_URL"].rpartition("/")[2]
    original, done = Database.writing, 0

    @contextmanager
    def writing(self: Database) -> Iterator[Any]:
        nonlocal done
        done += 1
        mine = done
        with original(self) as session:
            yield session
            if mine == lost and not is_kept:
                session.flush()
                postgresql_server.sql(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                )
        if mine == lost and is_kept:
            raise ConnectionLostError("The answer was lost.")

    with engines_inline(monkeypatch):
        lost = -1
        monkeypatch.setattr(Database, "writing", writing)
        spawn = launch._spawn

        def counted(*arguments: Any, **more: Any) -> Any:
            nonlocal lost
            lost = done + commit  # of the engine's own
            return spawn(*arguments, **more)

        monkeypatch.setattr(launch, "_spawn", counted)
        run = launch.start(text)
    found = store.run(run.id)
    assert (found.state, found.interrupted) == (State.SUCCEEDED, False), found.failure
    assert set(store.states(run.id).values()) == {State.SUCCEEDED}
    executed = (home / "executed").read_text().split()
    assert list(dict.fromkeys(executed)) == ["a", "b", "c"]
    assert len(executed) <= 4, "no more than what was being written is executed again"
    told = [event.message for event in store.events(run.id) if event.kind == "run"]
    assert "The connection to the store was lost while its state was written." in told
