"""The part of an IR that only Kubernetes understands (``kubernetes_executor_config.proto`` of kfp-kubernetes).

What has a meaning on one machine is taken from it: secrets, ConfigMaps and the pod's own labels and annotations as
environment variables, and the deadline. Everything else is named, so that the user is told it had no effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_kfp.engine.plan import Scratch, SecretVariable

_HONOURED = frozenset({"secretAsEnv", "configMapAsEnv", "activeDeadlineSeconds", "fieldPathAsEnv"})
# The fields of a pod that the IR itself fills, as Kubernetes' downward API names them.
_POD_FIELD = re.compile(r"metadata\.(annotations|labels)\['([^']*)'\]")
# What an option is called in this package, for the warning.
_NAMES = {
    "secretAsVolume": "secret (as files)",
    "configMapAsVolume": "configmap (as files)",
    "pvcMount": "volume",
    "enabledSharedMemory": "shm",
    "nodeSelector": "node_selector",
    "nodeAffinity": "affinity",
    "podAffinity": "affinity",
    "imagePullSecret": "image_pull_secret",
    "imagePullPolicy": "image_pull_policy",
    "genericEphemeralVolume": "ephemeral volume",
    "securityContext": "security context",
}

_OF_THE_RUN = {"serviceAccount": "service_account"}
# The scratch directory that stands for the option `shm`.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the place of POSIX shared memory, not a scratch file


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """What the platform says of one executor."""

    secrets: tuple[SecretVariable, ...] = ()
    config: tuple[SecretVariable, ...] = ()
    timeout: float | None = None
    ignored: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    pull_policy: str = ""
    scratch: tuple[Scratch, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlatformConfig:
    """What the platform says of the pipeline and its executors."""

    executors: Mapping[str, ExecutorConfig] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def executor(self, label: str) -> ExecutorConfig:
        """The configuration of one executor, empty if there is none."""
        return self.executors.get(label, ExecutorConfig())


def platform_config(document: Mapping[str, Any]) -> PlatformConfig:
    """Read the second document of an IR."""
    platform = (document.get("platforms") or {}).get("kubernetes") or {}
    executors = (platform.get("deploymentSpec") or {}).get("executors") or {}
    settings = platform.get("pipelineConfig") or {}
    # What our compiler leaves for whoever starts the run on a cluster.
    of_the_run = platform.get("config") or {}
    named = [_OF_THE_RUN.get(key, key) for key, value in of_the_run.items() if value]
    return PlatformConfig(
        executors={label: _executor(config) for label, config in executors.items()},
        ignored=tuple(
            sorted({*named, *(key for key, value in settings.items() if value and key != "workspace")})
        ),
    )


def _executor(config: Mapping[str, Any]) -> ExecutorConfig:
    deadline = config.get("activeDeadlineSeconds")
    ignored = {
        name
        for key, value in config.items()
        if value and key not in _HONOURED
        for name in _options(key, value)
    }
    metadata = config.get("podMetadata") or {}
    env: dict[str, str] = {}
    for entry in config.get("fieldPathAsEnv") or ():
        wanted = _POD_FIELD.fullmatch(entry["fieldPath"])
        if wanted is None:
            ignored.add(f"{entry['name']} from the pod's {entry['fieldPath']}")
        else:  # what is not set is empty, as in a pod
            env[entry["name"]] = str((metadata.get(wanted[1]) or {}).get(wanted[2], ""))
    return ExecutorConfig(
        secrets=_variables(config.get("secretAsEnv"), "secret"),
        config=_variables(config.get("configMapAsEnv"), "configMap"),
        timeout=float(deadline) if deadline else None,
        ignored=tuple(sorted(ignored)),
        env=env,
        pull_policy=str(config.get("imagePullPolicy") or ""),
        scratch=_scratch(config),
        labels={str(name): str(value) for name, value in (metadata.get("labels") or {}).items()},
    )


def _scratch(config: Mapping[str, Any]) -> tuple[Scratch, ...]:
    """The empty directories, shared memory among them."""
    found = [
        Scratch(mount["mountPath"], str(mount.get("sizeLimit") or ""), mount.get("medium") == "Memory")
        for mount in config.get("emptyDirMounts") or ()
    ]
    shared = config.get("enabledSharedMemory")
    if shared:
        found.append(Scratch(_SHARED_MEMORY, str(shared.get("size") or ""), in_memory=True))
    return tuple(found)


def _options(key: str, value: Any) -> list[str]:
    """What the options are called that a field of the configuration stands for."""
    match key:
        case "podMetadata":
            return [name for name in ("labels", "annotations") if value.get(name)]
        case "emptyDirMounts":
            return ["shm" if mount.get("mountPath") == _SHARED_MEMORY else "empty_dir" for mount in value]
        case _:
            return [_NAMES.get(key, key)]


def _variables(entries: Any, kind: str) -> tuple[SecretVariable, ...]:
    return tuple(
        SecretVariable(
            variable=pair["envVar"],
            source=_name(entry, kind),
            key=pair[f"{kind}Key"],
            optional=bool(entry.get("optional", False)),
            parameter=(entry.get(f"{kind}NameParameter") or {}).get("componentInputParameter"),
        )
        for entry in entries or ()
        for pair in entry.get("keyToEnv") or ()
    )


def _name(entry: Mapping[str, Any], kind: str) -> str:
    """The name of a Secret or ConfigMap; empty where only the run will tell."""
    constant = ((entry.get(f"{kind}NameParameter") or {}).get("runtimeValue") or {}).get("constant")
    return str(entry.get(f"{kind}Name") or constant or "")
