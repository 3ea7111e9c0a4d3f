"""Which process executes a run, and whether it still does."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jupyter_kfp.store.records import RunRecord

# How long a run may have no process at all: between its creation and the start of its engine.
_STARTING = timedelta(seconds=60)
# A process's start is computed from the time since boot, which moves when the clock is set.
_CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process as it can be told from a later one with the same number (``pid_started``: epoch seconds)."""

    host: str
    pid: int
    pid_started: float


def process_id(pid: int) -> ProcessId | None:
    """What identifies the process ``pid`` of this machine; None if there is none (a zombie is none)."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessId(socket.gethostname(), pid, process.create_time())
    except psutil.NoSuchProcess:
        return None


def engine_pid(run: RunRecord) -> int | None:
    """The process id of the run's engine if it lives on this machine, else None."""
    if run.pid is None or run.host != socket.gethostname():
        return None
    process = process_id(run.pid)
    if process is None or run.pid_started is None:
        return None
    if abs(process.pid_started - run.pid_started) <= _CLOCK_TOLERANCE or _works_for(run.pid, run.id):
        return run.pid
    return None


def is_alive(run: RunRecord) -> bool:
    """Whether the recorded state can be true: the run has ended, or its engine is not known to be dead."""
    if run.state.is_final or "remote" in run.options:
        return True  # of a run on a cluster only that cluster knows
    if run.pid is None:
        return datetime.now(timezone.utc) - run.created_at < _STARTING
    if run.host != socket.gethostname():
        return True  # nothing can be known about a process on another machine
    return engine_pid(run) is not None


def _works_for(pid: int, run_id: str) -> bool:
    """Whether a process is in the directory of the run, as its engine is all the time."""
    import psutil

    try:
        return Path(psutil.Process(pid).cwd()).name == run_id
    except psutil.Error:
        return False
