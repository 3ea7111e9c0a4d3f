"""What executes steps: warm kernels and the container engine."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from jupyter_kfp.doctor.finding import Finding, error, off, ok, warning
from jupyter_kfp.engine.containers.failures import ContainerError
from jupyter_kfp.engine.marks import MARK
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.engine.warm import pool, shared

# A step as the compiler writes it begins so.
_PROGRAM = "# jupyter_kfp step\nprint('a fork of a warm server')"


def warm_server() -> Iterator[Finding]:
    """Start one as a run does, and have it fork a process."""
    check = "warm kernels"
    reason = shared.obstacle()
    if reason is not None:
        yield off(check, f"Every step starts its own Python, because {reason}.")
        return
    with tempfile.TemporaryDirectory() as place:
        directory, log = Path(place), Path(place) / "warm.txt"
        run_id = f"doctor-{secrets.token_hex(4)}"
        with closing(pool.WarmPool(run_id, log)) as warm, (directory / "out.txt").open("wb") as out:
            environment = {**os.environ, MARK: f"{run_id}/step/1"}
            fork = warm.start([sys.executable, "-c", _PROGRAM], directory, environment, out.fileno())
            code = fork.wait() if fork is not None else None
        said = (directory / "out.txt").read_text(encoding="utf-8", errors="replace")
        words = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if code == 0 and "a fork of a warm server" in said:
        yield ok(check, "a server starts and forks")
        return
    last = " ".join((words or said).strip().splitlines()[-1:]) or "no reason was given"
    remedy = f"Steps run all the same, more slowly; {shared.OFF}=0 switches it off. Look at what Python loads at its start."
    yield warning(check, f"The server does not work ({last}).", remedy)


def container_engine() -> Iterator[Finding]:
    """Whether Docker or Podman answers; a problem only where containers are wanted."""
    check = "containers"
    if find_spec("docker") is None:
        wanted = Runner.default() is Runner.CONTAINER
        yield (error if wanted else off)(
            check,
            "The Python package docker is not installed.",
            "pip install 'jupyter-kfp[containers]' brings it.",
        )
        return
    from jupyter_kfp.engine.containers.client import connect

    try:
        engine = connect()
    except ContainerError as problem:
        wanted = Runner.default() is Runner.CONTAINER
        yield (error if wanted else off)(check, problem.message, problem.remedy)
        return
    name = "Podman" if engine.facts.podman else "Docker"
    yield ok(
        check,
        f"{name} at {engine.url}, API {engine.api_version}{', rootless' if engine.facts.rootless else ''}",
    )
