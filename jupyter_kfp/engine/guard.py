"""A watch over the engine: if it dies without a word, its steps die too.

Engine and guard hold a lock on the run together. The next engine of the run waits for it, and so for the end of all
steps of the one before.

The guard is a fork of the engine that sleeps on a pipe. The system closes the engine's end however the
engine ends, ``kill -9`` included; only the engine's own goodbye lets the guard leave without acting.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

_GOODBYE = b"."


class Guard:
    """Call before threads and database connections exist: it forks. ``lock``: the file that stands for the run."""

    def __init__(self, run_id: str, lock: Path) -> None:
        # The system lets it go when the last of both is gone. Steps do not inherit it.
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        reader, self._writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _watch(reader, self._lock, run_id)
            finally:
                os._exit(0)
        os.close(reader)
        self._pid = pid

    def release(self) -> None:
        """All steps have ended properly; the guard may go."""
        os.write(self._writer, _GOODBYE)
        os.close(self._writer)
        os.waitpid(self._pid, 0)
        os.close(self._lock)


def _watch(reader: int, lock: int, run_id: str) -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Nothing of the engine's stays open here: its followers wait for the end of its pipe.
    highest = os.sysconf("SC_OPEN_MAX") if sys.platform != "linux" else _highest_descriptor() + 1
    kept = sorted((reader, lock))
    for below, above in zip((-1, *kept), (*kept, highest), strict=True):
        os.closerange(below + 1, above)
    if os.read(reader, 1) == _GOODBYE:
        return
    from jupyter_kfp.engine.marks import kill_marked

    kill_marked(lambda marks: any(mark.startswith(f"{run_id}/") for mark in marks))
    _remove_containers(run_id)
    # Whoever wants to hear of failures hears of this one.
    from jupyter_kfp.observe.start import start

    start(run_id)


def _remove_containers(run_id: str) -> None:
    """Those of the run, if it had any: what looks for them loads a library that few runs need."""
    from jupyter_kfp.store import location

    directory = location.run_directory(run_id)
    if (directory / "containers").exists():
        command = [sys.executable, "-m", "jupyter_kfp.engine.containers.sweep", run_id]
        with (directory / "engine.log").open("ab") as log:
            subprocess.run(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )


def _highest_descriptor() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
