"""Starting the process of an engine, also before it is known what it is to run.

An engine imports libraries for half a second. Whoever is about to start a run lets that happen (`prepare`) while the
notebook is read and compiled. The process then waits on its standard input for its order, one line of JSON, and
ends where that is closed instead. Imports little, for that very reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class EngineProcess:
    """A process that will be the engine of one run."""

    def __init__(self) -> None:
        """Start it. Raises OSError if that cannot be."""
        self._environment = dict(os.environ)
        reader, writer = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_kfp.engine", str(writer)],
                cwd=Path(os.sep),  # holds no modules that could hide others
                stdin=subprocess.PIPE,
                # What it has to say it keeps until there is a log.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writer,),
                start_new_session=True,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self.doorbell = reader
        """A descriptor: bytes for news, and its end with the engine's."""

    def fits(self) -> bool:
        """Whether it is what one would be that is started now."""
        return self.process.poll() is None and self._environment == dict(os.environ)

    def begin(self, run_id: str, directory: Path, log: Path, environment: Mapping[str, str]) -> None:
        """Let it run ``run_id`` in ``directory``; what it says goes to ``log``. Raises OSError if it is gone."""
        order = {
            "run": run_id,
            "directory": str(directory),
            "log": str(log),
            "environment": dict(environment),
        }
        assert self.process.stdin is not None
        with self.process.stdin as stream:
            stream.write(json.dumps(order).encode() + b"\n")

    def dismiss(self) -> None:
        """There is nothing to do for it."""
        os.close(self.doorbell)
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()


_lock = threading.Lock()
_waiting: EngineProcess | None = None
# Those without an order, until they have ended and can be forgotten.
_dismissed: list[EngineProcess] = []


def prepare() -> None:
    """Let an engine start for the run that this process is about to begin."""
    global _waiting  # noqa: PLW0603 - a process begins one run after the other
    with _lock:
        if _waiting is None:
            with suppress(OSError):  # the run will find out, and say so
                _waiting = EngineProcess()


def dismiss() -> None:
    """There will be no run: whoever prepared one goes on, and its engine shall not wait for ever."""
    global _waiting
    with _lock:
        engine, _waiting = _waiting, None
        if engine is not None:
            engine.dismiss()
            _dismissed.append(engine)


def take() -> EngineProcess:
    """An engine's process, the one that was prepared if there is one. Raises OSError if none can be started."""
    global _waiting
    with _lock:
        engine, _waiting = _waiting, None
        _dismissed[:] = [each for each in _dismissed if each.process.poll() is None]
        if engine is not None and not engine.fits():
            engine.dismiss()
            _dismissed.append(engine)
            engine = None
    return engine or EngineProcess()


def await_order() -> list[str]:
    """In the engine's process: its arguments, once they are known. Does not return where there is nothing to do."""
    problem = None
    try:
        import jupyter_kfp.engine.execute  # noqa: F401 - what takes time
    except Exception:  # noqa: BLE001 - said as soon as there is a log
        problem = traceback.format_exc()
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    order = json.loads(line)
    os.chdir(order["directory"])
    os.environ.update(order["environment"])
    _redirect(Path(order["log"]))
    if problem is not None:
        sys.stderr.write(problem)
        sys.exit(1)
    return [order["run"], sys.argv[1]]


def _redirect(log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(ours, standard)
    os.close(output)
    os.close(nothing)
