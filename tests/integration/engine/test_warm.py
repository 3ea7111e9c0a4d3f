"""Forked steps are processes like any other: what a new one would have of its own, a fork has."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Thread

import psutil
import pytest

from jupyter_kfp.engine.marks import MARK, kill_marked, marks_of
from jupyter_kfp.engine.warm import shared
from jupyter_kfp.engine.warm.forks import Fork, request
from jupyter_kfp.engine.warm.imports import needs_imports
from jupyter_kfp.engine.warm.pool import WarmPool, obstacle
from jupyter_kfp.runtime.payload import BOOT, pack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks need Linux")

HEADER = "# jupyter_kfp step\n"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPool]:
    pool = WarmPool(
        "warm-test",
        tmp_path_factory.mktemp("warm") / "log.txt",
        ["numpy", "pandas", "pyarrow.parquet", "sklearn.model_selection", "joblib", "matplotlib"],
    )
    yield pool
    pool.close()


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, MARK: "warm-test/step/1", "JUPYTER_KFP_ENVIRONMENT": "ready", **more}


@pytest.fixture
def run(pool: WarmPool, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run a program as a fork: its exit code and what it printed."""

    def run(program: str, *arguments: str, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
        log = tmp_path / "log.txt"
        with log.open("ab") as output:
            argv = [sys.executable, "-c", HEADER + program, *arguments]
            fork = pool.start(argv, tmp_path, environment(**(variables or {})), output.fileno())
        assert fork is not None
        return fork.wait(), log.read_text()

    return run


def step(directory: Path, *cells: str, inputs: Mapping[str, object] | None = None) -> list[str]:
    """The arguments of a step's program."""
    artifacts = {
        name: {"artifacts": [{"name": name, "uri": str(directory / name), "metadata": {}}]}
        for name in ("executed_notebook", "executed_html")
    }
    outputs = {"artifacts": artifacts, "outputFile": str(directory / "output.json")}
    message = {"inputs": {"parameterValues": dict(inputs or {})}, "outputs": outputs}
    packed = pack({"step": "a", "cells": [{"source": cell, "role": "step"} for cell in cells]})
    return [json.dumps(message), "[]", *packed]


@pytest.fixture
def run_step(pool: WarmPool, tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Run cells as a step: the executed notebook."""

    def run_step(*cells: str) -> dict[str, object]:
        with (tmp_path / "log.txt").open("ab") as output:
            argv = [sys.executable, "-c", BOOT, *step(tmp_path, *cells)]
            fork = pool.start(argv, tmp_path, environment(), output.fileno())
        assert fork is not None
        code = fork.wait()
        assert code == 0, (tmp_path / "log.txt").read_text()
        executed: dict[str, object] = json.loads((tmp_path / "executed_notebook").read_text())
        return executed

    return run_step


def printed(notebook: dict[str, object]) -> str:
    """What all cells printed."""
    cells = notebook["cells"]
    assert isinstance(cells, list)
    return "".join("".join(o.get("text", "")) for cell in cells for o in cell["outputs"])


def test_what_a_program_finds(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    program = """
import os, sys
print(sys.argv, os.getcwd(), os.environ["ONLY"], "HOME" in os.environ, __name__, sys.stdin.read())
print(sorted(int(n) for n in os.listdir("/proc/self/fd"))[:3], os.getsid(0) == os.getpid())
x = 1
print(sys.modules["__main__"].x)
sys.exit(3)
"""
    code, text = run(program, "a", "b", variables={"ONLY": "here"})
    assert code == 3
    assert text.splitlines() == [f"['-c', 'a', 'b'] {tmp_path} here True __main__ ", "[0, 1, 2] True", "1"]


def test_forks_differ_in_what_is_random(run: Callable[..., tuple[int, str]]) -> None:
    program = "import numpy, random, uuid; print(random.random(), numpy.random.random(), uuid.uuid4())"
    run(program)
    _, text = run(program)
    one, other = (line.split() for line in text.splitlines())
    assert not set(one) & set(other)


def test_errors_and_exit_functions(run: Callable[..., tuple[int, str]]) -> None:
    code, text = run("import atexit; atexit.register(print, 'goodbye'); 1 / 0")
    assert code == 1
    assert "ZeroDivisionError" in text
    assert text.endswith("goodbye\n")
    assert run("import os; os.kill(os.getpid(), 9)")[0] == -signal.SIGKILL


def test_threads_processes_and_loops(run_step: Callable[..., dict[str, object]]) -> None:
    notebook = run_step(
        "import asyncio, threading, multiprocessing, concurrent.futures as f\nawait asyncio.sleep(0)",
        "with f.ThreadPoolExecutor(4) as threads: print(sum(threads.map(abs, range(-4, 0))))",
        "with multiprocessing.get_context('fork').Pool(2) as processes: print(processes.map(abs, [-1, -2]))",
        "import subprocess; print(subprocess.run(['echo', 'there'], capture_output=True, text=True).stdout)",
    )
    assert printed(notebook).split("\n")[:3] == ["10", "[1, 2]", "there"]


def test_a_figure_is_shown(run_step: Callable[..., dict[str, object]]) -> None:
    notebook = run_step("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert "image/png" in json.dumps(notebook)


def test_an_interrupt_reaches_the_code(run_step: Callable[..., dict[str, object]]) -> None:
    notebook = run_step(
        "import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "except KeyboardInterrupt:\n    print('interrupted')"
    )
    assert printed(notebook) == "interrupted\n"


def test_names_of_one_step_are_not_those_of_another(run_step: Callable[..., dict[str, object]]) -> None:
    run_step("left = 1\nimport builtins; builtins.left_too = 1")
    notebook = run_step("import builtins; print('left' in globals(), hasattr(builtins, 'left_too'))")
    assert printed(notebook) == "False False\n"


def test_nothing_is_left_when_its_owner_goes(pool: WarmPool, tmp_path: Path) -> None:
    with (tmp_path / "log.txt").open("ab") as output:
        sleeping = step(
            tmp_path,
            "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)",
        )
        fork = pool.start([sys.executable, "-c", BOOT, *sleeping], tmp_path, environment(), output.fileno())
    assert fork is not None
    wait_for(lambda: is_written(tmp_path / "pid"))
    kernel = int((tmp_path / "pid").read_text())
    assert all(b"warm-test/step/1" in Path(f"/proc/{pid}/environ").read_bytes() for pid in (fork.pid, kernel))
    fork.connection.close()
    wait_for(lambda: not alive(fork.pid) and not alive(kernel))


def test_the_mark_finds_a_fork_and_its_kernel(pool: WarmPool, tmp_path: Path) -> None:
    with (tmp_path / "log.txt").open("ab") as output:
        sleeping = step(
            tmp_path,
            "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)",
        )
        variables = environment(**{MARK: "warm-test/other/1"})
        fork = pool.start([sys.executable, "-c", BOOT, *sleeping], tmp_path, variables, output.fileno())
    assert fork is not None
    wait_for(lambda: is_written(tmp_path / "pid"))
    kill_marked(lambda marks: "warm-test/other/1" in marks)
    assert fork.wait() == -signal.SIGKILL
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_fork_may_end_before_its_number_is_read(tmp_path: Path) -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b'{"pid": 7}\n{"status": 3}\n')

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        thread = Thread(target=answer, args=(server,))
        thread.start()
        connection, pid = request(str(tmp_path / "s"), {}, (1, 2))
        thread.join()
    assert (pid, Fork(connection, pid).wait()) == (7, 3)
    connection.close()


def test_what_cannot_be_a_fork_starts_by_itself_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = WarmPool("warm-test", tmp_path / "log.txt")

    def refused(argv: list[str], **variables: str) -> str:
        (tmp_path / "log.txt").write_text("")
        assert pool.start(argv, tmp_path, environment(**variables), 1) is None
        return (tmp_path / "log.txt").read_text()

    step = [sys.executable, "-c", BOOT, "{}"]
    assert obstacle(environment()) is None
    for variables in ({"OMP_NUM_THREADS": "7"}, {"PYTHONPATH": "/somewhere"}, {"TZ": "Asia/Tokyo"}):
        name = next(iter(variables))
        assert f"A step starts its own Python, because it has its own {name}, " in refused(step, **variables)
    assert refused([sys.executable, "-c", "print(1)"]) == "", "nobody would expect it of this one"
    for system in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        assert f"forking is not safe on this system ({system})" in refused(step)
    monkeypatch.undo()
    monkeypatch.setenv(shared.OFF, "0")
    assert f"because {shared.OFF} is 0" in refused(step)


def test_another_kernel_starts_by_itself_and_the_log_says_so(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    spec = {"argv": [str(other), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "o"}
    (tmp_path / "kernels/other").mkdir(parents=True)
    (tmp_path / "kernels/other/kernel.json").write_text(json.dumps({**spec, "language": "python"}))
    code, text = run(
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='other')\n"
        "print(client.execute_interactive('print(6 * 7)')['content']['status'])\n"
        "client.stop_channels(); manager.shutdown_kernel(now=True)",
        variables={"JUPYTER_PATH": str(tmp_path)},
    )
    assert (code, f"The kernel {other} is started anew" in text) == (0, True), text
    assert "42\nok\n" in text


def test_libraries_that_have_threads_of_their_own_work_in_forks(
    run_step: Callable[..., dict[str, object]],
) -> None:
    notebook = run_step(
        "import sys\nloaded = {'pandas', 'pyarrow', 'sklearn'} <= set(sys.modules)",
        "import pandas as pd, pyarrow as pa, pyarrow.parquet as pq\n"
        "frame = pd.DataFrame({'k': [1, 2] * 5000, 'v': range(10000)})\nframe.to_parquet('f.parquet')\n"
        "table = pq.read_table('f.parquet', use_threads=True)\n"
        "print(loaded, table.to_pandas(use_threads=True).groupby('k').v.sum().tolist())\n"
        "print(pa.compute.sum(table['v']), table.group_by('k').aggregate([('v', 'sum')])['v_sum'].to_pylist())",
        "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.model_selection import cross_val_score\n"
        "model = RandomForestClassifier(4, n_jobs=2, random_state=0)\n"
        "scores = cross_val_score(model, frame[['v']][:200], frame.k[:200], cv=2, n_jobs=2)\nprint(len(scores))",
        "import numpy as np\nprint((np.ones((300, 300)) @ np.ones((300, 300)))[0, 0])",
    )
    assert printed(notebook).splitlines() == [
        "True [24995000, 25000000]",
        "49995000 [24995000, 25000000]",
        "2",
        "300.0",
    ]


def test_every_kernel_has_random_seeds_of_its_own(run_step: Callable[..., dict[str, object]]) -> None:
    cell = "import numpy, random, uuid\nprint(random.random(), numpy.random.random(), uuid.uuid4())"
    one, other = (printed(run_step(cell)).split() for _ in range(2))
    assert len(one) == 3
    assert not set(one) & set(other)


def test_signals_and_asyncio_belong_to_the_step(run_step: Callable[..., dict[str, object]]) -> None:
    notebook = run_step(
        "import asyncio, os, signal\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL)",
        "got = []\nsignal.signal(signal.SIGUSR1, lambda *_: got.append('usr1'))\nos.kill(os.getpid(), signal.SIGUSR1)",
        "process = await asyncio.create_subprocess_exec('sh', '-c', 'exit 3')\nprint(await process.wait(), got)",
        "async def twice(x):\n    await asyncio.sleep(0)\n    return 2 * x\nprint(await asyncio.gather(*map(twice, range(3))))",
    )
    assert printed(notebook).splitlines() == ["True True", "3 ['usr1']", "[0, 2, 4]"]


def test_a_python_without_the_package_starts_by_itself(tmp_path: Path) -> None:
    pool = WarmPool("warm-test", tmp_path / "log.txt")
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    try:
        with (tmp_path / "out.txt").open("ab") as output:
            argv = [str(bare), "-c", BOOT, "{}"]
            assert pool.start(argv, tmp_path, environment(), output.fileno()) is None
        assert "Warm kernels are not available" in (tmp_path / "log.txt").read_text()
    finally:
        pool.close()


def test_which_steps_wait_for_libraries(tmp_path: Path) -> None:
    assert needs_imports(step(tmp_path, "import pandas as pd"))
    assert needs_imports(step(tmp_path, "if True:\n    from sklearn.linear_model import Ridge"))
    assert not needs_imports(step(tmp_path, "import os, json", "x = 'import pandas'"))
    assert not needs_imports(["no json"])
    unsafe = step(tmp_path, "import torch, tensorflow, jax", "import polars as pl, ray")
    assert not needs_imports(unsafe), "libraries whose threads do not survive a fork are each step's own"


def say(pool: WarmPool, directory: Path, program: str) -> str:
    """What a program prints that ``pool`` starts as a fork."""
    out = directory / "said.txt"
    with out.open("wb") as output:
        argv = [sys.executable, "-c", HEADER + program]
        fork = pool.start(argv, directory, environment(), output.fileno())
        assert fork is not None, "it is no fork"
        assert fork.wait() == 0
    return out.read_text().strip()


PARENT = "import os, psutil; run = psutil.Process().parent(); print(run.pid, run.parent().pid)"


def test_the_pool_leaves_nothing_but_the_server_that_all_share(tmp_path: Path) -> None:
    pool = WarmPool("leaves-nothing", tmp_path / "log.txt")
    try:
        of_run, of_all = map(int, say(pool, tmp_path, PARENT).split())
    finally:
        pool.close()
    wait_for(lambda: not alive(of_run))
    assert not any("leaves-nothing/warm" in marks_of(pid) for pid in psutil.pids())
    assert alive(of_all)
    assert set(marks_of(of_all)) <= {""}, "it belongs to no run"


def test_runs_share_a_server_unless_their_environment_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parents() -> list[str]:
        pool = WarmPool("shares", tmp_path / "log.txt")
        try:
            return say(pool, tmp_path, PARENT).split()
        finally:
            pool.close()

    (one, shared_one), (other, shared_other) = parents(), parents()
    assert one != other
    assert shared_one == shared_other
    monkeypatch.setenv("SSL_CERT_FILE", "/of/another/shell")
    assert parents()[1] != shared_one


def test_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    pools = [WarmPool(f"killed-{number}", tmp_path / "log.txt") for number in range(2)]
    try:
        of_run, of_all = map(int, say(pools[0], tmp_path, PARENT).split())
        os.kill(of_all, signal.SIGKILL)
        wait_for(lambda: not alive(of_all))
        assert int(say(pools[1], tmp_path, PARENT).split()[1]) != of_all
        assert int(say(pools[0], tmp_path, PARENT).split()[0]) == of_run, "what a run has is its own"
    finally:
        for pool in pools:
            pool.close()


def test_a_server_without_work_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv(shared.SECONDS, "0.1")
    pool = WarmPool("goes", tmp_path / "log.txt")
    try:
        of_all = int(say(pool, tmp_path, f"import time; time.sleep(0.5); {PARENT}").split()[1])
        assert list((tmp_path / "kfp").glob("*.sock"))
    finally:
        pool.close()
    wait_for(lambda: not alive(of_all))
    assert not list((tmp_path / "kfp").glob("*.sock"))


def test_no_server_where_others_could_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "kfp").mkdir(mode=0o770)
    (tmp_path / "kfp").chmod(0o770)
    pool = WarmPool("reach", tmp_path / "log.txt")
    argv = [sys.executable, "-c", f"{HEADER}print(1)"]
    assert pool.start(argv, tmp_path, environment(), 1) is None
    assert f"{tmp_path / 'kfp'} is not this user's alone" in (tmp_path / "log.txt").read_text()
    pool.close()


def test_what_a_step_leaves_running_ends_with_it(tmp_path: Path) -> None:
    pool = WarmPool("left", tmp_path / "log.txt")
    program = "import subprocess as s; print(s.Popen(['setsid', 'sleep', '600'], start_new_session=True).pid)"
    try:
        left = int(say(pool, tmp_path, program))
        assert not alive(left)
    finally:
        pool.close()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def is_written(file: Path) -> bool:
    """Whether there is something in it: a file exists before that."""
    return file.exists() and file.read_text() != ""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
