"""Options of a step as calls that configure its task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_kfp.compiler import names, quantities
from jupyter_kfp.compiler.export.layout import Group, Item, call, literal
from jupyter_kfp.compiler.kubernetes import node_affinity
from jupyter_kfp.options import ConfigMap, Secret, StepOptions

_DEFAULT_ACCELERATOR = "nvidia.com/gpu"


def calls(options: StepOptions, task: str, *, container: bool = True) -> Iterator[Group]:
    """The calls for ``task``; ``container`` is False for a nested pipeline, which has none of its own."""
    if options.display_name:
        yield call(f"{task}.set_display_name", literal(options.display_name))
    if options.cache is not None or options.cache_key is not None:
        key: dict[str, Item] = {} if options.cache_key is None else {"cache_key": literal(options.cache_key)}
        yield call(f"{task}.set_caching_options", literal(options.cache is not False), **key)
    if not container:
        return
    yield from _resources(options, task)
    forbidden = {names.NO_PICKLE_VARIABLE: "1"} if options.pickle is False else {}
    for name, value in {**options.env, **forbidden}.items():
        yield call(f"{task}.set_env_variable", name=literal(name), value=literal(value))
    if options.retries:
        yield call(f"{task}.set_retry", **_retry(options))
    for function, arguments in (*_kubernetes(options), *_pairs(options)):
        yield call(f"kubernetes.{function}", task, **{k: literal(v) for k, v in arguments.items()})


def image_call(options: StepOptions, task: str) -> Iterator[Group]:
    """The call that gives somebody else's container another image."""
    if options.image:
        yield call(f"{task}.set_container_image", literal(options.image))


def _resources(options: StepOptions, task: str) -> Iterator[Group]:
    amounts = {
        "set_cpu_request": options.cpu_request and quantities.cpu(options.cpu_request),
        "set_cpu_limit": options.cpu and quantities.cpu(options.cpu),
        "set_memory_request": options.memory_request and quantities.memory(options.memory_request),
        "set_memory_limit": options.memory and quantities.memory(options.memory),
    }
    for method, amount in amounts.items():
        if amount:
            yield call(f"{task}.{method}", literal(amount))
    if options.gpu is not None:
        yield call(f"{task}.set_accelerator_type", literal(options.accelerator or _DEFAULT_ACCELERATOR))
        yield call(f"{task}.set_accelerator_limit", literal(options.gpu))


def _retry(options: StepOptions) -> dict[str, Item]:
    given = {
        "num_retries": options.retries,
        "backoff_duration": options.backoff and f"{options.backoff}s",
        "backoff_factor": options.backoff_factor,
        "backoff_max_duration": options.backoff_max and f"{options.backoff_max}s",
    }
    return {name: literal(value) for name, value in given.items() if value is not None}


def _kubernetes(options: StepOptions) -> Iterator[tuple[str, dict[str, Any]]]:
    """Functions of kfp-kubernetes with their arguments after the task."""
    for secret in options.secret:
        yield _reference("secret", secret)
    for config_map in options.configmap:
        yield _reference("config_map", config_map)
    for volume in options.volume:
        sub_path = {"sub_path": volume.sub_path} if volume.sub_path else {}
        yield "mount_pvc", {"pvc_name": volume.pvc, "mount_path": volume.mount_path, **sub_path}
    for number, scratch in enumerate(options.empty_dir, start=1):
        more = {"medium": scratch.medium or None, "size_limit": scratch.size}
        yield (
            "empty_dir_mount",
            _given({"volume_name": f"empty-dir-{number}", "mount_path": scratch.mount_path, **more}),
        )
    if options.shm is not None:
        place = "/dev/shm"  # noqa: S108 - the place of POSIX shared memory, not a scratch file
        shared = {"volume_name": "shm", "mount_path": place, "medium": "Memory", "size_limit": options.shm}
        yield "empty_dir_mount", shared
    for toleration in options.tolerations:
        yield "add_toleration", _given({**toleration.model_dump(), "key": toleration.key or None})
    if options.affinity:
        yield "add_node_affinity_json", {"node_affinity_json": node_affinity(options.affinity)}
    if options.image_pull_secret:
        yield "set_image_pull_secrets", {"secret_names": list(options.image_pull_secret)}
    if options.timeout is not None:
        yield "set_timeout", {"seconds": options.timeout}


def _pairs(options: StepOptions) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in options.node_selector.items():
        yield "add_node_selector", {"label_key": key, "label_value": value}
    for key, value in options.labels.items():
        yield "add_pod_label", {"label_key": key, "label_value": value}
    for key, value in options.annotations.items():
        yield "add_pod_annotation", {"annotation_key": key, "annotation_value": value}


def _reference(kind: str, reference: Secret | ConfigMap) -> tuple[str, dict[str, Any]]:
    optional = {"optional": True} if reference.optional else {}
    if reference.mount_path is not None:
        arguments = {f"{kind}_name": reference.name, "mount_path": reference.mount_path, **optional}
        return f"use_{kind}_as_volume", arguments
    keys = {f"{kind}_name": reference.name, f"{kind}_key_to_env": {reference.key: reference.env}, **optional}
    return f"use_{kind}_as_env", keys


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
