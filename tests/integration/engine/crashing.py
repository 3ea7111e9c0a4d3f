"""Kill engines again and again: ``python -m tests.integration.engine.crashing IR SEED KILLS`` prints what came of it.

Every engine is a process of its own, a fork of this one (which has loaded everything), and dies of SIGKILL: some at
a transaction of the store, just before or after it is committed, others at any time. Then the run is resumed.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from jupyter_kfp.engine import execute, launch
from jupyter_kfp.engine.__main__ import main
from jupyter_kfp.engine.marks import MARK
from jupyter_kfp.engine.result import document
from jupyter_kfp.store import liveness, location
from jupyter_kfp.store.artifacts import content
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store, open_store

LONGEST = 0.3


@dataclasses.dataclass
class Plan:
    """How the next engine dies: at its ``commit``-th transaction (``before`` that is committed), or after a time."""

    commit: int = 0
    before: bool = False
    seconds: float | None = None


next_death = Plan()


def spawn(store: Store, run_id: str, *, after: int = 0) -> launch.RunHandle:
    """In place of `launch._spawn`: the engine is a fork of this process."""
    location.run_directory(run_id).mkdir(parents=True, exist_ok=True)
    store.close()  # a connection must not be in two processes
    log = launch.engine_log(run_id).open("ab")
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            if next_death.commit:
                die_at(next_death.commit, before=next_death.before)
            os._exit(main([run_id]))
        finally:
            os._exit(70)
    log.close()
    identity = liveness.process_id(pid)
    if identity is not None:
        store.recorder(run_id).set_process(identity)
    return launch.RunHandle(run_id, pid, after, None, None)  # type: ignore[arg-type]


def die_at(commit: int, *, before: bool) -> None:
    """Have this process kill itself at a transaction."""
    original, done = Database.writing, 0

    @contextmanager
    def writing(self: Database) -> Iterator[Any]:
        nonlocal done
        done += 1
        with original(self) as session:
            yield session
            if done == commit and before:
                session.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        if done == commit:
            os.kill(os.getpid(), signal.SIGKILL)

    Database.writing = writing  # type: ignore[method-assign]


def wait(pid: int) -> bool:
    """Wait for the engine to end, or kill it in time; whether it was killed."""
    if next_death.seconds is not None:
        time.sleep(next_death.seconds)
        os.kill(pid, signal.SIGKILL)
    _pid, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, status
    return os.WIFSIGNALED(status)


def finished(run_id: str) -> dict[str, Any]:
    """What must not change any more: the tasks that have ended, with all their attempts."""
    store = open_store()
    try:
        return {
            task.path: (task.state, task.ended_at, len(task.attempts), task.output_parameters)
            for task in store.tasks(run_id)
            if task.state is State.SUCCEEDED
        }
    finally:
        store.close()


def complete(text: str, chance: random.Random, kills: int) -> dict[str, Any]:
    """One run to its end, through no more than so many kills."""
    global next_death  # noqa: PLW0603 (the fork is to see it)
    died, kept = 0, dict[str, Any]()
    handle: launch.RunHandle | None = None
    while True:
        next_death = Plan()
        if died < kills:
            if chance.random() < 0.7:
                next_death = Plan(chance.randint(1, 6), before=chance.random() < 0.5)
            else:
                next_death = Plan(seconds=chance.uniform(0, LONGEST))
        handle = launch.start(text) if handle is None else launch.resume(handle.id)
        killed = wait(handle.pid)
        record = launch.show(handle.id)
        now = finished(handle.id)
        for path, what in kept.items():
            assert now.get(path) == what, f"{path} was not kept: {what}, {now.get(path)}"
        kept = now
        if record.state.is_success:
            return {"kills": died, **told(handle.id)}
        assert killed, (record, document(open_store(), handle.id))
        assert (record.state, record.interrupted) == (State.FAILED, True), record
        died += 1


def here(text: str) -> str:
    """A run whose engine is this process: what is imported on the way, all forks have."""

    def execute_(store: Store, run_id: str, *, after: int = 0) -> launch.RunHandle:
        location.run_directory(run_id).mkdir(parents=True, exist_ok=True)
        assert execute.execute(run_id) == 0
        return launch.RunHandle(run_id, os.getpid(), after, None, None)  # type: ignore[arg-type]

    launch._spawn = execute_
    return launch.start(text).id


def told(run_id: str) -> dict[str, Any]:
    """What is left of a run that has ended."""
    store = open_store()
    try:
        tasks = store.tasks(run_id)
        made = [each for task in tasks for all_ in task.output_artifacts.values() for each in all_]
        return {
            "states": {task.path: task.state.value for task in store.tasks(run_id, groups=True)},
            "outputs": {
                name: value for name, value in store.outputs(run_id).items() if not hasattr(value, "uri")
            },
            "attempts": {
                task.path: [(each.state.value, each.exit_code) for each in task.attempts] for task in tasks
            },
            "artifacts": [
                (found.sha256 if (found := content(Path(each.uri))) else None) == each.sha256 for each in made
            ],
        }
    finally:
        store.close()


def orphans(run_ids: list[str]) -> list[int]:
    """Processes that steps of these runs have left."""
    left = []
    for process in psutil.process_iter():
        try:
            marks = process.environ().get(MARK, "")
        except psutil.Error:
            continue
        if any(run_id in marks for run_id in run_ids):
            left.append(process.pid)
    return left


def main_(arguments: list[str]) -> None:
    """Runs until there were enough kills; the last lines of a JSON document say how they ended."""
    text, chance, wanted = Path(arguments[0]).read_text(), random.Random(int(arguments[1])), int(arguments[2])
    os.environ["JUPYTER_KFP_RUNNER"] = "process"
    runs = [{"kills": 0, **told(here(text))}]
    launch._spawn = spawn
    gc.freeze()  # what is loaded now is shared with all forks
    while sum(run["kills"] for run in runs) < wanted:
        runs.append(complete(text, chance, 40))
    store = open_store()
    ids = [record.id for record in store.runs()]
    store.close()
    print(json.dumps({"runs": runs, "orphans": orphans(ids)}))  # noqa: T201 (the answer)


if __name__ == "__main__":
    main_(sys.argv[1:])
