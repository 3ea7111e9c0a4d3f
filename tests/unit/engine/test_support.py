import re

import pytest
import yaml

from jupyter_kfp.engine import ir, support
from jupyter_kfp.errors import UsageError
from tests.unit.engine.building import pipeline, shell, task


def test_plain_steps_are_let_through() -> None:
    plan = ir.read(pipeline({"a": task(shell("x"))}))
    support.check(plan)
    assert support.ignored(plan) == ""


def test_a_program_that_is_not_here_is_named_before_anything_starts() -> None:
    container = {"image": "alpine", "command": ["no-such-program"], "args": []}
    with pytest.raises(UsageError, match=r"The task 'a' cannot run: The command 'no-such-program' is not on"):
        support.check(ir.read(pipeline({"a": task(container)})))


def test_an_image_without_a_command_is_refused() -> None:
    with pytest.raises(UsageError, match="'a' has no command: what it does is inside the image 'alpine'"):
        support.check(ir.read(pipeline({"a": task({"image": "alpine", "args": ["x"]})})))


def test_options_without_effect_are_listed() -> None:
    container = {**shell("x"), "image": "me/mine:1", "resources": {"cpuLimit": 2.0}}
    text = pipeline(
        {"a": task(container), "b": task(shell("x"))}, kubernetes={"exec-a": {"imagePullPolicy": "Always"}}
    )
    assert support.ignored(ir.read(text)) == (
        "These options have no effect on a process of this machine: "
        "a: image me/mine:1, cpu, image_pull_policy."
    )


def test_options_are_named_as_they_are_spelled() -> None:
    mounts = [{"mountPath": "/scratch"}, {"mountPath": "/dev/shm", "medium": "Memory"}]
    config = {"emptyDirMounts": mounts, "podMetadata": {"labels": {"a": "b"}}}
    spec = yaml.safe_load_all(pipeline({"a": task(shell("x"))}, kubernetes={"exec-a": config}))
    ir_document, platform = spec
    platform["platforms"]["kubernetes"]["config"] = {"serviceAccount": "s", "experiment": "e"}
    assert support.ignored(ir.read(yaml.safe_dump_all([ir_document, platform]))) == (
        "These options have no effect on a process of this machine: "
        "a: empty_dir, labels, shm; the pipeline: experiment, service_account."
    )


def inner(*tasks: str, **more: object) -> dict[str, object]:
    """A component with a DAG of tasks of the pipeline's components."""
    return {"dag": {"tasks": {key: {"componentRef": {"name": f"comp-{key}"}} for key in tasks}}, **more}


def test_what_is_inside_other_tasks_is_looked_at_too() -> None:
    container = {**shell("x"), "resources": {"cpuLimit": 2.0}}
    spec = yaml.safe_load(pipeline({"a": task(container), "b": task(container)}))
    spec["components"]["comp-box"] = inner("a")
    spec["root"]["dag"]["tasks"]["box"] = {
        "componentRef": {"name": "comp-box"},
        "retryPolicy": {"maxRetryCount": 2},
    }
    assert support.ignored(ir.read(yaml.safe_dump(spec))) == (
        "These options have no effect on a process of this machine: "
        "a, b, box.a: cpu; box: retries of a group of tasks as a whole."
    )
    spec["deploymentSpec"]["executors"]["exec-a"] = {"container": {"image": "alpine"}}
    del spec["root"]["dag"]["tasks"]["a"]
    with pytest.raises(UsageError, match=r"The task 'box\.a' has no command"):
        support.check(ir.read(yaml.safe_dump(spec)))


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        ({"customJob": {"customJob": {}}}, "The task 'a' is a customJob: it runs in a cloud service"),
        (
            {"container": {"image": "argostub/createpvc"}},
            "The task 'a' creates a volume of a cluster (PersistentVolumeClaim)",
        ),
    ],
)
def test_what_only_clusters_and_clouds_have_is_refused_in_one_sentence(
    executor: dict[str, object], words: str
) -> None:
    spec = yaml.safe_load(pipeline({"a": task(shell("x"))}))
    spec["deploymentSpec"]["executors"]["exec-a"] = executor
    with pytest.raises(UsageError, match=re.escape(words)):
        support.check(ir.read(yaml.safe_dump(spec)))


def test_the_pip_of_a_lightweight_component_is_not_needed() -> None:
    """Nothing is installed by the component's own script, so only what follows it must be there."""
    script = 'python3 -m pip install kfp==2.14 && "$0" "$@"'
    container = {"image": "python:3.11", "command": ["sh", "-c", script, "no-such-program"], "args": []}
    with pytest.raises(UsageError, match="'no-such-program' is not on"):
        support.check(ir.read(pipeline({"a": task(container)})))
