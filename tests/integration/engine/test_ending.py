"""Cancel, Ctrl-C, kill: the run ends in the right state, and nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.launch import RunHandle
from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import liveness
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store
from tests.unit.engine.building import pipeline, python, shell, task

# A step with a child, and a grandchild that leaves its session and its parent, as daemons do. All three write
# their process ids into the file "pids" of the home directory, and ignore polite requests if told so.
FAMILY = (
    "import signal, subprocess\n"
    "home = os.environ['JUPYTER_KFP_HOME']\n"
    "stubborn = 'stubborn' in p['how']\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else signal.SIG_DFL)\n"
    "def note():\n"
    "    with open(home + '/pids', 'a') as f: f.write(f'{os.getpid()}\\n')\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        note(); time.sleep(600)\n"
    "    if 'daemon' in p['how']: os._exit(0)\n"
    "    note(); time.sleep(600)\n"
    "note()\n"
    "time.sleep(0.5 if 'brief' in p['how'] else 600)\n"
)


def family(how: str = "") -> str:
    return pipeline(
        {"family": task(python(FAMILY), inputs={"how": how}), "next": task(shell("true"), after=("family",))}
    )


def start_family(home: Path, how: str = "", members: int = 3) -> tuple[RunHandle, list[int]]:
    handle = launch.start(family(how))
    return handle, wait_for_pids(home, members)


def wait_for_pids(home: Path, members: int) -> list[int]:
    def pids() -> list[int]:
        file = home / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    assert eventually(lambda: len(pids()) == members)
    return pids()


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def all_gone(pids: list[int], seconds: float = 20) -> bool:
    return eventually(lambda: all(map(is_gone, pids)), seconds)


@pytest.mark.parametrize("how", ["polite", "stubborn", "polite daemon"])
def test_cancel_ends_the_whole_family(
    home: Path, store: Store, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, pids = start_family(home, how, members=2 if "daemon" in how else 3)
    launch.cancel(handle.id)
    record = launch.wait(handle)
    assert record.state is State.CANCELED
    assert record.failure is None
    assert record.cancel_requested_at is not None
    assert [task.state for task in store.tasks(handle.id)] == [State.CANCELED, State.CANCELED]
    assert all_gone(pids, seconds=2)
    assert all_gone([handle.pid])


def test_a_step_leaves_nothing_running_when_it_ends_well(home: Path, store: Store) -> None:
    handle, pids = start_family(home, "brief daemon", members=2)
    assert launch.wait(handle).state is State.SUCCEEDED
    assert all_gone(pids, seconds=2)


def test_steps_end_when_the_engine_is_killed(home: Path, store: Store) -> None:
    handle, pids = start_family(home)
    os.kill(handle.pid, signal.SIGKILL)
    record = launch.wait(handle)
    assert (record.state, str(record.failure)) == (State.FAILED, "The engine ended unexpectedly.")
    family, following = store.tasks(handle.id)
    assert (family.state, following.state) == (State.FAILED, State.CANCELED)
    assert all_gone([*pids, handle.pid])
    assert eventually(lambda: not watchers(handle.id)), "the guard is gone too"


def test_a_running_engine_is_known_though_the_clock_was_set() -> None:
    handle = launch.start(pipeline({"a": task(shell("sleep 600"))}))
    try:
        assert eventually(lambda: launch.show(handle.id).started_at is not None)
        record = launch.show(handle.id)
        assert record.pid_started is not None
        assert liveness.engine_pid(replace(record, pid_started=record.pid_started - 3600)) == handle.pid
        assert liveness.engine_pid(replace(record, pid_started=1.0, id="another")) is None
        assert len(watchers(handle.id)) == 2
    finally:
        launch.kill(handle.id)


def watchers(run_id: str) -> list[int]:
    """The engine of a run and its guard: both are in its directory."""
    return [
        process.pid
        for process in psutil.process_iter(["cwd"])
        if Path(process.info["cwd"] or "").name == run_id
    ]


def test_a_reader_in_another_process_sees_that_the_engine_is_dead(home: Path, store: Store) -> None:
    handle, pids = start_family(home)
    os.kill(handle.pid, signal.SIGKILL)
    handle._process.wait()
    assert store.run(handle.id).state is State.FAILED
    assert all_gone(pids)


def test_kill_ends_everything_at_once(home: Path, store: Store) -> None:
    handle, pids = start_family(home, "stubborn")
    launch.kill(handle.id)
    assert store.run(handle.id).state is State.CANCELED
    assert all_gone([*pids, handle.pid])


def test_the_last_words_of_a_dying_engine_are_the_reason(home: Path, store: Store) -> None:
    handle, _pids = start_family(home)
    with launch.engine_log(handle.id).open("a") as log:
        log.write("Traceback\nMemoryError: out of it\n")
    os.kill(handle.pid, signal.SIGKILL)
    assert str(launch.wait(handle).failure) == "The engine ended unexpectedly. MemoryError: out of it"


def test_a_run_that_has_ended_cannot_be_canceled() -> None:
    handle = launch.start(pipeline({"a": task(shell("true"))}))
    launch.wait(handle)
    with pytest.raises(UsageError, match=r"has already ended \(SUCCEEDED\)"):
        launch.cancel(handle.id)


def test_a_cancel_between_two_tries_ends_the_run_at_once() -> None:
    policy = {"maxRetryCount": 3, "backoffDuration": "600s"}
    handle = launch.start(pipeline({"a": task(shell("exit 1"), retryPolicy=policy)}))
    for event in launch.follow(handle):
        if event.kind == "attempt":
            break
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED


FOLLOWER = """
import sys
from jupyter_kfp.engine import launch
handle = launch.start(open(sys.argv[1]).read())
print(handle.id, handle.pid, flush=True)
record = launch.attend(handle, lambda event: None)
print(record.state.value, flush=True)
"""


@pytest.fixture
def follower(tmp_path: Path, home: Path) -> Callable[[str], tuple[subprocess.Popen[str], str, list[int]]]:
    """A process that starts a run and follows it, as the command line does."""

    def start(how: str) -> tuple[subprocess.Popen[str], str, list[int]]:
        (tmp_path / "family.yaml").write_text(family(how))
        process = subprocess.Popen(
            [sys.executable, "-c", FOLLOWER, str(tmp_path / "family.yaml")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        run_id, engine = process.stdout.readline().split()
        return process, run_id, [*wait_for_pids(home, 3), int(engine)]

    return start


def test_ctrl_c_cancels_cleanly(
    follower: Callable[..., tuple[subprocess.Popen[str], str, list[int]]],
) -> None:
    process, _run_id, pids = follower("polite")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("CANCELED\n", "", 0)
    assert all_gone(pids)


def test_ctrl_c_twice_kills(
    follower: Callable[..., tuple[subprocess.Popen[str], str, list[int]]], store: Store
) -> None:
    process, run_id, pids = follower("stubborn")
    process.send_signal(signal.SIGINT)
    assert eventually(lambda: store.run(run_id).cancel_requested_at is not None)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("CANCELED\n", "", 0)
    attempt = store.task(run_id, "family").attempts[0]
    assert attempt.exit_code is None, "the engine did not live to see how the stubborn step ended"
    assert all_gone(pids)


def test_a_run_outlives_the_one_who_started_it(
    follower: Callable[..., tuple[subprocess.Popen[str], str, list[int]]], store: Store
) -> None:
    process, run_id, pids = follower("polite")
    process.kill()
    process.communicate()
    assert store.run(run_id).state is State.RUNNING
    assert not any(map(is_gone, pids))
    launch.cancel(run_id)
    assert launch.wait(run_id).state is State.CANCELED
    assert all_gone(pids)
