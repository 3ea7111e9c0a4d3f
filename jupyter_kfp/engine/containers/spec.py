"""What a container is to be, as values, and as the body of the Docker API's ``POST /containers/create``. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from jupyter_kfp.engine.plan import Resources, Scratch
from jupyter_kfp.errors import JupyterKfpError

# The labels that tell whose a container is.
LABEL = "jupyter-kfp"
RUN, TASK, ATTEMPT, PIPELINE, ENGINE, HOME = (
    f"{LABEL}.{name}" for name in ("run", "task", "attempt", "pipeline", "engine", "home")
)
_LONGEST_NAME = 100
_QUANTITY = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:[eE]\d+)?)(?P<suffix>m|[kKMGTPE]i?)?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters of a container engine.

    ``rootless``: root in a container is the user outside. ``remapped``: it gives users in containers other numbers
    by itself. ``selinux``: it labels what containers may touch.
    """

    podman: bool = False
    rootless: bool = False
    remapped: bool = False
    selinux: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory of this machine that a container sees, at the same path."""

    path: Path
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use: cores, bytes, GPUs. None: as much as there is."""

    cpus: Decimal | None = None
    cpu_request: Decimal | None = None
    memory: int | None = None
    memory_request: int | None = None
    gpus: int = 0
    accelerator: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container. ``command`` empty: the image's own; ``user`` and ``directory`` None likewise."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    user: str | None = None
    mounts: tuple[Mount, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    pull_policy: str = ""


def container_name(run_id: str, path: str, number: int) -> str:
    """The name of the container of one attempt: the same every time, and unlike that of any other attempt."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", path).strip("-")[:_LONGEST_NAME]
    if slug != path:
        slug += "-" + hashlib.sha256(path.encode()).hexdigest()[:8]
    return f"jupyter-kfp-{run_id}-{slug}-{number}"


def user_of(facts: Facts, uid: int, gid: int, platform: str) -> str | None:
    """Who a container is, so that what it writes is the user's, and what the user wrote can be read.

    Root in a rootless engine is the user. Desktop engines (macOS, Windows) translate owners themselves.
    """
    if platform != "linux":
        return None
    return "0:0" if facts.rootless else f"{uid}:{gid}"


def user_variables(user: str | None) -> dict[str, str]:
    """What a user whom the image does not know needs: a home to write to, and a name."""
    return {} if user is None or user.startswith("0:") else {"HOME": "/tmp", "USER": "jupyter"}  # noqa: S108


def limits_of(resources: Resources) -> Limits:
    """Kubernetes' quantities as numbers. Raises JupyterKfpError naming one that is none."""
    count = _amount("the number of accelerators", resources.accelerators)
    return Limits(
        cpus=_amount("cpu", resources.cpu),
        cpu_request=_amount("cpu_request", resources.cpu_request),
        memory=_bytes("memory", resources.memory),
        memory_request=_bytes("memory_request", resources.memory_request),
        gpus=int(count) if count is not None else int(bool(resources.accelerator)),
        accelerator=resources.accelerator,
    )


def _amount(what: str, text: str) -> Decimal | None:
    if not text:
        return None
    parts = _QUANTITY.fullmatch(text)
    if parts is None:
        raise JupyterKfpError(f"{text!r} is no {what}.", "Write it as Kubernetes does: 500m, 2, 512Mi, 8G.")
    number, suffix = Decimal(parts["number"]), parts["suffix"]
    match suffix:
        case None:
            return number
        case "m":
            return number / 1000
        case _:
            return number * Decimal(1024 if suffix.endswith("i") else 1000) ** _POWERS[suffix[0]]


def _bytes(what: str, text: str) -> int | None:
    amount = _amount(what, text)
    return None if amount is None else int(amount)


def mounts_of(read: Iterable[Path], written: Iterable[Path]) -> tuple[Mount, ...]:
    """Mounts of paths that exist: each once, writable where it is written, outer ones first."""
    writable = set(written)
    paths = sorted(writable | set(read))
    kept: list[Mount] = []
    for path in paths:
        if not path.exists():
            continue
        # What lies in a directory that is mounted the same way is there already.
        around = next((mount for mount in reversed(kept) if path.is_relative_to(mount.path)), None)
        if around is None or (path in writable and not around.writable):
            kept.append(Mount(path, path in writable))
    return tuple(kept)


def create_body(spec: ContainerSpec, facts: Facts) -> dict[str, Any]:
    """The arguments of ``docker.APIClient.create_container``, its ``host_config`` as the API has it.

    Raises JupyterKfpError for accelerators that the engine cannot give.
    """
    limits = spec.limits
    host: dict[str, Any] = {
        "Mounts": [
            {"Type": "bind", "Source": str(m.path), "Target": str(m.path), "ReadOnly": not m.writable}
            for m in spec.mounts
        ],
        # What a container prints is read from it directly.
        "LogConfig": {"Type": "none"},
    }
    if limits.cpus is not None:
        host["NanoCpus"] = int(limits.cpus * 10**9)
    if limits.cpu_request is not None:  # as the kubelet weighs it
        host["CpuShares"] = max(2, int(limits.cpu_request * 1024))
    if limits.memory is not None:
        # A limit of both is a limit: no swap on top.
        host["Memory"] = host["MemorySwap"] = limits.memory
    if limits.memory_request is not None and limits.memory_request != limits.memory:
        host["MemoryReservation"] = limits.memory_request
    host |= _scratch(spec.scratch) | _accelerators(limits, facts)
    if facts.selinux:
        host["SecurityOpt"] = ["label=disable"]  # else it may not touch what belongs to the user
    if facts.remapped:
        host["UsernsMode"] = "host"
    return {
        "image": spec.image,
        "name": spec.name,
        "entrypoint": list(spec.command) or None,
        "command": list(spec.args) or None,
        "environment": dict(spec.environment),
        "working_dir": None if spec.directory is None else str(spec.directory),
        "user": spec.user,
        "labels": dict(spec.labels),
        "host_config": host,
    }


def _scratch(scratch: Sequence[Scratch]) -> dict[str, Any]:
    """Empty directories: in memory, they are as large as they are said to be; on disk, as the disk has room."""
    host: dict[str, Any] = {"Tmpfs": {}}
    for directory in scratch:
        size = _bytes("size", directory.size)
        if directory.path == "/dev/shm":  # noqa: S108 (the place of POSIX shared memory)
            host["ShmSize"] = size or 64 << 20
        else:
            host["Tmpfs"][directory.path] = f"rw,mode=1777{f',size={size}' if size else ''}"
    return host if host["Tmpfs"] else {key: value for key, value in host.items() if key != "Tmpfs"}


def _accelerators(limits: Limits, facts: Facts) -> dict[str, Any]:
    if not limits.gpus:
        return {}
    kind = limits.accelerator.lower()
    if facts.podman:
        raise JupyterKfpError(
            f"Podman does not hand on {limits.accelerator or 'GPUs'} asked for through its API.",
            "Use Docker, or run the step with `--runner process`.",
        )
    if "nvidia" in kind:
        request = {
            "Driver": "",
            "Count": limits.gpus,
            "DeviceIDs": [],
            "Capabilities": [["gpu"]],
            "Options": {},
        }
        return {"DeviceRequests": [request]}
    if kind.startswith("amd.com/"):
        devices = ("/dev/kfd", "/dev/dri")
        return {
            "Devices": [
                {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"} for path in devices
            ]
        }
    raise JupyterKfpError(
        f"A container of this machine cannot be given {limits.accelerator!r}.",
        "Ask for nvidia.com/gpu or amd.com/gpu, or run the pipeline on a cluster.",
    )
