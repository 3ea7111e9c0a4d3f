"""The image that notebook steps start quickly in: what executing a notebook needs, and the packages one adds."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

from jupyter_kfp.engine.containers.client import Engine
from jupyter_kfp.engine.containers.failures import ContainerError, pull_failed, registry_of
from jupyter_kfp.engine.environments import RUNTIME_PACKAGES
from jupyter_kfp.errors import UsageError

# Where pip gets packages from; a build must know it, a finished image need not.
_INDEXES = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INSECURE_HOST",
)
_SECRET = re.compile(r"://[^/@\s]+@")


def default_tag() -> str:
    """The name of the runtime image of this version. ``localhost`` is no registry: it is never fetched."""
    return f"localhost/jupyter-kfp:{metadata.version('jupyter-kfp').replace('+', '-')}"


def default_base() -> str:
    """The image to build on: the Python that runs this, so that pickles are read by the version that wrote them."""
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def containerfile(base: str, packages: Sequence[str], *, version: str, arguments: Sequence[str] = ()) -> str:
    """How the image is made. ``packages``: pip requirements, besides what executing notebooks needs.

    ``arguments``: names of build arguments. Versions are those of this environment. uv installs, here and in steps
    that have packages of their own: it is many times faster than pip.
    """
    needed = [f"{name}=={metadata.version(name)}" for name in RUNTIME_PACKAGES]
    install = " ".join(shlex.quote(package) for package in (*needed, *packages))
    lines = [
        f"FROM {base}",
        f'LABEL jupyter-kfp.version="{version}"',
        # A distribution's Python is ours alone in here. Certificates are the image's.
        "ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore UV_BREAK_SYSTEM_PACKAGES=1 UV_NATIVE_TLS=1",
        *(f"ARG {name}" for name in arguments),
        f"RUN python3 -m pip install -q --no-cache-dir uv=={metadata.version('uv')}",
        f"RUN python3 -m uv pip install --system --no-cache --compile-bytecode {install}",
    ]
    return "\n".join(lines) + "\n"


def index_arguments(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The build arguments that let pip in the build use this user's index.

    Raises UsageError if one holds a password: an image's history shows the arguments it was built with.
    """
    found = {name: environment[name] for name in _INDEXES if environment.get(name)}
    if "PIP_INDEX_URL" in found and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & found.keys():
        found["UV_INDEX_URL"] = found["PIP_INDEX_URL"]
    for name, value in found.items():
        if _SECRET.search(value):
            raise UsageError(
                f"{name} holds credentials, which everybody who has the image could read in its history.",
                "Build with --print and a secret mount of your own, or unset it.",
            )
    return found


def build(
    engine: Engine,
    text: str,
    tag: str,
    say: Callable[[str], None],
    arguments: Mapping[str, str] | None = None,
) -> str:
    """Build an image from a Containerfile; ``say`` gets the output as it comes. Returns the image's id.

    Raises ContainerError with the end of the output.
    """
    import requests
    from docker.errors import DockerException

    client = engine.client()
    lines: list[str] = []
    try:
        for message in client.build(
            fileobj=_context(text),
            custom_context=True,
            dockerfile="Containerfile",
            tag=tag,
            rm=True,
            forcerm=True,
            decode=True,
            buildargs=dict(arguments or {}),
            network_mode="host",
            use_config_proxy=True,
        ):
            if "error" in message:
                raise _failed(text, str(message["error"]), lines)
            if message.get("stream"):
                lines.append(str(message["stream"]))
                say(lines[-1])
        return str(client.inspect_image(tag)["Id"])
    except (DockerException, requests.RequestException) as error:
        raise _failed(text, str(error), lines) from error
    finally:
        client.close()


def _context(text: str) -> io.BytesIO:
    """The build context: the Containerfile alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("Containerfile")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    packed.seek(0)
    return packed


def _failed(text: str, said: str, lines: Sequence[str]) -> ContainerError:
    base = text.partition("\n")[0].removeprefix("FROM ")
    if not any("RUN" in line for line in lines):
        return pull_failed(base, said)
    end = " | ".join(line.strip() for line in "".join(lines).splitlines()[-4:] if line.strip())
    return ContainerError(
        f"The image cannot be built on {base} ({' '.join(said.split())}). Its output ends with: {end}",
        f"Check the packages, and that {registry_of(base)} and the package index can be reached.",
    )
