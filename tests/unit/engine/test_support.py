import pytest

from jupyter_kfp.engine import ir, support
from jupyter_kfp.errors import UsageError
from tests.unit.engine.building import pipeline, shell, task
from tests.unit.engine.test_ir import CONFORMANCE


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


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance pipelines are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pipeline_with_loops", "is a loop"),
        ("flip_coin", "has a condition"),
        ("pipeline_in_pipeline", "is a pipeline of its own"),
        (
            "local_execution_pipeline_with_ignore_upstream_failure",
            "runs whether or not earlier tasks succeed",
        ),
    ],
)
def test_control_flow_is_refused_in_one_sentence(name: str, words: str) -> None:
    plan = ir.read((CONFORMANCE / f"{name}.yaml").read_text(encoding="utf-8"))
    with pytest.raises(UsageError, match=r"The task '[\w-]+' .*cannot run on this machine yet\.") as caught:
        support.check(plan)
    assert words in str(caught.value)
