"""The warm servers of a run: forks of those that all runs share, made when first needed, gone with the engine."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jupyter_kfp.engine.marks import MARK
from jupyter_kfp.engine.warm import shared
from jupyter_kfp.engine.warm.forks import Fork, request
from jupyter_kfp.engine.warm.imports import needs_imports

_START_SECONDS = 120

# What is read when an interpreter or a library starts: a process that wants other values must start itself.
_AT_START = re.compile(
    r"(PYTHON(?!UNBUFFERED$)|LD_|MALLOC_|OMP_|OPENBLAS_|MKL_|BLIS_|VECLIB_|NUMEXPR_|GOTO_|KMP_|LC_|MPL|TZ$|LANG$|LANGUAGE$)"
)
# KFP's program for a lightweight component (kfp/dsl/component_factory.py, _get_command_and_args_for_lightweight_component).
_FUNCTION = re.compile(r"printf \"%s\" \"\$0\" > \"\$program_path/ephemeral_component\.py\"")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a fork can be: ``kind`` of server, and the part of its request that says what to run.

    ``file`` and ``source``: a module that is to be written before.
    """

    kind: str
    executable: str
    message: Mapping[str, Any]
    file: Path | None = None
    source: str = ""


def obstacle(environment: Mapping[str, str]) -> str | None:
    """Why a process with this environment cannot be a fork, as the end of a sentence; None if it can."""
    if (reason := shared.obstacle()) is not None:
        return reason
    names = {*environment, *os.environ}
    own = sorted(n for n in names if _AT_START.match(n) and environment.get(n) != os.environ.get(n))
    if own:
        return f"it has its own {', '.join(own)}, which is read when Python or a library starts"
    return None


def forkable(argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> Command | None:
    """The command as a fork, where it is one that a warm server can be."""
    match argv:
        case [executable, "-c", program, *arguments] if program.startswith("# jupyter_kfp step"):
            return Command(
                "notebooks", executable, {"kind": "program", "program": program, "arguments": arguments}
            )
        case ["sh" | "/bin/sh" | "/usr/bin/sh", "-ec", script, source, *arguments] if _FUNCTION.search(
            script
        ):
            place = directory / "ephemeral_component.py"
            path = ["--component_module_path", str(place)]
            module = {"kind": "module", "module": "kfp.dsl.executor_main", "arguments": [*path, *arguments]}
            return Command("functions", _python(environment), module, place, source)
        case _:
            return None


def _python(environment: Mapping[str, str]) -> str:
    """The Python that the shell would find: with packages of its own, a component has an environment of its own."""
    found = shutil.which("python3", path=environment.get("PATH"))
    own = Path(sys.executable)
    return sys.executable if found is None or Path(found).parent == own.parent else found


class WarmPool:
    """The servers of one run. ``start`` may be called from any thread."""

    def __init__(self, run_id: str, log: Path, modules: Sequence[str] = ()) -> None:
        """``modules`` are loaded, in a server of their own, for the steps that import them."""
        self._mark = f"{run_id}/warm"
        self._log = log
        self._modules = list(modules)
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, str], Future[_Server | None]] = {}
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._said: set[str] = set()

    def start(
        self, argv: Sequence[str], directory: Path, environment: Mapping[str, str], output: int
    ) -> Fork | None:
        """Start a command as a fork that writes to the descriptor ``output``; None where it must start by itself."""
        command = forkable(argv, environment, directory)
        if command is None:
            return None
        reason = obstacle(environment)
        if reason is not None:
            self._say(f"A step starts its own Python, because {reason}.")
            return None
        if command.file is not None:
            command.file.write_text(command.source, encoding="utf-8")
        server = self._server(command.kind, command.executable)
        if self._modules and server is not None and self._is_loaded_or_needed(command):
            server = (
                self._once(
                    ("loaded", command.executable), lambda p: self._fork_of(server.socket, self._modules, p)
                )
                or server
            )
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

    def _say(self, line: str) -> None:
        """A line of the log, once."""
        with self._lock:
            if line not in self._said:
                self._said.add(line)
                with self._log.open("a", encoding="utf-8") as stream:
                    stream.write(f"{line}\n")

    def _is_loaded_or_needed(self, command: Command) -> bool:
        """Whether a step is to be a fork of the server with its imports: it need not wait for what it has no use of."""
        if command.kind != "notebooks" or command.executable != sys.executable:
            return False
        loaded = self._servers.get(("loaded", command.executable))
        return (loaded is not None and loaded.done()) or needs_imports(command.message["arguments"])

    def _server(self, kind: str, executable: str) -> _Server | None:
        """The run's server for this kind of command; None, with a word in the log, where there cannot be one."""
        return self._once((kind, executable), lambda place: self._start(kind, executable, place))

    def _start(self, kind: str, executable: str, place: str) -> _Server | None:
        why = ""
        for _again in range(2):  # a server that has had nothing to do for long may be just leaving
            try:
                path = shared.ensure(kind, executable)
            except OSError as error:
                why = str(error)
                break
            if (server := self._fork_of(str(path), [], place)) is not None:
                return server
            why = _last_line(shared.log_of(path))
        self._say(f"Warm kernels are not available; every step starts its own Python. {why}".rstrip())
        return None

    def _fork_of(self, path: str, modules: list[str], place: str) -> _Server | None:
        """A fork of the server at ``path`` that loads ``modules`` and listens at ``place``; None if it gets nowhere."""
        reader, writer = os.pipe()
        message = {
            "kind": "server",
            "arguments": [],
            "modules": modules,
            "socket": place,
            "environment": {**os.environ, MARK: self._mark},
            "directory": str(Path.cwd()),
        }
        with os.fdopen(reader, "rb") as answers:
            try:
                connection, pid = request(path, message, (writer, writer), timeout=_START_SECONDS)
            except OSError:
                return None
            finally:
                os.close(writer)
            server = _Server(Fork(connection, pid), place)
            while line := _line(answers):  # libraries may have something to say first
                if line == b"ready\n":
                    return server
        server.close()
        return None

    def _once(self, key: tuple[str, str], start: Callable[[str], _Server | None]) -> _Server | None:
        """The server of this key. The first to ask starts it; others wait for it, and only for it."""
        with self._lock:
            known = self._servers.get(key)
            if known is None:
                if self._directory is None:
                    # Paths of Unix sockets are short: not in the run's own directory.
                    self._directory = tempfile.TemporaryDirectory(prefix="jupyter-kfp-")
                place = str(Path(self._directory.name, str(len(self._servers))))
                mine = self._servers[key] = Future()
        if known is not None:
            return known.result()
        try:
            server = start(place)
        except BaseException:
            mine.set_result(None)
            raise
        mine.set_result(server)
        return server

    def close(self) -> None:
        """End the servers, and with them whatever they still run."""
        with self._lock:
            # Those with more loaded are forks of the others, and end with them.
            for server in reversed([future.result() for future in self._servers.values()]):
                if server is not None:
                    server.close()
            self._servers.clear()
            if self._directory is not None:
                self._directory.cleanup()


class _Server:
    """A fork of another server that is the run's own."""

    def __init__(self, process: Fork, place: str) -> None:
        self._process = process
        self.socket = place

    def close(self) -> None:
        """End it, and whatever it still runs."""
        self._process.connection.close()


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


def _last_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
