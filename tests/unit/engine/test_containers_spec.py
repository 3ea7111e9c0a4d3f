from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.compiler.names import DEFAULT_IMAGE
from jupyter_kfp.engine.containers import attempt
from jupyter_kfp.engine.containers.spec import (
    ContainerSpec,
    Facts,
    Limits,
    Mount,
    container_name,
    create_body,
    limits_of,
    mounts_of,
    user_of,
    user_variables,
)
from jupyter_kfp.engine.plan import Resources, Scratch
from jupyter_kfp.errors import JupyterKfpError

SPEC = ContainerSpec("n", "i", ("sh", "-c"), ("x",))


def test_the_default_image_is_the_compilers() -> None:
    assert attempt.DEFAULT_IMAGE == DEFAULT_IMAGE


def test_command_and_arguments_replace_the_images_own() -> None:
    body = create_body(SPEC, Facts())
    assert (body["entrypoint"], body["command"]) == (["sh", "-c"], ["x"])
    own = create_body(ContainerSpec("n", "i", (), ()), Facts())
    assert (own["entrypoint"], own["command"]) == (None, None)


def test_mounts_are_at_the_same_path() -> None:
    spec = ContainerSpec("n", "i", (), (), mounts=(Mount(Path("/a b:c")), Mount(Path("/w"), writable=True)))
    assert create_body(spec, Facts())["host_config"]["Mounts"] == [
        {"Type": "bind", "Source": "/a b:c", "Target": "/a b:c", "ReadOnly": True},
        {"Type": "bind", "Source": "/w", "Target": "/w", "ReadOnly": False},
    ]


def test_only_what_exists_is_mounted_and_nothing_twice(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "own").mkdir(parents=True)
    (run / "other").mkdir()
    file = tmp_path / "file"
    file.touch()
    found = mounts_of({run, run / "other", file, tmp_path / "gone"}, {run / "own"})
    assert found == (Mount(file), Mount(run), Mount(run / "own", writable=True))


@pytest.mark.parametrize(
    ("rootless", "platform", "user"),
    [(False, "linux", "1000:100"), (True, "linux", "0:0"), (False, "darwin", None), (False, "win32", None)],
)
def test_who_a_container_is(rootless: bool, platform: str, user: str | None) -> None:
    assert user_of(Facts(rootless=rootless), 1000, 100, platform) == user


def test_a_user_unknown_to_the_image_has_a_home() -> None:
    assert user_variables("1000:100")["HOME"]
    assert user_variables("0:0") == user_variables(None) == {}


@pytest.mark.parametrize(
    ("text", "size"),
    [("64Mi", 64 << 20), ("8G", 8 * 10**9), ("1.5Gi", 3 << 29), ("8k", 8000), ("1e3", 1000), ("123", 123)],
)
def test_memory_is_kubernetes_quantity(text: str, size: int) -> None:
    assert limits_of(Resources(memory=text)).memory == size


@given(st.integers(1, 10**6))
def test_millicores_are_thousandths(count: int) -> None:
    assert limits_of(Resources(cpu=f"{count}m")).cpus == Decimal(count) / 1000


def test_limits_reach_the_engine() -> None:
    limits = limits_of(Resources(cpu="500m", cpu_request="250m", memory="64Mi", memory_request="32Mi"))
    host = create_body(ContainerSpec("n", "i", (), (), limits=limits), Facts())["host_config"]
    assert host["NanoCpus"] == 500_000_000
    assert host["CpuShares"] == 256
    assert host["Memory"] == host["MemorySwap"] == 64 << 20
    assert host["MemoryReservation"] == 32 << 20
    assert not {"NanoCpus", "Memory"} & create_body(SPEC, Facts())["host_config"].keys()


def test_a_quantity_that_is_none_is_named() -> None:
    with pytest.raises(JupyterKfpError, match="'lots' is no memory"):
        limits_of(Resources(memory="lots"))


@pytest.mark.parametrize("kind", ["nvidia.com/gpu", "NVIDIA_TESLA_K80", "nvidia-tesla-t4"])
def test_gpus_of_nvidia_are_asked_of_docker(kind: str) -> None:
    limits = limits_of(Resources(accelerator=kind, accelerators="2"))
    (request,) = create_body(ContainerSpec("n", "i", (), (), limits=limits), Facts())["host_config"][
        "DeviceRequests"
    ]
    assert (request["Count"], request["Capabilities"]) == (2, [["gpu"]])


def test_gpus_of_amd_are_devices() -> None:
    limits = Limits(gpus=1, accelerator="amd.com/gpu")
    host = create_body(ContainerSpec("n", "i", (), (), limits=limits), Facts())["host_config"]
    assert [device["PathOnHost"] for device in host["Devices"]] == ["/dev/kfd", "/dev/dri"]


@pytest.mark.parametrize(
    ("facts", "kind", "words"),
    [
        (Facts(podman=True), "nvidia.com/gpu", "Podman does not"),
        (Facts(), "google.com/tpu", "google.com/tpu"),
    ],
)
def test_accelerators_that_cannot_be_given_are_refused(facts: Facts, kind: str, words: str) -> None:
    limits = limits_of(Resources(accelerator=kind, accelerators="1"))
    with pytest.raises(JupyterKfpError, match=words):
        create_body(ContainerSpec("n", "i", (), (), limits=limits), facts)


def test_scratch_directories_are_in_memory() -> None:
    scratch = (Scratch("/scratch", "1Gi"), Scratch("/any"), Scratch("/dev/shm", "2Gi", in_memory=True))
    host = create_body(ContainerSpec("n", "i", (), (), scratch=scratch), Facts())["host_config"]
    assert host["Tmpfs"] == {"/scratch": "rw,mode=1777,size=1073741824", "/any": "rw,mode=1777"}
    assert host["ShmSize"] == 2 << 30


def test_an_engine_that_labels_or_renumbers_is_told_not_to() -> None:
    host = create_body(SPEC, Facts(selinux=True, remapped=True))["host_config"]
    assert (host["SecurityOpt"], host["UsernsMode"]) == (["label=disable"], "host")
    assert not {"SecurityOpt", "UsernsMode"} & create_body(SPEC, Facts())["host_config"].keys()


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_names_are_docker_s_and_tell_tasks_apart(one: str, other: str) -> None:
    name = container_name("0a1b", one, 1)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert len(name) < 150
    assert name == container_name("0a1b", one, 1)
    assert (name == container_name("0a1b", other, 1)) == (one == other)


def test_names_can_be_read() -> None:
    assert container_name("0a1b", "train", 2) == "jupyter-kfp-0a1b-train-2"
    assert container_name("0a1b", "loop.train[3]", 1).startswith("jupyter-kfp-0a1b-loop.train-3-")
