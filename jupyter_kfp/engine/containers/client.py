"""Finding the container engine: Docker or Podman, through Docker's API."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine.containers.failures import ContainerError
from jupyter_kfp.engine.containers.spec import Facts

if TYPE_CHECKING:
    from docker import APIClient

# Starting a container on a machine full of steps is slow; a hung engine is told from that by patience only.
_PATIENCE = 300
_PING_SECONDS = 10
_WITHOUT = "Without one, leave out `--runner container`."


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answers at ``url``."""

    url: str
    api_version: str
    facts: Facts = field(default_factory=Facts)

    def client(self, timeout: float = _PATIENCE) -> APIClient:
        """A connection of one's own: for one thread."""
        from docker import APIClient

        return APIClient(**_arguments(self.url), version=self.api_version, timeout=timeout)


def connect(environment: Mapping[str, str] = os.environ) -> Engine:
    """The container engine of this user.

    Raises ContainerError saying where none was found, and what to start or install.
    """
    try:
        import docker  # noqa: F401
    except ImportError:
        raise ContainerError(
            "Steps cannot run in containers: the Python package docker is not installed.",
            "Install jupyter-kfp[containers].",
        ) from None
    tried: list[str] = []
    for url in places(environment, os.getuid() if hasattr(os, "getuid") else 0):
        why = _unusable(url)
        if why is None:
            try:
                return _ask(url)
            except ContainerError as error:
                why = error.message
        tried.append(f"{url} ({why})")
    raise _none(tried, environment)


def places(environment: Mapping[str, str], uid: int) -> Sequence[str]:
    """The URLs to look for an engine at, in this order. A place that the user names is the only one."""
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        if environment.get(variable):
            return [environment[variable]]
    own = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    found = [_context(environment), "unix:///var/run/docker.sock", f"unix://{own}/docker.sock"]
    found += [f"unix://{Path.home()}/.docker/run/docker.sock", f"unix://{own}/podman/podman.sock"]
    if uid == 0:
        found.append("unix:///run/podman/podman.sock")
    if sys.platform == "win32":
        found = [found[0], "npipe:////./pipe/docker_engine"]
    return list(dict.fromkeys(url for url in found if url))


def _context(environment: Mapping[str, str]) -> str:
    """The place that ``docker context use`` chose; empty for Docker's default."""
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_context(environment.get("DOCKER_CONTEXT") or None)
        return "" if context is None or context.Name == "default" else str(context.Host or "")
    except (DockerException, OSError, ValueError, KeyError):  # what is written there is the user's
        return ""


def _unusable(url: str) -> str | None:
    """Why there is no need to ask at a socket."""
    if not url.startswith("unix://"):
        return None
    path = Path(url.removeprefix("unix://"))
    try:
        if not path.exists():
            return "not there"
    except PermissionError:
        return "no permission"
    return None if os.access(path, os.W_OK) else "no permission"


def _ask(url: str) -> Engine:
    """The engine at a URL. Raises ContainerError saying why there is none."""
    import requests
    from docker import APIClient
    from docker.errors import DockerException

    try:
        client = APIClient(**_arguments(url), version="auto", timeout=_PING_SECONDS)
        try:
            return Engine(url, client.api_version, facts(client.info(), client.version()))
        finally:
            client.close()
    except (DockerException, requests.RequestException, OSError, ValueError) as error:
        raise ContainerError(_reason(error)) from error


def facts(info: Mapping[str, Any], version: Mapping[str, Any]) -> Facts:
    """What an engine says of itself (``GET /info``, ``GET /version``)."""
    options = [str(option).split(",")[0] for option in info.get("SecurityOptions") or ()]
    components = [str(component.get("Name", "")) for component in version.get("Components") or ()]
    return Facts(
        podman=any("podman" in name.lower() for name in components),
        rootless="name=rootless" in options,
        remapped="name=userns" in options,
        selinux="name=selinux" in options,
    )


def _arguments(url: str) -> dict[str, Any]:
    """How to reach a URL: with the certificates that the environment names, where it is DOCKER_HOST."""
    from docker.utils import kwargs_from_env

    if url == os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    return {"base_url": url}


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    for words, reason in (
        ("Connection refused", "nothing answers there"),
        ("No such file", "not there"),
        ("Permission denied", "no permission"),
        ("timed out", "it does not answer in time"),
    ):
        if words.lower() in text.lower():
            return reason
    return text[:200]


def _none(tried: Sequence[str], environment: Mapping[str, str]) -> ContainerError:
    message = f"No container engine answers. Looked at {'; '.join(tried)}."
    path = environment.get("PATH")
    if any("no permission" in place for place in tried):
        remedy = "Become a member of the engine's group (`sudo usermod -aG docker $USER`, then log in again)."
    elif environment.get("DOCKER_HOST") or environment.get("CONTAINER_HOST"):
        remedy = "Start that engine, or unset DOCKER_HOST and CONTAINER_HOST."
    elif shutil.which("podman", path=path):
        remedy = (
            "Start Podman's API: `systemctl --user start podman.socket`, or `podman system service --time=0 "
            "unix:///tmp/podman.sock` with DOCKER_HOST=unix:///tmp/podman.sock."
        )
    elif shutil.which("docker", path=path):
        remedy = (
            "Start Docker (`sudo systemctl start docker`, or Docker Desktop), or let DOCKER_HOST name it."
        )
    else:
        remedy = "Install Docker or Podman and start it."
    return ContainerError(message, f"{remedy} {_WITHOUT}")
