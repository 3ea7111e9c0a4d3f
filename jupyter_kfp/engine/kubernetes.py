"""The part of an IR that only Kubernetes understands (``kubernetes_executor_config.proto`` of kfp-kubernetes).

What has a meaning on one machine is taken from it: secrets and ConfigMaps as environment variables, and
the deadline. Everything else is named, so that the user is told it had no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_kfp.engine.plan import SecretVariable

_HONOURED = frozenset({"secretAsEnv", "configMapAsEnv", "activeDeadlineSeconds"})
# What an option is called in this package, for the warning.
_NAMES = {
    "secretAsVolume": "secret (as files)",
    "configMapAsVolume": "configmap (as files)",
    "pvcMount": "volume",
    "emptyDirMounts": "empty_dir",
    "enabledSharedMemory": "shm",
    "nodeSelector": "node_selector",
    "nodeAffinity": "affinity",
    "podAffinity": "affinity",
    "imagePullSecret": "image_pull_secret",
    "imagePullPolicy": "image_pull_policy",
    "podMetadata": "labels or annotations",
    "fieldPathAsEnv": "env from the pod's fields",
    "genericEphemeralVolume": "ephemeral volume",
    "securityContext": "security context",
}


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """What the platform says of one executor."""

    secrets: tuple[SecretVariable, ...] = ()
    config: tuple[SecretVariable, ...] = ()
    timeout: float | None = None
    ignored: tuple[str, ...] = ()


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
    return PlatformConfig(
        executors={label: _executor(config) for label, config in executors.items()},
        ignored=tuple(sorted(key for key, value in (platform.get("pipelineConfig") or {}).items() if value)),
    )


def _executor(config: Mapping[str, Any]) -> ExecutorConfig:
    deadline = config.get("activeDeadlineSeconds")
    ignored = {_NAMES.get(key, key) for key, value in config.items() if value and key not in _HONOURED}
    return ExecutorConfig(
        secrets=_variables(config.get("secretAsEnv"), "secret"),
        config=_variables(config.get("configMapAsEnv"), "configMap"),
        timeout=float(deadline) if deadline else None,
        ignored=tuple(sorted(ignored)),
    )


def _variables(entries: Any, kind: str) -> tuple[SecretVariable, ...]:
    return tuple(
        SecretVariable(
            variable=pair["envVar"],
            source=_name(entry, kind),
            key=pair[f"{kind}Key"],
            optional=bool(entry.get("optional", False)),
        )
        for entry in entries or ()
        for pair in entry.get("keyToEnv") or ()
    )


def _name(entry: Mapping[str, Any], kind: str) -> str:
    """The name of a Secret or ConfigMap; empty where only the run will tell."""
    constant = ((entry.get(f"{kind}NameParameter") or {}).get("runtimeValue") or {}).get("constant")
    return str(entry.get(f"{kind}Name") or constant or "")
