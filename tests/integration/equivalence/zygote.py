"""A warm process that forks one child per job, so that a fresh IPython costs 60 ms instead of a second.

Isolation is a process's own: every job has its namespace, modules, working directory and process
group, and nothing comes back but a JSON value. Two zygotes are kept: one that has never imported
numpy or pandas when it forks, and one (`heavy`) that has them all, for the notebooks that use them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import jupyter_kfp

_LIGHT = (
    "IPython.core.application",
    "IPython.core.completerlib",
    "IPython.core.interactiveshell",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "bdb",
    "jupyter_kfp.live.cell",
    "jupyter_kfp.live.shell",
    "jupyter_kfp.magics",
    "papermill",
    "nbconvert",
    "cloudpickle",
)
_HEAVY = (
    "pandas",
    "sklearn.linear_model",
    "sklearn.preprocessing",
    "sklearn.pipeline",
    "pyarrow.parquet",
    "skops.io",
)
_TIMEOUT = 60  # seconds; then SIGALRM ends the job


@dataclass(frozen=True)
class Ended:
    """How a job ended: its value (None when it died), the exit status, and all it printed."""

    value: Any
    status: int
    printed: str


class Zygote:
    """The warm process, seen from the tests. Use as a context manager."""

    def __init__(self, directory: Path, *, heavy: bool = False) -> None:
        self.directory = directory
        self.heavy = heavy
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with self._process:  # closes the pipes and waits
                assert self._process.stdin is not None
                self._process.stdin.close()

    def call(self, target: str, /, cwd: Path, **arguments: Any) -> Ended:
        """Run ``module:function`` with JSON-ready arguments in a forked child whose directory is ``cwd``."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"target": target, "cwd": str(cwd), "arguments": arguments}) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the zygote died with status {process.wait()}")
        return Ended(**json.loads(answer))

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            # One thread per library: forking is only safe without threads, and sums stay the same sums.
            single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            environment = {**os.environ, **single, "IPYTHONDIR": str(self.directory / "ipython")}
            # Nothing of the package runs here but the runtime, from a copy: measuring would only slow it.
            for name in ("PYTHONSTARTUP", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
                environment.pop(name, None)
            assert __package__
            # The tests, and the package as the tests see it.
            roots = [
                Path(__file__).parents[__package__.count(".") + 1],
                Path(jupyter_kfp.__file__).parents[1],
            ]
            environment["PYTHONPATH"] = os.pathsep.join(map(str, roots))
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.zygote", *(_HEAVY if self.heavy else ())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                cwd=self.directory,
                text=True,
            )
        return self._process


def _serve(answers: IO[str]) -> None:
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.TemporaryFile("w+") as result, tempfile.TemporaryFile("w+") as printed:
            child = os.fork()
            if child == 0:
                _child(job, result, printed)
            status = _wait(child)
            result.seek(0)
            printed.seek(0)
            value = json.loads(result.read() or "null")
            answers.write(json.dumps({"value": value, "status": status, "printed": printed.read()}) + "\n")
            answers.flush()


def _child(job: dict[str, Any], result: IO[str], printed: IO[str]) -> None:
    """Do the job in the forked process; never returns."""
    os.setsid()
    signal.alarm(_TIMEOUT)
    with open(os.devnull) as nothing:  # noqa: PTH123 - a descriptor, not a path, is what dup2 needs
        os.dup2(nothing.fileno(), 0)
    os.dup2(printed.fileno(), 1)
    os.dup2(printed.fileno(), 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    status = 1
    try:
        os.chdir(job["cwd"])
        module, _, name = job["target"].partition(":")
        value = getattr(importlib.import_module(module), name)(**job["arguments"])
        json.dump(value, result)
        result.flush()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 - the child's last words, whatever happened
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int) -> int:
    """Wait for ``child``, then end the processes it left behind; negative when a signal ended it."""
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def _warm() -> None:
    """Do once what every child would: compile the schema of notebooks, look for what is installed."""
    import nbformat

    nbformat.reads('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}', as_version=4)
    installed = importlib.metadata.entry_points()
    importlib.metadata.entry_points = installed.select


def _main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    for module in (*_LIGHT, *sys.argv[1:]):
        importlib.import_module(module)
    _warm()
    _serve(answers)


if __name__ == "__main__":
    _main()
