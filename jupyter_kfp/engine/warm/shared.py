"""The servers that all runs of a user share: where they are, for whom they are the right ones, how they start.

A server outlives the run that started it for a while (``JUPYTER_KFP_WARM_SECONDS``, by default 300), so that the
next run finds papermill and Jupyter loaded. It only ever forks: what a run executes belongs to a fork of its own.
Whoever starts one binds its socket first and hands it over: requests wait there until the server has loaded, and
nobody has to ask again and again whether it is ready.

There is one server for everything that a process has from where it was started and that a fork could not change:
its Python with the packages that are installed, its environment, limits, control group. Imports little: a command
starts a server before it imports anything else.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jupyter_kfp.engine.installed import installed_packages
from jupyter_kfp.engine.marks import MARK

OFF = "JUPYTER_KFP_WARM"
SECONDS = "JUPYTER_KFP_WARM_SECONDS"
MARK_LENGTH = 2048  # bytes of a server's environment that are kept free for the mark of a fork
_DEFAULT_SECONDS = 300.0
_BACKLOG = 128
# Unix refuses the socket's path where it is longer than some 100 bytes.
_LONGEST_PATH = 100
# What differs between two shells, or two tests, and no library reads when it is loaded.
_OWN_AFFAIRS = frozenset({"OLDPWD", "PWD", "SHLVL", "_", "COLUMNS", "LINES", "PYTEST_CURRENT_TEST", MARK})
_OURS = ("JUPYTER_KFP_", "KF_PIPELINES_")


def obstacle() -> str | None:
    """Why there can be no servers here, as the end of a sentence; None if there can."""
    if os.environ.get(OFF) == "0":
        return f"{OFF} is 0"
    if sys.platform != "linux":
        return f"forking is not safe on this system ({sys.platform})"
    return None


def prepare() -> None:
    """Let the server of notebook steps load while a run is being made ready that will need it. Does not wait."""
    if obstacle() is None and seconds() > 0:
        with suppress(OSError):  # the run will find out, and say so
            ensure("notebooks", sys.executable)


def seconds() -> float:
    """For how long a server without work stays; 0: it ends with the run. What is no number is the default."""
    try:
        return max(0.0, float(os.environ.get(SECONDS, _DEFAULT_SECONDS)))
    except ValueError:
        return _DEFAULT_SECONDS


def ensure(kind: str, executable: str) -> Path:
    """The socket of the server of this kind, which is started if there is none. Does not wait for it to be ready.

    Raises OSError if it cannot be started, or if there is no place for a socket that nobody else can reach.
    """
    path = _place() / _name(kind, executable)
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise OSError(f"{path} is too long for a socket; set JUPYTER_RUNTIME_DIR")
    if not _answers(path):
        with _lock(path.with_suffix(".lock")):
            if not _answers(path):
                _start(path, kind, executable)
    return path


def log_of(path: Path) -> Path:
    """What the server at a socket wrote; empty unless something is wrong."""
    return path.with_suffix(".log")


def _place() -> Path:
    """The directory of the sockets: whoever can write there could have his programs run by this user."""
    from jupyter_core.paths import jupyter_runtime_dir

    place = Path(jupyter_runtime_dir()) / "kfp"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = place.stat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PermissionError(f"{place} is not this user's alone")
    return place


def _answers(path: Path) -> bool:
    """Whether there is a server, ready or not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _start(path: Path, kind: str, executable: str) -> None:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, log_of(path).open("wb") as log:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        subprocess.Popen(  # it is nobody's child for long: whoever starts it may end before
            [executable, "-m", "jupyter_kfp.engine.warm.server", str(path), kind, str(listener.fileno())],
            cwd=path.parent,  # holds no modules that could hide others
            env={**os.environ, MARK: " " * MARK_LENGTH},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One at a time: held for as long as it takes to start a process."""
    import fcntl  # there is none on Windows, and no server

    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _name(kind: str, executable: str) -> str:
    """The socket's name: the same for those to whom the same server is as good as one of their own."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _OWN_AFFAIRS and not name.startswith(_OURS)
    }
    same = [kind, executable, sys.version, installed_packages(), environment, _code(), _inherited()]
    return f"{hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]}.sock"


def _code() -> list[list[object]]:
    """What tells this package's code from a later one: it may be edited where it is installed."""
    package = Path(__file__).parents[2]
    files = sorted(file for part in ("runtime", "engine/warm") for file in (package / part).glob("*.py"))
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _inherited() -> list[object]:
    """What a process has from the one that starts it, beside its environment."""
    import resource

    limits = [
        resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")
    ]
    found: list[object] = [os.getuid(), os.getgid(), sorted(os.getgroups()), limits]
    if sys.platform == "linux":
        group = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        found += [
            sorted(os.sched_getaffinity(0)),
            os.getpriority(os.PRIO_PROCESS, 0),
            os.sched_getscheduler(0),
            group,
        ]
    return found
