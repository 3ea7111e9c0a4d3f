"""What container engines answer when something does not work, in words that say what to do. Pure."""

from __future__ import annotations

import re

from jupyter_kfp.engine.containers.spec import ContainerSpec
from jupyter_kfp.errors import JupyterKfpError


class ContainerError(JupyterKfpError):
    """A container, its image or its engine is not there or does not work."""


def pull_failed(image: str, said: str) -> ContainerError:
    """Why an image could not be fetched, from what the engine said."""
    registry = registry_of(image)
    text = said.lower()
    if re.search(r"unauthori[sz]ed|denied|authentication required|no basic auth|forbidden|40[13]", text):
        return ContainerError(
            f"The registry {registry} does not give {image} to this user ({_short(said)}).",
            f"Log in with `docker login {registry}`, and check the image's name.",
        )
    if re.search(r"too ?many ?requests|rate limit|429", text):
        return ContainerError(
            f"The registry {registry} gives out no more images for now ({_short(said)}).",
            f"Log in with `docker login {registry}`, or try again later.",
        )
    if re.search(r"connection refused|no such host|i/o timeout|timeout|dial |network is|tls|x509|eof", text):
        return ContainerError(
            f"The image {image} is not on this machine, and its registry {registry} cannot be reached ({_short(said)}).",
            "Check the network, or build or load the image here.",
        )
    if re.search(
        r"not found|manifest unknown|name unknown|no such image|repository .* does not exist|404", text
    ):
        return ContainerError(
            f"There is no image {image} ({_short(said)}).", "Check its name and tag, or build it."
        )
    if "no space left" in text:
        return _full(said)
    return ContainerError(f"The image {image} cannot be fetched ({_short(said)}).", "Check its name.")


def missing_image(image: str) -> ContainerError:
    """An image that is not here and may not be fetched."""
    return ContainerError(
        f"The image {image} is not on this machine, and the step's pull policy is Never.",
        "Build or load it, or choose another policy.",
    )


def start_failed(spec: ContainerSpec, said: str) -> ContainerError:
    """Why a container could not be made or started, from what the engine said."""
    text = said.lower()
    # The engine names the program it tried, which is the image's own where the step names none.
    program = next(iter((*spec.command, *spec.args)), "")
    if re.search(
        r"executable file .*not found|command that was not found|exec: .*no such file or directory", text
    ):
        return ContainerError(
            f"The image {spec.image} has no program {program!r}."
            if program
            else f"It cannot start: {_short(said)}.",
            "Check the command, or choose an image that has it.",
        )
    if "no command" in text:
        return ContainerError(
            f"The image {spec.image} has no command of its own, and the step names none.", "Give it one."
        )
    if re.search(r"exec.*permission denied|permission denied.*exec", text):
        return ContainerError(
            f"The program {program!r} of the image {spec.image} may not be executed"
            + (f" by the user {spec.user}." if spec.user else "."),
            "Check the rights of the file in the image.",
        )
    if re.search(
        r"bind source path|statfs .*no such file|mount.*no such file|mounts denied|not shared from", text
    ):
        return ContainerError(
            f"The container engine does not see this machine's directories ({_short(said)}).",
            "It must run on this machine, and be allowed to share the directories of the package and the notebook.",
        )
    if re.search(r"range of cpus|cpus? .*(available|greater)|nano ?cpus", text):
        return ContainerError(
            f"The step asks for {spec.limits.cpus} cores, and this machine has fewer ({_short(said)}).",
            "Lower its cpu.",
        )
    if re.search(r"minimum memory|memory limit (is )?too low|memory.*allowed is", text):
        return ContainerError(f"The step's memory limit is too low ({_short(said)}).", "Raise its memory.")
    if re.search(r"device driver|cdi device|nvidia|/dev/kfd|gpu", text):
        return ContainerError(
            f"This machine's container engine has no {spec.limits.accelerator or 'GPU'} to give ({_short(said)}).",
            "Install the GPU's container toolkit, or run the step without gpu.",
        )
    if "no space left" in text:
        return _full(said)
    return ContainerError(f"The container cannot be started: {_short(said)}.", "Check the container engine.")


def lost(url: str, said: str) -> ContainerError:
    """The engine went away while a container ran."""
    return ContainerError(
        f"The container engine at {url} stopped answering ({_short(said)}).", "Start it, and run again."
    )


def killed(limit: int | None, *, sure: bool) -> str:
    """What is said of a container that was ended by SIGKILL; ``limit``: its memory in bytes."""
    if limit is None:
        return (
            "It was ended by the signal SIGKILL because memory ran out."
            if sure
            else "It was ended by the signal SIGKILL: somebody killed the container, or the machine ran out of memory."
        )
    size = f"{limit / (1 << 20):.0f} MiB"
    if sure:
        return f"It needed more memory than its limit of {size} and was ended. Raise its memory."
    return (
        f"It was ended by the signal SIGKILL, most likely because it needed more memory than its limit of {size}. "
        "Raise its memory."
    )


def registry_of(image: str) -> str:
    """The host that an image comes from; Docker's own where its name says none."""
    first, slash, _rest = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else "docker.io"


def _full(said: str) -> ContainerError:
    return ContainerError(
        f"The disk of the container engine is full ({_short(said)}).",
        "Free space, as with `docker system prune`.",
    )


def _short(said: str) -> str:
    text = " ".join(said.split()).rstrip(".")
    return text if len(text) <= 300 else text[:140] + " … " + text[-150:]
