"""The warm servers of a run: started when first needed, gone with the engine."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jupyter_kfp.engine.process import MARK
from jupyter_kfp.engine.warm.forks import Fork, request

OFF = "JUPYTER_KFP_WARM"
_MARK_LENGTH = 2048
_START_SECONDS = 120

# What is read when an interpreter or a library starts: a process that wants other values must start itself.
_AT_START = re.compile(
    r"(PYTHON(?!UNBUFFERED$)|LD_|MALLOC_|OMP_|OPENBLAS_|MKL_|BLIS_|VECLIB_|NUMEXPR_|GOTO_|KMP_|LC_|MPL|TZ$|LANG$|LANGUAGE$)"
)
# KFP's program for a lightweight component (kfp/dsl/component_factory.py, _get_command_and_args_for_lightweight_component).
_FUNCTION = re.compile(r"printf \"%s\" \"\$0\" > \"\$program_path/ephemeral_component\.py\"")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a fork can be: ``kind`` of server, and the part of its request that says what to run."""

    kind: str
    executable: str
    message: Mapping[str, Any]


def forkable(argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> Command | None:
    """The command as a fork, where it is one that a warm server can be and its environment allows it."""
    if sys.platform != "linux" or os.environ.get(OFF) == "0" or _differs(environment):
        return None
    match argv:
        case [executable, "-c", program, *arguments] if program.startswith("# jupyter_kfp step"):
            return Command(
                "notebooks", executable, {"kind": "program", "program": program, "arguments": arguments}
            )
        case ["sh" | "/bin/sh" | "/usr/bin/sh", "-ec", script, source, *arguments] if _FUNCTION.search(
            script
        ):
            place = directory / "ephemeral_component.py"
            place.write_text(source, encoding="utf-8")
            path = ["--component_module_path", str(place)]
            module = {"kind": "module", "module": "kfp.dsl.executor_main", "arguments": [*path, *arguments]}
            return Command("functions", _python(environment), module)
        case _:
            return None


def _python(environment: Mapping[str, str]) -> str:
    """The Python that the shell would find: with packages of its own, a component has an environment of its own."""
    found = shutil.which("python3", path=environment.get("PATH"))
    own = Path(sys.executable)
    return sys.executable if found is None or Path(found).parent == own.parent else found


def _differs(environment: Mapping[str, str]) -> bool:
    names = {*environment, *os.environ}
    return any(_AT_START.match(n) and environment.get(n) != os.environ.get(n) for n in names)


class WarmPool:
    """The servers of one run. ``start`` may be called from any thread."""

    def __init__(self, run_id: str, log: Path) -> None:
        self._mark = f"{run_id}/warm"
        self._log = log
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, str], _Server | None] = {}
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def start(
        self, argv: Sequence[str], directory: Path, environment: Mapping[str, str], output: int
    ) -> Fork | None:
        """Start a command as a fork that writes to the descriptor ``output``; None where it must start by itself."""
        command = forkable(argv, environment, directory)
        server = self._server(command.kind, command.executable) if command is not None else None
        if command is None:
            return None
        if server is None:
            return None
        message = {
            **command.message,
            "environment": dict(environment),
            "directory": str(directory),
            "socket": server.socket,
        }
        try:
            connection, pid = request(server.socket, message, (output, output))
        except OSError:
            return None  # it died; the step starts by itself
        return Fork(connection, pid)

    def _server(self, kind: str, executable: str) -> _Server | None:
        with self._lock:
            key = (kind, executable)
            if key not in self._servers:
                if self._directory is None:
                    # Paths of Unix sockets are short: not in the run's own directory.
                    self._directory = tempfile.TemporaryDirectory(prefix="jupyter-kfp-")
                place = str(Path(self._directory.name, str(len(self._servers))))
                self._servers[key] = _Server.start(kind, executable, place, self._mark, self._log)
            return self._servers[key]

    def close(self) -> None:
        """End the servers, and with them whatever they still run."""
        with self._lock:
            for server in self._servers.values():
                if server is not None:
                    server.close()
            self._servers.clear()
            if self._directory is not None:
                self._directory.cleanup()


class _Server:
    """One server process."""

    def __init__(self, process: subprocess.Popen[bytes], place: str) -> None:
        self._process = process
        self.socket = place

    @classmethod
    def start(cls, kind: str, executable: str, place: str, mark: str, log: Path) -> _Server | None:
        """Start a server and wait until it is ready; None, with a word in the log, if it does not get there."""
        environment = {**os.environ, MARK: mark.ljust(_MARK_LENGTH)}
        with log.open("ab", buffering=0) as stream:
            process = subprocess.Popen(
                [executable, "-m", "jupyter_kfp.engine.warm.server", place, kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=environment,
                start_new_session=True,
            )
            server = cls(process, place)
            assert process.stdout is not None
            if _line(process.stdout) == b"ready\n":
                return server
            server.close()
            stream.write(b"Warm kernels are not available; every step starts its own Python.\n")
        return None

    def close(self) -> None:
        """End the server."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _line(stream: IO[bytes]) -> bytes:
    """A line, or what there is of it after a time in which any machine would be ready."""
    timer = threading.Timer(_START_SECONDS, stream.close)
    timer.daemon = True
    timer.start()
    try:
        return stream.readline()
    except (OSError, ValueError):
        return b""
    finally:
        timer.cancel()
