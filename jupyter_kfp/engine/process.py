"""Operating-system processes of steps: starting them, ending them, and leaving none of theirs behind.

A step is a process group of its own, but what it starts need not stay in that group: Jupyter kernels are
sessions of their own, daemons detach. So every step carries a mark in its environment that all its
descendants inherit, and whoever carries it ends with the step.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_kfp.engine.masking import Masker

if TYPE_CHECKING:
    from jupyter_kfp.engine.warm.pool import WarmPool

MARK = "JUPYTER_KFP_ATTEMPT"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>


def mark(run_id: str, path: str, attempt: int, environment: Mapping[str, str]) -> str:
    """The value of ``MARK`` for one attempt. Marks add up, so that a run inside a step belongs to both."""
    own = f"{run_id}/{path.replace(' ', '_')}/{attempt}"
    return f"{environment.get(MARK, '')} {own}".strip()


def adopt_orphans() -> None:
    """Let descendants whose parent dies become our children, so that they can be found (Linux only)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


class StepProcess:
    """One running step. ``wait`` is for one thread; the other methods are safe from any."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        masker: Masker,
        warm: WarmPool | None = None,
    ) -> None:
        """Start ``argv``, with standard output and error going to ``log``.

        Where ``warm`` has a server for it, it is a fork of that. Raises OSError if it cannot start.
        """
        self._mark = environment[MARK].rpartition(" ")[2]
        self._ended_early = False
        self._pump: threading.Thread | None = None
        with log.open("ab", buffering=0) as stream, contextlib.ExitStack() as opened:
            output = stream.fileno()
            if masker:
                reader, output = os.pipe()
                self._pump = masker.pump(os.fdopen(reader, "rb"), log)
                opened.callback(os.close, output)
            fork = warm.start(argv, directory, environment, output) if warm is not None else None
            self._process = fork or subprocess.Popen(
                argv,
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> int:
        """Block until the step ends and everything it started is gone. Returns the exit code (-N: signal N)."""
        pid = self._process.pid
        if isinstance(self._process, subprocess.Popen) and hasattr(os, "waitid"):
            # Not reaped yet, its number cannot have gone to somebody else's process group.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            _signal_group(pid, signal.SIGKILL)
        code = self._process.wait()
        if self._ended_early:
            kill_marked(lambda marks: self._mark in marks)
        elif sys.platform == "linux":
            self._kill_adopted()
        if self._pump is not None:
            # Whoever escaped all that may hold the pipe open for ever.
            self._pump.join(timeout=2)
        return code

    def terminate(self) -> None:
        """Ask the step and all its descendants to end."""
        self._ended_early = True
        self._signal_tree(signal.SIGTERM)

    def kill(self) -> None:
        """End the step and all its descendants at once."""
        self._ended_early = True
        self._signal_tree(signal.SIGKILL)
        kill_marked(lambda marks: self._mark in marks)

    def _signal_tree(self, number: signal.Signals) -> None:
        import psutil

        if self._process.returncode is not None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            descendants = psutil.Process(self._process.pid).children(recursive=True)
            _signal_group(self._process.pid, number)
            for process in descendants:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
        if not isinstance(self._process, subprocess.Popen):
            # Its kernel is a child of the warm server, not its own.
            for pid in psutil.pids():
                if pid != self._process.pid and self._mark in _marks(pid):
                    with contextlib.suppress(psutil.Error):
                        psutil.Process(pid).send_signal(number)

    def _kill_adopted(self) -> None:
        """End what the step left running: its orphans are our children now."""
        for pid in _own_children():
            if self._mark in _marks(pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


def kill_marked(belongs: Callable[[Sequence[str]], bool]) -> None:
    """End every process whose marks ``belongs`` says yes to, until none is left (some may be just forking)."""
    import psutil

    for _round in range(10):
        found = False
        for pid in psutil.pids():
            if pid != os.getpid() and belongs(_marks(pid)):
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if process.status() != psutil.STATUS_ZOMBIE:
                        process.kill()
                        found = True
        if not found:
            return


def _marks(pid: int) -> list[str]:
    """The marks a process carries; none if that cannot be known."""
    if sys.platform == "linux":
        try:
            block = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return []
        prefix = MARK.encode() + b"="
        values = [item[len(prefix) :] for item in block.split(b"\0") if item.startswith(prefix)]
        return os.fsdecode(values[0]).split(" ") if values else []
    import psutil

    try:
        return psutil.Process(pid).environ().get(MARK, "").split(" ")
    except psutil.Error:
        return []


def _own_children() -> Iterator[int]:
    """The direct children of this process, without a look at every process of the machine."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            yield from map(int, (thread / "children").read_text().split())


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
