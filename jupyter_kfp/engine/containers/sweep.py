"""Removing the containers of engines that are gone: of one run (by its guard), or of any that died unguarded."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jupyter_kfp.engine.containers.client import Engine, connect
from jupyter_kfp.engine.containers.failures import lost
from jupyter_kfp.engine.containers.spec import ENGINE, HOME, RUN
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import liveness

if TYPE_CHECKING:
    from docker import APIClient

# A process's start is computed from the time since boot, which moves when the clock is set.
_TOLERANCE = 2.0


def identity(pid: int) -> str:
    """A process of this machine, told from later ones with its number: ``HOST PID START``."""
    process = liveness.process_id(pid)
    return f"{socket.gethostname()} {pid} {process.pid_started if process else 0.0:.2f}"


def is_dead(engine: str) -> bool:
    """Whether the process with this identity is known to be gone; of another machine nothing is known."""
    try:
        host, pid, started = engine.rsplit(" ", 2)
        process = liveness.process_id(int(pid))
        return host == socket.gethostname() and (
            process is None or abs(process.pid_started - float(started)) > _TOLERANCE
        )
    except ValueError:  # not written by us
        return False


def remove_run(engine: Engine, run_id: str) -> int:
    """Remove all containers of a run, whose engine is dead. Returns how many there were."""
    return _remove(engine, f"{RUN}={run_id}", lambda _labels: True)


def remove_orphans(engine: Engine, home: str) -> int:
    """Remove the containers of all runs of ``home`` (the store's place) whose engines are dead."""
    return _remove(engine, f"{HOME}={home}", lambda labels: is_dead(labels.get(ENGINE, "")))


def _remove(engine: Engine, label: str, belongs: Callable[[Mapping[str, str]], bool]) -> int:
    import requests
    from docker.errors import DockerException

    removed = 0
    try:
        with contextlib.closing(engine.client()) as client:
            for container in client.containers(all=True, filters={"label": label}):
                if belongs(container.get("Labels") or {}):
                    removed += discard(client, container["Id"])
    except (DockerException, requests.RequestException) as error:
        raise lost(engine.url, str(error)) from error
    return removed


def discard(client: APIClient, container: str) -> bool:
    """Remove a container, running or not, at once. False if somebody else has done so."""
    from docker.errors import APIError

    with contextlib.suppress(
        APIError
    ):  # it does not run; else Podman's removal would ask it to end, and wait
        client.kill(container, "SIGKILL")
    try:
        client.remove_container(container, force=True, v=True)
    except APIError:
        return False
    return True


def main(run_id: str) -> int:
    """``python -m jupyter_kfp.engine.containers.sweep RUN_ID``: what the guard of a dead engine calls."""
    try:
        remove_run(connect(), run_id)
    except JupyterKfpError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the engine's log)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
