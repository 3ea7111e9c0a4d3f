import pytest

from jupyter_kfp.engine import ir, support
from jupyter_kfp.engine.attempt import Attempt
from jupyter_kfp.engine.cache import Surroundings
from jupyter_kfp.engine.containers import choice
from jupyter_kfp.engine.containers.attempt import DEFAULT_IMAGE, ContainerAttempt
from jupyter_kfp.engine.containers.client import Engine
from jupyter_kfp.engine.containers.failures import ContainerError
from jupyter_kfp.engine.importing import Import
from jupyter_kfp.engine.kinds import attempt_class
from jupyter_kfp.engine.plan import ArtifactSpec, Constant, Container, Importer, Plan, Resources, Scratch
from jupyter_kfp.engine.runner import Runner, in_container
from jupyter_kfp.errors import UsageError
from tests.unit.engine.building import pipeline, shell, task

NOTEBOOK = Container(DEFAULT_IMAGE, ("python3", "-c", "# jupyter_kfp step\n"), ("{{$}}", "[]", "x"))
LIGHTWEIGHT = Container("python:3.11", ("sh", "-c", 'python3 -m pip install kfp && "$0" "$@"', "python3"), ())
NO_INSTALL = Container("python:3.11", ("sh", "-ec", "python3 -m kfp.dsl.executor_main", "code"), ())
# Its module is in its image (KFP's "containerized Python components").
BUILT = Container("me/mine:1", ("python3", "-m", "kfp.dsl.executor_main"), ())
FOREIGN = Container("alpine", ("sh", "-c", "true"), ())
IMPORTER = Importer(Constant("file:///a"), ArtifactSpec("system.Artifact"))


@pytest.mark.parametrize("executor", [NOTEBOOK, LIGHTWEIGHT, NO_INSTALL])
def test_python_is_a_process_unless_containers_are_wanted(executor: Container) -> None:
    assert attempt_class(executor, Runner.AUTO) is Attempt
    assert attempt_class(executor, Runner.PROCESS) is Attempt
    assert attempt_class(executor, Runner.CONTAINER) is ContainerAttempt


@pytest.mark.parametrize("executor", [FOREIGN, BUILT])
def test_what_an_image_brings_is_a_container_unless_processes_are_wanted(executor: Container) -> None:
    assert attempt_class(executor, Runner.AUTO) is ContainerAttempt
    assert attempt_class(executor, Runner.PROCESS) is Attempt


@pytest.mark.parametrize("runner", list(Runner))
def test_imports_are_never_containers(runner: Runner) -> None:
    assert attempt_class(IMPORTER, runner) is Import
    assert not in_container(runner, IMPORTER)


def test_runners_have_names() -> None:
    assert Runner.default({}) is Runner.AUTO
    assert Runner.default({"JUPYTER_KFP_RUNNER": "container"}) is Runner.CONTAINER
    with pytest.raises(UsageError, match="no runner 'docker'"):
        Runner.default({"JUPYTER_KFP_RUNNER": "docker"})


# The choice ---------------------------------------------------------------------------------------------------


def plan(*containers: Container) -> Plan:
    text = pipeline({"a": task(shell("x"))})
    read = ir.read(text)
    return Plan(read.name, read.root, {}, {str(number): each for number, each in enumerate(containers)})


def no_engine(*_arguments: object) -> Engine:
    raise ContainerError("none", "start one")


def an_engine(*_arguments: object) -> Engine:
    return Engine("unix:///x", "1.41")


def test_without_an_engine_auto_means_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "connect", no_engine)
    assert choice.decide(plan(FOREIGN), Runner.AUTO, None, {}) == (Runner.PROCESS, None)
    with pytest.raises(ContainerError):
        choice.decide(plan(FOREIGN), Runner.CONTAINER, None, {})


def test_nobody_asks_for_an_engine_that_nothing_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "connect", no_engine)
    assert choice.decide(plan(NOTEBOOK, LIGHTWEIGHT), Runner.AUTO, None, {}) == (Runner.PROCESS, None)
    assert choice.decide(plan(FOREIGN), Runner.PROCESS, None, {}) == (Runner.PROCESS, None)


@pytest.mark.parametrize(
    ("wanted", "environment", "built", "image"),
    [
        ("mine:1", {"KF_PIPELINES_DEFAULT_IMAGE": "theirs:1"}, True, "mine:1"),
        (None, {"KF_PIPELINES_DEFAULT_IMAGE": "theirs:1"}, True, "theirs:1"),
        (None, {}, True, choice.default_tag()),
        (None, {}, False, None),
    ],
)
def test_the_image_of_steps_that_name_none(
    monkeypatch: pytest.MonkeyPatch,
    wanted: str | None,
    environment: dict[str, str],
    built: bool,
    image: str | None,
) -> None:
    monkeypatch.setattr(choice, "connect", an_engine)
    monkeypatch.setattr(choice.Images, "has", lambda _self, tag: built and tag == choice.default_tag())
    assert choice.decide(plan(NOTEBOOK), Runner.CONTAINER, wanted, environment) == (Runner.CONTAINER, image)


def test_a_result_of_a_process_is_none_of_a_container() -> None:
    assert Surroundings(None).digest != Surroundings(None, runner="container None").digest


# What the IR says ---------------------------------------------------------------------------------------------


def test_resources_are_read_in_all_their_forms() -> None:
    def read(**resources: object) -> Resources:
        found = ir.read(pipeline({"a": task({**shell("x"), "resources": resources})})).executors["exec-a"]
        assert isinstance(found, Container)
        return found.resources

    assert read(cpuLimit=0.5, memoryLimit=1.5) == Resources(cpu="0.5", memory="1.5G")
    assert read(resourceCpuLimit="500m", cpuLimit=0.5, resourceMemoryRequest="1Gi") == Resources(
        cpu="500m", memory_request="1Gi"
    )
    assert read(accelerator={"type": "nvidia.com/gpu", "count": "2"}) == Resources(
        accelerator="nvidia.com/gpu", accelerators="2"
    )
    assert (
        read(accelerator={"resourceType": "amd.com/gpu", "resourceCount": "1"}).accelerator == "amd.com/gpu"
    )


def test_the_platform_says_more_of_containers() -> None:
    config = {
        "imagePullPolicy": "Always",
        "enabledSharedMemory": {"size": "1Gi"},
        "emptyDirMounts": [{"mountPath": "/s", "sizeLimit": "2Gi"}],
        "podMetadata": {"labels": {"team": "x"}},
    }
    found = ir.read(pipeline({"a": task(shell("x"))}, kubernetes={"exec-a": config})).executors["exec-a"]
    assert isinstance(found, Container)
    assert found.pull_policy == "Always"
    assert found.scratch == (Scratch("/s", "2Gi"), Scratch("/dev/shm", "1Gi", in_memory=True))
    assert found.labels == {"team": "x"}


# What is refused and ignored ----------------------------------------------------------------------------------


def test_a_container_needs_no_program_of_this_machine() -> None:
    text = pipeline(
        {"a": task({"image": "alpine", "command": ["no-such-program"]}), "b": task({"image": "alpine"})}
    )
    support.check(ir.read(text), Runner.CONTAINER)
    with pytest.raises(UsageError, match="no-such-program"):
        support.check(ir.read(text), Runner.PROCESS)


def test_what_has_no_effect_is_said_of_processes_and_containers_apart() -> None:
    limited = {**shell("x"), "image": "alpine", "resources": {"cpuLimit": 2.0}}
    python = {
        "image": "python:3.11",
        "command": ["sh", "-ec", "kfp.dsl.executor_main"],
        "resources": {"cpuLimit": 2.0},
    }
    text = pipeline(
        {"a": task(limited), "b": task(python)},
        kubernetes={"exec-a": {"nodeSelector": {"labels": {"a": "b"}}}},
    )
    assert support.ignored(ir.read(text), Runner.AUTO) == (
        "These options have no effect on a process of this machine: b: cpu. "
        "These options have no effect on a container of this machine: a: node_selector."
    )
    assert support.ignored(ir.read(text), Runner.CONTAINER) == (
        "These options have no effect on a container of this machine: a: node_selector."
    )
