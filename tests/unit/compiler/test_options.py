"""Every option has its place in the IR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jupyter_kfp.compiler import compile_pipeline, diagnose
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.options import PipelineOptions, StepOptions
from jupyter_kfp.pipeline import Code, Output, Pipeline, Step

from .cases import FLOAT, Compiled, compiled, one_step

pytestmark = pytest.mark.usefixtures("plain_payload")

AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
    },
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}
    ],
}

Place = Callable[[Compiled], Any]


def resources(ir: Compiled) -> dict[str, Any]:
    return ir.container("train")["resources"]


def kubernetes(key: str) -> Place:
    return lambda ir: ir.kubernetes("train")[key]


def constant(text: str) -> dict[str, Any]:
    return {"runtimeValue": {"constant": text}}


# option -> (options to give, where it must be found, what must be there)
PLACES: dict[str, tuple[dict[str, Any], Place, Any]] = {
    "image": ({"image": "me/my:1"}, lambda ir: ir.container("train")["image"], "me/my:1"),
    "packages": ({"packages": "a>=1 b"}, lambda ir: ir.container("train")["args"][1], '["a>=1", "b"]'),
    "cpu": (
        {"cpu": "500m"},
        resources,
        {"cpuLimit": 0.5, "cpuRequest": 0.5, "resourceCpuLimit": "500m", "resourceCpuRequest": "500m"},
    ),
    "cpu_request": (
        {"cpu": 2, "cpu_request": "0.5"},
        resources,
        {"cpuLimit": 2.0, "cpuRequest": 0.5, "resourceCpuLimit": "2", "resourceCpuRequest": "0.5"},
    ),
    "memory": (
        {"memory": "8G"},
        resources,
        {
            "memoryLimit": 8.0,
            "memoryRequest": 8.0,
            "resourceMemoryLimit": "8G",
            "resourceMemoryRequest": "8G",
        },
    ),
    "memory_request": (
        {"memory_request": "1.5Gi"},
        resources,
        {"memoryRequest": 1.610612736, "resourceMemoryRequest": "1610612736"},
    ),
    "gpu": (
        {"gpu": 2},
        lambda ir: resources(ir)["accelerator"],
        {"count": "2", "resourceCount": "2", "resourceType": "nvidia.com/gpu", "type": "nvidia.com/gpu"},
    ),
    "accelerator": (
        {"gpu": 1, "accelerator": "amd.com/gpu"},
        lambda ir: resources(ir)["accelerator"]["resourceType"],
        "amd.com/gpu",
    ),
    "retries": ({"retries": 3}, lambda ir: ir.task("train")["retryPolicy"]["maxRetryCount"], 3),
    "backoff": (
        {"retries": 1, "backoff": "90s"},
        lambda ir: ir.task("train")["retryPolicy"]["backoffDuration"],
        "90s",
    ),
    "backoff_factor": (
        {"retries": 1, "backoff_factor": 1.5},
        lambda ir: ir.task("train")["retryPolicy"]["backoffFactor"],
        1.5,
    ),
    "backoff_max": (
        {"retries": 1, "backoff_max": "2h"},
        lambda ir: ir.task("train")["retryPolicy"]["backoffMaxDuration"],
        "7200s",
    ),
    "timeout": ({"timeout": "15m"}, kubernetes("activeDeadlineSeconds"), "900"),
    "cache": ({"cache": "24h"}, lambda ir: ir.env("train"), {"JUPYTER_KFP_CACHE_TTL": "86400"}),
    "cache_key": (
        {"cache_key": "v1 'x'"},
        lambda ir: ir.task("train")["cachingOptions"],
        {"enableCache": True, "cacheKey": "v1 'x'"},
    ),
    "pickle": ({"pickle": "off"}, lambda ir: ir.env("train"), {"JUPYTER_KFP_NO_PICKLE": "1"}),
    "env": ({"env": {"A": "1"}}, lambda ir: ir.container("train")["env"], [{"name": "A", "value": "1"}]),
    "secret": (
        {"secret": [{"name": "s", "key": "k", "env": "E", "optional": True}]},
        kubernetes("secretAsEnv"),
        [
            {
                "secretName": "s",
                "secretNameParameter": constant("s"),
                "keyToEnv": [{"secretKey": "k", "envVar": "E"}],
                "optional": True,
            }
        ],
    ),
    "configmap": (
        {"configmap": "c=/etc/c"},
        kubernetes("configMapAsVolume"),
        [
            {
                "configMapName": "c",
                "configMapNameParameter": constant("c"),
                "mountPath": "/etc/c",
                "optional": False,
            }
        ],
    ),
    "volume": (
        {"volume": "data/sub/path=/data:rw"},
        kubernetes("pvcMount"),
        [
            {
                "constant": "data",
                "pvcNameParameter": constant("data"),
                "mountPath": "/data",
                "subPath": "sub/path",
            }
        ],
    ),
    "empty_dir": (
        {"empty_dir": ["/scratch:10Gi:Memory", "/tmp/x"]},
        kubernetes("emptyDirMounts"),
        [
            {"volumeName": "empty-dir-1", "mountPath": "/scratch", "sizeLimit": "10Gi", "medium": "Memory"},
            {"volumeName": "empty-dir-2", "mountPath": "/tmp/x"},
        ],
    ),
    "shm": (
        {"shm": "2Gi"},
        kubernetes("emptyDirMounts"),
        [{"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "2Gi"}],
    ),
    "node_selector": ({"node_selector": "disk=ssd"}, kubernetes("nodeSelector"), {"labels": {"disk": "ssd"}}),
    "tolerations": (
        {"tolerations": ["spot=true:NoSchedule", {"operator": "Exists", "tolerationSeconds": 60}]},
        kubernetes("tolerations"),
        [
            {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
            {"operator": "Exists", "tolerationSeconds": "60"},
        ],
    ),
    "affinity": (
        {"affinity": {"nodeAffinity": AFFINITY}},
        kubernetes("nodeAffinity"),
        [{"nodeAffinityJson": {"runtimeValue": {"constant": AFFINITY}}}],
    ),
    "labels": ({"labels": "a=b"}, kubernetes("podMetadata"), {"labels": {"a": "b"}}),
    "annotations": ({"annotations": "a=b c"}, kubernetes("podMetadata"), {"annotations": {"a": "b c"}}),
    "image_pull_secret": (
        {"image_pull_secret": "regcred"},
        kubernetes("imagePullSecret"),
        [{"secretName": "regcred", "secretNameParameter": constant("regcred")}],
    ),
    "service_account": (
        {"service_account": "trainer"},
        lambda ir: ir.platform["platforms"]["kubernetes"]["config"],
        {"serviceAccount": "trainer"},
    ),
    "display_name": ({"display_name": "Fit it"}, lambda ir: ir.task("train")["taskInfo"]["name"], "Fit it"),
    "outputs": (
        {"outputs": {"accuracy": "float"}},
        lambda ir: ir.component("train")["outputDefinitions"]["parameters"],
        {"accuracy": {"parameterType": "NUMBER_DOUBLE"}},
    ),
}


@pytest.mark.parametrize("option", StepOptions.model_fields)
def test_every_step_option_has_its_place(option: str) -> None:
    assert option in PLACES, f"the option {option} has no place in the IR"
    given, place, expected = PLACES[option]
    assert option in given
    assert place(compiled(one_step(**given))) == expected


PIPELINE_PLACES: dict[str, tuple[str, Place]] = {
    "name": ("My pipeline", lambda ir: ir.spec["pipelineInfo"]["displayName"]),
    "description": ("It's one.", lambda ir: ir.spec["pipelineInfo"]["description"]),
    "experiment": ("demo", lambda ir: ir.platform["platforms"]["kubernetes"]["config"]["experiment"]),
    "pipeline_root": ("s3://b/r", lambda ir: ir.spec["defaultPipelineRoot"]),
    "service_account": ("sa", lambda ir: ir.platform["platforms"]["kubernetes"]["config"]["serviceAccount"]),
}


@pytest.mark.parametrize("option", PipelineOptions.model_fields)
def test_every_pipeline_option_has_its_place(option: str) -> None:
    assert option in PIPELINE_PLACES, f"the option {option} has no place in the IR"
    value, place = PIPELINE_PLACES[option]
    pipeline = replace(one_step(), options=PipelineOptions(**{option: value}))
    assert place(compiled(pipeline)) == value


def test_no_platform_document_without_platform_options() -> None:
    assert compiled(one_step(cpu=1, retries=1, cache=False, env="A=1")).platform == {}


@pytest.mark.parametrize(
    ("cache", "options"), [(None, {"enableCache": True}), (True, {"enableCache": True}), (False, {})]
)
def test_caching_on_and_off(cache: bool | None, options: dict[str, bool]) -> None:
    ir = compiled(one_step(cache=cache))
    assert ir.task("train").get("cachingOptions", {}) == options
    assert ir.env("train") == {}


@pytest.mark.parametrize("given", [None, True, "on"])
def test_a_step_that_may_pickle_says_nothing(given: object) -> None:
    assert compiled(one_step(pickle=given)).env("train") == {}


def test_secrets_and_config_maps_both_ways() -> None:
    ir = compiled(one_step(secret=["a:k=E", "b=/etc/b"], configmap=["c:k=F", "d=/etc/d"]))
    config = ir.kubernetes("train")
    assert [
        len(config[k]) for k in ("secretAsEnv", "secretAsVolume", "configMapAsEnv", "configMapAsVolume")
    ] == [1] * 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("8k", "8000"),
        ("8K", "8000"),
        ("8Ki", "8Ki"),
        ("1e9", "1000000000"),
        ("0.5G", "500000000"),
        ("1500m", "2"),
        ("100", "100"),
        ("1E", "1E"),
    ],
)
def test_memory_quantities_kfp_does_not_know_are_written_in_bytes(given: str, expected: str) -> None:
    assert resources(compiled(one_step(memory=given)))["resourceMemoryLimit"] == expected


@pytest.mark.parametrize(
    ("given", "expected"), [("2", "2"), ("0.25", "0.25"), ("1.5m", "0.0015"), ("1e1", "10")]
)
def test_cpu_quantities(given: str, expected: str) -> None:
    assert resources(compiled(one_step(cpu=given)))["resourceCpuLimit"] == expected


def test_read_only_claims_are_annotated_and_warned_about() -> None:
    """KFP has no read-only mounts: its driver builds the mount without the field."""
    pipeline = one_step(volume=["data=/data:ro", "other=/other", "more=/more:ro"], annotations="a=b")
    annotations = compiled(pipeline).kubernetes("train")["podMetadata"]["annotations"]
    assert annotations == {"a": "b", "jupyter-kfp/read-only-mounts": "/data,/more"}
    assert [f.severity.value for f in diagnose(pipeline)] == ["warning", "warning"]
    assert "read-only" in str(diagnose(pipeline)[0])


def test_one_service_account_for_a_run() -> None:
    steps = tuple(Step(n, (Code("1", 0),), options=StepOptions(service_account=n)) for n in ("a", "b"))
    with pytest.raises(DiagnosticsError, match=r"service accounts .*\(a, b\)"):
        compile_pipeline(Pipeline("p", steps))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"affinity": {"podAntiAffinity": {}}}, "podAntiAffinity"),
        ({"image": "{{channel:task=;name=x;type=String;}}"}, "image"),
        ({"image": " "}, "image"),
        ({"env": {"JUPYTER_KFP_PROVENANCE": "x"}}, "set by the compiler"),
        ({"volume": "x=/a", "secret": "x=/b"}, "cannot tell apart"),
        ({"secret": [{"name": "s", "key": "k", "mount_path": "/s"}]}, "all keys"),
    ],
)
def test_options_kfp_cannot_honour_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(DiagnosticsError, match=why):
        compile_pipeline(one_step(**options))


def test_outputs_that_are_not_exported_are_refused() -> None:
    step = Step("a", (Code("1", 0),), outputs=(Output("x", FLOAT),), options=StepOptions(outputs="x y"))
    with pytest.raises(DiagnosticsError, match="'y'"):
        compile_pipeline(Pipeline("p", (step,)))


def _with_functions(task: Any, kubernetes: Any, options: StepOptions) -> None:
    """The same options by kfp-kubernetes' own functions."""
    for secret in options.secret:
        if secret.mount_path:
            kubernetes.use_secret_as_volume(task, secret.name, secret.mount_path, secret.optional)
        else:
            kubernetes.use_secret_as_env(task, secret.name, {secret.key: secret.env}, secret.optional)
    for config_map in options.configmap:
        if config_map.mount_path:
            kubernetes.use_config_map_as_volume(
                task, config_map.name, config_map.mount_path, config_map.optional
            )
        else:
            kubernetes.use_config_map_as_env(
                task, config_map.name, {config_map.key: config_map.env}, config_map.optional
            )
    for volume in options.volume:
        kubernetes.mount_pvc(task, volume.pvc, volume.mount_path, sub_path=volume.sub_path)
    for number, scratch in enumerate(options.empty_dir, start=1):
        kubernetes.empty_dir_mount(
            task, f"empty-dir-{number}", scratch.mount_path, scratch.medium or None, scratch.size
        )
    if options.shm:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", "Memory", options.shm)
    for key, value in options.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in options.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    if options.affinity:
        kubernetes.add_node_affinity_json(task, options.affinity)
    for key, value in options.labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in options.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)
    if options.image_pull_secret:
        kubernetes.set_image_pull_secrets(task, list(options.image_pull_secret))
    if options.timeout is not None:
        kubernetes.set_timeout(task, options.timeout)


KUBERNETES_OPTIONS = [
    {"secret": ["a:k=E", {"name": "b", "mount_path": "/b", "optional": True}]},
    {"configmap": ["a:k=E", {"name": "b", "mount_path": "/b", "optional": True}]},
    {"volume": ["a/s=/a", "b=/b"]},
    {"empty_dir": ["/a", "/b:1Gi:Memory"]},
    {"shm": "1Gi"},
    {"node_selector": "a=b"},
    {"tolerations": ["a=b:NoSchedule", "c", {"operator": "Exists", "toleration_seconds": 3}]},
    {"affinity": AFFINITY},
    {"labels": "a=b", "annotations": "c=d"},
    {"image_pull_secret": "a b"},
    {"timeout": 60},
]


@pytest.mark.parametrize("given", KUBERNETES_OPTIONS, ids="-".join)
def test_kubernetes_options_are_what_kfp_kubernetes_writes(given: dict[str, Any]) -> None:
    from kfp import kubernetes

    class Task:
        def __init__(self) -> None:
            self.platform_config: dict[str, Any] = {}

    from jupyter_kfp.compiler.kubernetes import platform_config

    task, options = Task(), StepOptions(**given)
    _with_functions(task, kubernetes, options)
    assert platform_config(options) == task.platform_config["kubernetes"]
