"""Steps in real containers: what they see, what they may use, and what is said where one cannot run.

All of them are tasks of one run: what takes time is the engine, not the tasks.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.containers.client import Engine, connect
from jupyter_kfp.engine.launch import RunOptions
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store.records import State, TaskRecord
from jupyter_kfp.store.store import open_store
from tests.integration.containers.conftest import BASE, containers_of
from tests.unit.engine.building import Spec, pipeline, task

GROUPS = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null"
GROUPS2 = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max 2>/dev/null"


def container(*command: str, args: tuple[str, ...] = (), image: str = BASE, **more: Any) -> Spec:
    return {"image": image, "command": list(command), "args": list(args), **more}


def shell(code: str, *args: str, **more: Any) -> Spec:
    return container("sh", "-c", code, args=args, **more)


def limited(code: str, **limits: str) -> Spec:
    names = {"cpu": "resourceCpuLimit", "memory": "resourceMemoryLimit"}
    return container("python3", "-c", code, resources={names[name]: value for name, value in limits.items()})


LIMITS = f"import subprocess; print(subprocess.getoutput({GROUPS!r} + ' || ' + {GROUPS2!r}))"
TASKS = {
    "speaks": task(
        shell(
            'echo out "$0" "$1"; echo err >&2; echo "me=$(id -u) lang=$GREETING home=$HOME token=$TOKEN"; pwd',
            "{{$.inputs.parameters['word']}}",
            "{{$.pipeline_task_name}}",
            env=[{"name": "GREETING", "value": "hello"}],
        ),
        inputs={"word": "a b"},
    ),
    "writes": task(
        shell(
            'echo content > "$0"; echo 7 > "$1"; touch here.txt 2>/dev/null; ls -n "$0"',
            "{{$.outputs.artifacts['data'].path}}",
            "{{$.outputs.parameters['count'].output_file}}",
        ),
        outputs={"data": "system.Dataset", "count": "NUMBER_INTEGER"},
    ),
    "reads": task(
        shell('cat "$0"; echo spoilt >> "$0"; echo "status $?"', "{{$.inputs.artifacts['data'].path}}"),
        inputs={"data": "writes:data"},
    ),
    "scratch": task(
        shell("df -k --output=size /scratch /dev/shm | tail -n +2; touch /scratch/x && echo written")
    ),
    "limited": task(limited(LIMITS, memory="64Mi", cpu="500m")),
    "hungry": task(limited("x = bytearray(300 << 20); print(len(x))", memory="64Mi")),
    "fails": task(shell("echo last words; exit 3")),
    "killed": task(shell("kill -9 $$; python3 -c 'import os; os.kill(os.getpid(), 9)'; exit 137")),
    "no-program": task(container("no-such-program", "x")),
    "not-executable": task(container("/etc/passwd")),
    "no-command": task(container()),
    "no-image": task(container("true", image="localhost:1/no-such-image:1")),
    "never": task(container("true", image="localhost/no-such-image:1")),
    "gpu": task(container("true", resources={"accelerator": {"type": "nvidia.com/gpu", "count": "1"}})),
    "always": task(container("true", image="localhost:1/not-here")),
}
PLATFORM = {
    "exec-never": {"imagePullPolicy": "Never"},
    "exec-always": {"imagePullPolicy": "Always"},
    "exec-scratch": {
        "emptyDirMounts": [
            {"volumeName": "a", "mountPath": "/scratch", "medium": "Memory", "sizeLimit": "16Mi"},
            {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "32Mi"},
        ]
    },
    "exec-speaks": {
        "secretAsEnv": [{"secretName": "s", "keyToEnv": [{"secretKey": "k", "envVar": "TOKEN"}]}],
        "podMetadata": {"labels": {"team": "x"}},
        "nodeSelector": {"labels": {"disk": "ssd"}},
    },
}


@pytest.fixture(scope="module")
def finished(podman: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TaskRecord]]:
    """The tasks of the run, by name; the run itself as ``""``."""
    before = dict(os.environ)
    os.environ.update(
        DOCKER_HOST=podman, JUPYTER_KFP_HOME=str(tmp_path_factory.mktemp("home")), TOKEN="s3cr3t-token"
    )
    try:
        handle = launch.start(
            pipeline(TASKS, kubernetes=PLATFORM), options=RunOptions(runner=Runner.CONTAINER, max_parallel=4)
        )
        record = launch.wait(handle)
        store = open_store()
        tasks: dict[str, Any] = {found.path: found for found in store.tasks(record.id)}
        tasks[""] = (record, [event for event in store.events(record.id) if event.kind == "warning"])
        tasks["origins"] = store.origins(record.id)
        store.close()
        yield tasks
        assert not containers_of(connect(), record.id), "every container is removed"
    finally:
        os.environ.clear()
        os.environ.update(before)


def log(record: TaskRecord) -> str:
    assert record.log is not None
    return Path(record.log).read_text()


def test_a_step_gets_its_command_its_environment_and_its_secrets(finished: dict[str, TaskRecord]) -> None:
    text = log(finished["speaks"])
    assert "out a b speaks\n" in text
    assert "err\n" in text
    assert f"me={os.getuid()} lang=hello" in text
    assert "token=****" in text, "the value of a secret is in the step, but in no log"
    assert text.endswith("\n/\n"), "the directory is the image's own"


def test_artifacts_are_at_the_same_paths_and_the_users_own(finished: dict[str, TaskRecord]) -> None:
    made = finished["writes"]
    assert made.state is State.SUCCEEDED
    assert made.output_parameters == {"count": 7}
    path = Path(made.output_artifacts["data"][0].uri)
    assert path.read_text() == "content\n", "what a step wrote to its input is not there"
    assert path.stat().st_uid == os.getuid()
    assert str(path) in log(made)


def test_the_image_of_a_step_is_recorded(finished: dict[str, Any]) -> None:
    inspected = connect().client().inspect_image(BASE)
    facts = finished["origins"]["speaks"].facts
    assert (facts["image"], facts["image_id"]) == (BASE, inspected["Id"])
    digests = [name.partition("@")[2] for name in inspected.get("RepoDigests") or ()]
    assert facts.get("image_digest") in (digests or [None])
    assert "image_id" not in finished["origins"]["no-image"].facts


def test_inputs_cannot_be_changed(finished: dict[str, TaskRecord]) -> None:
    text = log(finished["reads"])
    assert text.startswith("content\n")
    assert "Read-only file system" in text
    assert "status 2" in text


def test_cpu_and_memory_are_limited(finished: dict[str, TaskRecord]) -> None:
    words = log(finished["limited"]).split()
    assert words[:2] in (["67108864", "50000"], ["67108864", "50000", "100000"][:2])


def test_scratch_directories_have_their_size(finished: dict[str, TaskRecord]) -> None:
    assert log(finished["scratch"]).split() == ["16384", "32768", "written"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hungry", ["more memory than its limit of 64 MiB", "Raise its memory"]),
        ("fails", ["It ended with exit code 3; its log ends with: last words"]),
        ("killed", ["SIGKILL", "somebody killed the container, or the machine ran out of memory"]),
        ("no-program", [f"The image {BASE} has no program 'no-such-program'", "Check the command"]),
        ("not-executable", ["/etc/passwd", f"of the image {BASE} may not be executed"]),
        ("no-command", [f"The image {BASE} has no command of its own"]),
        (
            "no-image",
            ["localhost:1/no-such-image:1 is not on this machine", "registry localhost:1 cannot be reached"],
        ),
        ("never", ["localhost/no-such-image:1 is not on this machine", "pull policy is Never"]),
        ("gpu", ["Podman does not hand on nvidia.com/gpu", "Use Docker"]),
        ("always", ["localhost:1/not-here", "cannot be reached"]),
    ],
)
def test_what_goes_wrong_is_said(finished: dict[str, TaskRecord], name: str, words: list[str]) -> None:
    record = finished[name]
    assert record.state is State.FAILED
    assert record.failure is not None
    for word in words:
        assert word in record.failure.message


def test_exit_codes_are_kept(finished: dict[str, TaskRecord]) -> None:
    assert finished["fails"].attempts[-1].exit_code == 3
    assert finished["hungry"].attempts[-1].exit_code == 137


def test_what_a_container_honours_is_not_warned_of(finished: dict[str, Any]) -> None:
    _record, warnings = finished[""]
    assert [event.message for event in warnings] == [
        "These options have no effect on a container of this machine: speaks: node_selector."
    ]


def test_an_engine_that_is_not_there_is_said_before_anything_starts(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    ir = pipeline({"a": task(container("true"))})
    with pytest.raises(Exception, match=r"No container engine answers. Looked at unix.*\(not there\)"):
        launch.start(ir, options=RunOptions(runner=Runner.CONTAINER))
    assert not home.exists(), "nothing was recorded"


def test_auto_takes_containers_for_what_is_not_python(engine: Engine, home: Path, run: Any) -> None:
    tasks = {"image": task(shell("cat /etc/hostname; echo container=$container"))}
    record, document = run(pipeline(tasks), runner=Runner.AUTO)
    assert record.state is State.SUCCEEDED, document
    store = open_store()
    assert "container=podman" in log(store.tasks(record.id)[0])
    assert store.run(record.id).options["runner"] == "auto"
    store.close()
