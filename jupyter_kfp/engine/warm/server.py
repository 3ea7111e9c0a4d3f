"""The process that forks: it has loaded papermill, ipykernel and libraries, and runs nothing itself.

Started as ``python -m jupyter_kfp.engine.warm.server SOCKET notebooks|functions DESCRIPTOR`` by `shared`, which
has bound the socket already. It has one thread and answers requests on it, one connection each: a line of JSON and
two descriptors (standard output and error) come in, ``{"pid": N}`` goes out, and ``{"status": N}`` when that process
has ended. A connection that is closed before ends the process and its group: whoever asked for it is gone.

A request is for a ``program`` (as ``python -c``), a ``module`` (as ``python -m``), a ``kernel``, or one more
``server`` that loads further modules and listens on a socket of its own. Every run has such a server: what is
left of a step whose own processes have ended comes to it, and it ends that, and ends with the run.

A fork is a process like any other: a session, directory, environment, standard streams, signal handlers
and random state of its own, and a fresh ``__main__``. What differs is that modules are loaded already.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import gc
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_kfp.engine.marks import MARK, adopt_orphans, kill_adopted
from jupyter_kfp.engine.warm import loading, shared

_FDS = 2


@dataclass
class _Fork:
    """A process that runs, and the connection that asked for it.

    ``mark``: of a step, by which its own are known. ``serves``: it is one more server.
    """

    connection: socket.socket
    pid: int
    mark: str | None
    serves: bool


class Server:
    """Answers requests.

    Until the other end of ``parent`` is closed; without one, until there has been nothing to do for ``patience``
    seconds.
    """

    def __init__(
        self, listener: socket.socket, parent: int | None = None, patience: float | None = None
    ) -> None:
        self._listener = listener
        self._parent = parent
        self._patience = patience
        self._forks: dict[int, _Fork] = {}
        self._selector = selectors.DefaultSelector()
        self._waker, wakes = socket.socketpair()
        for end in (self._waker, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        self._wakes = wakes
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Answer until nobody is left to ask."""
        if self._parent is not None:
            self._selector.register(self._parent, selectors.EVENT_READ, "parent")
        self._selector.register(self._listener, selectors.EVENT_READ, "request")
        self._selector.register(self._waker, selectors.EVENT_READ, "child")
        while True:
            ready = self._selector.select(None if self._forks else self._patience)
            if not ready and not self._forks:
                return
            for key, _ in ready:
                match key.data:
                    case "parent":
                        if self._parent is not None and not os.read(self._parent, 1):
                            self._end_all()
                            return
                    case "request":
                        self._accept()
                    case "child":
                        self._drain()
                    case int(pid):
                        self._abandoned(pid)
            self._reap()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._waker.recv(4096):
                pass

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, _FDS)
        while data and not data.endswith(b"\n"):
            more = connection.recv(1 << 20)
            if not more:
                break
            data += more
        try:
            if data.endswith(b"\n"):
                self._fork(json.loads(data), connection, descriptors)
            else:
                connection.close()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _fork(self, request: dict[str, Any], connection: socket.socket, descriptors: list[int]) -> None:
        if request["kind"] == "program":
            loading.compile_runtime(request["arguments"])
        with warnings.catch_warnings():
            # Libraries keep idle threads; what is loaded here is known to survive a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._become(request, descriptors, connection)
        kind, mark = request["kind"], request["environment"].get(MARK, "").rpartition(" ")[2]
        self._forks[pid] = _Fork(
            connection, pid, mark or None if kind in {"program", "module"} else None, kind == "server"
        )
        self._selector.register(connection, selectors.EVENT_READ, pid)
        _send(connection, {"pid": pid})

    def _reap(self) -> None:
        for pid in list(self._forks):
            done = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if done is None:
                continue
            # Not reaped yet, its number cannot have gone to somebody else's process group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            fork = self._forks.pop(pid)
            with contextlib.suppress(KeyError):
                self._selector.unregister(fork.connection)
            if fork.mark is not None:
                kill_adopted(fork.mark, but=self._forks)
            _send(fork.connection, {"status": os.waitstatus_to_exitcode(status)})
            fork.connection.close()

    def _abandoned(self, pid: int) -> None:
        fork = self._forks.get(pid)
        if fork is None or fork.connection.recv(1):
            return
        if fork.serves:
            self._selector.unregister(
                fork.connection
            )  # it has heard of it as well, and has to end others first
        else:
            _kill_group(pid)

    def _end_all(self) -> None:
        for pid in self._forks:
            _kill_group(pid)

    def _become(self, request: dict[str, Any], descriptors: list[int], connection: socket.socket) -> None:
        """Turn this fork into the process that was asked for. Does not return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            self._selector.close()
            self._listener.close()
            _own_descriptors(descriptors, connection.fileno() if request["kind"] == "server" else None)
            _own_state(request, _mark_place())
            code = _run(request)
        except SystemExit as stop:
            code = _exit_code(stop)
        except BaseException:  # noqa: BLE001 - the process's last words, as the interpreter prints them
            traceback.print_exc()
        finally:
            _leave(code)


def _own_descriptors(descriptors: list[int], source: int | None) -> None:
    """Standard streams (input is ``source``, else nothing), and nothing else of the server's."""
    os.dup2(os.open(os.devnull, os.O_RDONLY) if source is None else source, 0)
    os.dup2(descriptors[0], 1)
    os.dup2(descriptors[1], 2)
    os.closerange(3, max(int(name) for name in os.listdir("/proc/self/fd")) + 1)  # noqa: PTH208 - no paths wanted
    for name in ("stdin", "__stdin__"):
        setattr(sys, name, open(0, closefd=False))  # noqa: SIM115
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = open(  # noqa: SIM115
            number, "w", buffering=1, closefd=False, errors="backslashreplace" if number == 2 else "strict"
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _own_state(request: dict[str, Any], mark: tuple[int, int] | None) -> None:
    """What a new process would have of its own."""
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environment: dict[str, str] = request["environment"]
    os.environ.clear()
    os.environ.update(environment)
    if mark is not None and MARK in environment:
        place, length = mark
        # Where the system keeps this process's environment for others to see.
        ctypes.memmove(place, os.fsencode(environment[MARK])[:length].ljust(length), length)
    os.chdir(request["directory"])
    sys.path[:] = [
        *request.get("path", ()),
        *(entry for entry in sys.path if entry not in request.get("path", ())),
    ]
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    asyncio.set_event_loop(None)


def _run(request: dict[str, Any]) -> int:
    kind, arguments = request["kind"], request["arguments"]
    if kind == "server":
        serve_run(request["socket"], request["modules"])
        return 0
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    match kind:
        case "kernel":
            from ipykernel.kernelapp import IPKernelApp

            sys.argv = ["ipykernel_launcher", *arguments]
            IPKernelApp.launch_instance(argv=arguments)
            _answer_control(IPKernelApp.instance())
        case "module":
            sys.argv = ["-m", *arguments]
            runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        case _:
            from jupyter_kfp.engine.warm.kernels import use_forks

            use_forks(request["socket"])
            sys.argv = ["-c", *arguments]
            exec(compile(request["program"], "<string>", "exec"), main.__dict__)  # noqa: S102 - as `python -c` does
    return 0


def _answer_control(app: Any) -> None:
    """Let the control channel answer, and flush, while there is somebody who sends what it flushes.

    ipykernel (7.4, `IPKernelApp.close`) ends that one first; the channel then waits for ten seconds, and
    jupyter_client kills the kernel after two and a half of them.
    """
    thread = app.control_thread
    if thread is not None and thread.is_alive():
        thread.stop()
        thread.join(timeout=1)


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return int(stop.code or 0)
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _leave(code: int) -> None:
    """What the interpreter does at its end, without taking the server's objects apart."""
    with contextlib.suppress(BaseException):
        # What the interpreter calls when it ends; there is no public name for either.
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)


@cache
def _mark_place() -> tuple[int, int] | None:
    """Address and length of the value of ``MARK`` in the memory the system shows as this process's environment."""
    value = os.environb.get(MARK.encode())
    if value is None or sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_void_p
    place = library.getenv(MARK.encode())
    return (place, len(value)) if place else None


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _send(connection: socket.socket, answer: dict[str, int]) -> None:
    with contextlib.suppress(OSError):  # whoever asked may be gone
        connection.sendall(json.dumps(answer).encode() + b"\n")


def serve_run(path: str, modules: Sequence[str]) -> None:
    """What a fork that serves a run does: load ``modules`` and answer on the socket ``path``, then there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    loading.load(modules)
    _keep_what_is_loaded()
    adopt_orphans()
    server = Server(listener, parent=0)
    listener.bind(path)
    listener.listen(128)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve()


def _keep_what_is_loaded() -> None:
    """What is loaded by now lives as long as this process: a fork need not copy it to count it."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """Load, and serve those who wait already."""
    path, kind, descriptor = sys.argv[1:]
    _mark_place()  # while the environment is still where the system put it
    sys.path[0] = ""  # as for `python -c`
    # One thread, so that this process can fork: nothing may start others behind its back.
    loading.load(loading.FUNCTIONS if kind == "functions" else loading.NOTEBOOKS)
    if kind == "notebooks":
        loading.prepare()
    _keep_what_is_loaded()
    with socket.socket(fileno=int(descriptor)) as listener:
        Server(listener, patience=shared.seconds()).serve()
        # Who has connected just now gets no answer, and asks anew; who comes later starts another one.
        Path(path).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
