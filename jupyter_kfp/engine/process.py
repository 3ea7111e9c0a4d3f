"""Operating-system processes of steps: starting them, ending them, and leaving none of theirs behind.

A step is a process group of its own; what leaves that group is known by its mark (`marks`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_kfp.engine.marks import MARK, kill_adopted, kill_marked, marks_of
from jupyter_kfp.engine.masking import Masker

if TYPE_CHECKING:
    from jupyter_kfp.engine.warm.pool import WarmPool


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
            kill_adopted(self._mark)
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
                if pid != self._process.pid and self._mark in marks_of(pid):
                    with contextlib.suppress(psutil.Error):
                        psutil.Process(pid).send_signal(number)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
