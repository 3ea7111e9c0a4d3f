"""A Podman of the tests' own, as `bash dev.sh containers` sets it up: its storage, settings and images."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from jupyter_kfp.engine.containers.client import Engine, connect
from jupyter_kfp.engine.containers.failures import ContainerError
from tests.integration.engine.conftest import home, run, store

__all__ = ["home", "run", "store"]

PLACE = (Path(__file__).parents[3] / ".containers").resolve()
BASE = "localhost/debian-python"


@pytest.fixture(scope="session")
def podman() -> Iterator[str]:
    """The URL of its Docker API; a service of this session's."""
    if not (PLACE / "ready").exists():
        unavailable = PLACE / "unavailable"
        why = (
            unavailable.read_text().strip()
            if unavailable.exists()
            else "`bash dev.sh containers` was not run"
        )
        pytest.skip(f"no containers: {why}")
    with tempfile.TemporaryDirectory(prefix="podman-") as directory:
        url = f"unix://{directory}/podman.sock"
        command = ["podman", "--root", f"{PLACE}/store", "--runroot", f"{PLACE}/run", "system", "service"]
        with Path(directory, "log.txt").open("wb") as log:
            service = subprocess.Popen(
                [*command, "--time=0", url],
                cwd=directory,  # where its monitors note that memory ran out
                env={**os.environ, "CONTAINERS_CONF": f"{PLACE}/containers.conf"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for(url, service, Path(directory, "log.txt"))
            yield url
        finally:
            service.terminate()
            service.wait()


def _wait_for(url: str, service: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and service.poll() is None:
        with contextlib.suppress(ContainerError):
            connect({"DOCKER_HOST": url})
            return
        time.sleep(0.05)
    pytest.fail(f"podman does not serve: {log.read_text()}")


@pytest.fixture
def engine(podman: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The container engine, which runs find, too."""
    monkeypatch.setenv("DOCKER_HOST", podman)
    return connect()


def containers_of(engine: Engine, run_id: str) -> Sequence[str]:
    """The names of the containers there are of a run, running or not."""
    with contextlib.closing(engine.client()) as client:
        found = client.containers(all=True, filters={"label": f"jupyter-kfp.run={run_id}"})
    return [name for container in found for name in container["Names"]]
