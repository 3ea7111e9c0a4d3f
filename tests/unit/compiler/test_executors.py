"""Steps with like containers share one executor, which holds the runtime."""

from __future__ import annotations

import json

from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import Code, Pipeline, Step
from jupyter_kfp.runtime.payload import runtime

from .cases import compiled


def _pipeline(**options: StepOptions) -> Pipeline:
    return Pipeline(
        "p", tuple(Step(name, (Code(f"{name} = 1", 0),), options=o) for name, o in options.items())
    )


def test_the_runtime_stands_once_in_a_pipeline_of_like_steps() -> None:
    ir = compiled(_pipeline(a=StepOptions(), b=StepOptions(display_name="B"), c=StepOptions(retries=1)))
    assert list(ir.spec["deploymentSpec"]["executors"]) == ["exec-a"]
    assert json.dumps(ir.spec).count(runtime()) == 1


def test_steps_that_need_another_container_have_an_executor_of_their_own() -> None:
    ir = compiled(
        _pipeline(
            a=StepOptions(),
            b=StepOptions(memory="1G"),
            c=StepOptions(env={"A": "1"}),
            d=StepOptions(packages=["x"]),
            e=StepOptions(image="other"),
            f=StepOptions(timeout=60),
            g=StepOptions(timeout=60),
        )
    )
    executors = {name: c["executorLabel"] for name, c in ir.spec["components"].items()}
    assert len(set(executors.values())) == 6
    assert executors["comp-f"] == executors["comp-g"]
    assert set(ir.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == {"exec-f"}


def test_every_step_gets_its_own_notebook_as_a_constant() -> None:
    tasks = compiled(_pipeline(a=StepOptions(), b=StepOptions())).spec["root"]["dag"]["tasks"]
    constants = [
        task["inputs"]["parameters"]["step_notebook"]["runtimeValue"]["constant"] for task in tasks.values()
    ]
    assert len(set(constants)) == 2
