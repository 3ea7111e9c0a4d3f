"""The options of a step that only Kubernetes knows, as kfp-kubernetes writes them.

The messages are filled directly instead of by ``kfp.kubernetes``' functions: importing those loads
the whole Kubernetes client (0.9 s). A test compares the two, option by option.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from jupyter_kfp.compiler import lazy_kfp
from jupyter_kfp.compiler.names import READ_ONLY_ANNOTATION
from jupyter_kfp.compiler.values import to_value
from jupyter_kfp.options import ConfigMap, Secret, StepOptions

PLATFORM = "kubernetes"

NODE_AFFINITY_KEYS = frozenset(
    {"requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"}
)

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the place of POSIX shared memory, not a scratch file


def platform_config(options: StepOptions) -> dict[str, Any]:
    """The step's KubernetesExecutorConfig as the JSON-like dict kfp keeps on a task; empty if there is nothing to say."""
    if not _needed(options):
        return {}
    from google.protobuf import json_format

    pb = lazy_kfp.import_kubernetes_messages()
    message = pb.KubernetesExecutorConfig()
    _secrets(message, pb, options.secret)
    _config_maps(message, pb, options.configmap)
    _volumes(message, options)
    _scheduling(message, options)
    _metadata(message, options)
    for name in options.image_pull_secret:
        # The deprecated plain field beside each parameter is what older KFP backends read.
        message.image_pull_secret.add(secret_name=name, secret_name_parameter=_constant(name))
    if options.timeout is not None:
        message.active_deadline_seconds = options.timeout
    config: dict[str, Any] = json_format.MessageToDict(message)
    return config


def node_affinity(affinity: dict[str, Any]) -> dict[str, Any]:
    """The NodeAffinity in an ``affinity`` option, which may also be wrapped as in a pod's ``affinity``.

    Raises:
        ValueError: it asks for what KFP cannot express.
    """
    node = affinity.get("nodeAffinity", affinity) if set(affinity) == {"nodeAffinity"} else affinity
    unknown = sorted(set(node) - NODE_AFFINITY_KEYS) if isinstance(node, dict) else [repr(node)]
    if unknown:
        raise ValueError(
            f"affinity has {', '.join(unknown)}; KFP knows {', '.join(sorted(NODE_AFFINITY_KEYS))}"
        )
    return node


def _needed(options: StepOptions) -> bool:
    return bool(
        options.secret
        or options.configmap
        or options.volume
        or options.empty_dir
        or options.shm
        or options.node_selector
        or options.tolerations
        or options.affinity
        or options.labels
        or options.annotations
        or options.image_pull_secret
        or options.timeout is not None
    )


def _constant(value: Any) -> Any:
    """``value`` as the constant of an InputParameterSpec."""
    from kfp.pipeline_spec import pipeline_spec_pb2

    parameter = pipeline_spec_pb2.TaskInputsSpec.InputParameterSpec()
    parameter.runtime_value.constant.CopyFrom(to_value(value))
    return parameter


def _secrets(message: Any, pb: ModuleType, secrets: tuple[Secret, ...]) -> None:
    for secret in secrets:
        named = {"secret_name": secret.name, "secret_name_parameter": _constant(secret.name)}
        if secret.mount_path is not None:
            message.secret_as_volume.add(mount_path=secret.mount_path, optional=secret.optional, **named)
        else:
            entry = pb.SecretAsEnv.SecretKeyToEnvMap(secret_key=secret.key, env_var=secret.env)
            message.secret_as_env.add(key_to_env=[entry], optional=secret.optional, **named)


def _config_maps(message: Any, pb: ModuleType, config_maps: tuple[ConfigMap, ...]) -> None:
    for config_map in config_maps:
        named = {"config_map_name": config_map.name, "config_map_name_parameter": _constant(config_map.name)}
        if config_map.mount_path is not None:
            message.config_map_as_volume.add(
                mount_path=config_map.mount_path, optional=config_map.optional, **named
            )
        else:
            entry = pb.ConfigMapAsEnv.ConfigMapKeyToEnvMap(
                config_map_key=config_map.key, env_var=config_map.env
            )
            message.config_map_as_env.add(key_to_env=[entry], optional=config_map.optional, **named)


def _volumes(message: Any, options: StepOptions) -> None:
    for volume in options.volume:
        message.pvc_mount.add(
            mount_path=volume.mount_path,
            sub_path=volume.sub_path,
            constant=volume.pvc,
            pvc_name_parameter=_constant(volume.pvc),
        )
    for number, scratch in enumerate(options.empty_dir, start=1):
        message.empty_dir_mounts.add(
            volume_name=f"empty-dir-{number}",
            mount_path=scratch.mount_path,
            medium=scratch.medium or None,
            size_limit=scratch.size,
        )
    if options.shm is not None:
        # The schema also has enabled_shared_memory, but KFP's driver does not read it
        # (backend/src/v2/driver/k8s.go, extendPodSpecPatch); this has the same effect and works.
        message.empty_dir_mounts.add(
            volume_name="shm", mount_path=_SHARED_MEMORY, medium="Memory", size_limit=options.shm
        )


def _scheduling(message: Any, options: StepOptions) -> None:
    message.node_selector.labels.update(options.node_selector)
    if not options.node_selector:
        message.ClearField("node_selector")
    for toleration in options.tolerations:
        message.tolerations.add(
            key=toleration.key or None,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.toleration_seconds,
        )
    if options.affinity:
        message.node_affinity.add(node_affinity_json=_constant(node_affinity(options.affinity)))


def _metadata(message: Any, options: StepOptions) -> None:
    annotations = dict(options.annotations)
    read_only = [volume.mount_path for volume in options.volume if volume.read_only]
    if read_only:
        # KFP mounts claims writable, whatever one says; what was asked for stays visible.
        annotations[READ_ONLY_ANNOTATION] = ",".join(read_only)
    if options.labels:
        message.pod_metadata.labels.update(options.labels)
    if annotations:
        message.pod_metadata.annotations.update(annotations)
