"""What the user has told Docker of private registries: ``docker login``'s file, and the helpers it names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_kfp.engine.containers.failures import ContainerError, registry_of


def config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where Docker's configuration is: ``DOCKER_CONFIG`` names its directory."""
    directory = environment.get("DOCKER_CONFIG")
    return Path(directory or Path.home() / ".docker") / "config.json"


def credentials(image: str, file: Path | None = None) -> dict[str, Any] | None:
    """What to show the registry of ``image``, as the Docker API takes it; None where nothing is known.

    The engine then looks for what it has itself, as Podman does. Raises ContainerError if the file or a
    helper cannot be read: without them the registry would only say that there is no such image.
    """
    from docker import auth
    from docker.errors import DockerException

    place = file or config_file()
    try:
        known = json.loads(place.read_text(encoding="utf-8"))
        config = auth.load_config(config_dict=dict(known)) if known else auth.AuthConfig({})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, DockerException) as error:
        raise ContainerError(
            f"Docker's configuration {place} cannot be read ({error}).", "Repair it, or log in again."
        ) from error
    registry = registry_of(image)
    try:
        found: dict[str, Any] | None = auth.resolve_authconfig(config, registry)
    except DockerException as error:
        raise ContainerError(
            f"The credentials for {registry} cannot be had from the helper that {place} names ({error}).",
            "Install that helper, or log in again.",
        ) from error
    return found or None
