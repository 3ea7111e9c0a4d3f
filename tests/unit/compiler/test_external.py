"""Somebody else's components and pipelines, and other notebooks, as steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_kfp.compiler import compile_pipeline, diagnose
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import (
    Code,
    Constant,
    External,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Input,
    Loop,
    Output,
    Parameter,
    ParameterType,
    Pipeline,
    PipelineOutput,
    Step,
    ValueType,
)

from .cases import FLOAT, MODEL, STRING, Compiled, compiled
from .foreign import V1, component_yaml, pipeline_yaml
from .references import dangling
from .test_groups import INTEGER, MODELS, inside, step

pytestmark = pytest.mark.usefixtures("plain_payload")


def built(*body: Any, **more: Any) -> Compiled:
    pipeline = Pipeline("p", body, **more)
    assert [d for d in diagnose(pipeline) if d.severity.value == "error"] == []
    ir = compiled(pipeline)
    assert dangling(ir.spec) == []
    return ir


def foreign(text: str, name: str = "plus", **options: Any) -> External:
    output = "total" if text == V1 else "Output"
    inputs = (Input("a", INTEGER, Constant(3)),)
    return External(name, text, inputs, (Output(output, INTEGER),), options=StepOptions(**options))


@pytest.mark.parametrize("source", [lambda: V1, component_yaml, pipeline_yaml], ids=["v1", "ir", "pipeline"])
def test_a_foreign_component_is_a_step_under_its_own_name(source: Any) -> None:
    node = foreign(source(), display_name="Plus")
    use = step("use", {"n": (INTEGER, FromStep("plus", node.outputs[0].name))})
    ir = built(node, use, outputs=(PipelineOutput("n", INTEGER, FromStep("plus", node.outputs[0].name)),))
    assert ir.task("plus")["taskInfo"]["name"] == "Plus"
    assert ir.task("plus")["inputs"]["parameters"]["a"]["runtimeValue"]["constant"] == 3
    assert ir.task("use")["dependentTasks"] == ["plus"]
    assert ("dag" in ir.component("plus")) is (source is pipeline_yaml)


def test_a_foreign_container_takes_options() -> None:
    node = foreign(V1, memory="2Gi", env={"A": "b"}, image="other", retries=2, timeout=60)
    ir = built(node)
    container = ir.container("plus")
    assert (container["image"], ir.env("plus")) == ("other", {"A": "b"})
    assert container["resources"]["resourceMemoryLimit"] == "2Gi"
    assert ir.kubernetes("plus")["activeDeadlineSeconds"] == "60"
    assert ir.task("plus")["retryPolicy"]["maxRetryCount"] == 2


def test_a_foreign_pipeline_tells_its_steps_and_warns_of_what_it_cannot() -> None:
    node = foreign(pipeline_yaml(), retries=2, cache=False, memory="2Gi")
    assert [d.message for d in diagnose(Pipeline("p", (node,)))] == [
        "The option memory has no effect on 'plus', which is a nested pipeline."
    ]
    ir = built(node)
    for task in ir.component("plus")["dag"]["tasks"].values():
        assert task["retryPolicy"]["maxRetryCount"] == 2
        assert "enableCache" not in task["cachingOptions"]
    assert "retryPolicy" not in ir.task("plus")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "'plus' needs 'a', which is not given. Assign a before it."),
        ({"a": 1, "scael": 2.0}, "'plus' has no input 'scael'. Did you mean 'scale'?"),
        ({"a": "x"}, "type 'STRING' is incompatible with the input type 'NUMBER_INTEGER'"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, Any], message: str) -> None:
    types = {str: STRING, int: INTEGER, float: FLOAT}
    given = tuple(Input(n, types[type(v)], Constant(v)) for n, v in inputs.items())
    with pytest.raises(DiagnosticsError) as caught:
        compile_pipeline(Pipeline("p", (External("plus", component_yaml(), given),)))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "a: 1", "root: 1", "root: {}\npipelineInfo: {}"])
def test_what_is_no_component_is_refused(text: str) -> None:
    with pytest.raises(DiagnosticsError, match="'plus'"):
        compile_pipeline(Pipeline("p", (External("plus", text),)))


def _inner() -> Pipeline:
    """A notebook with a step called as one of the outer notebook's, on another image."""
    train = Step(
        "train",
        (Code("model = fit(lr)", 0),),
        inputs=(Input("lr", FLOAT, FromParameter("lr")),),
        outputs=(Output("model", MODEL),),
        options=StepOptions(image="inner"),
    )
    train_2 = Step("Train", (Code("1", 1),), options=StepOptions(image="inner-2", timeout=60))
    return Pipeline(
        "train",
        (train, train_2),
        (Parameter("lr", FLOAT, 0.1), Parameter("note", STRING, None)),
        (PipelineOutput("model", MODEL, FromStep("train", "model")),),
    )


def _images(ir: Compiled, *path: str) -> str:
    component = ir.spec["components"][inside(ir, *path)["componentRef"]["name"]]
    return ir.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["image"]


def test_notebooks_in_notebooks_several_levels_deep() -> None:
    """KFP's compiler mixes up executors where a nested pipeline has names of the outer one."""
    give_lr = (Input("lr", FLOAT, FromParameter("lr")),)
    innermost = External("train", _inner(), give_lr, (Output("model", MODEL),))
    outer_step = replace(
        step("train_2", {"m": (MODEL, FromStep("train", "model"))}), options=StepOptions(image="middle")
    )
    middle = Pipeline(
        "middle",
        (innermost, outer_step),
        (Parameter("lr", FLOAT, required=True),),
        (PipelineOutput("model", MODEL, FromStep("train", "model")),),
    )
    nodes = [
        replace(step("train"), options=StepOptions(image="outer", timeout=30)),
        External("a", middle, (Input("lr", FLOAT, Constant(1)),), (Output("model", MODEL),)),
        External("b", middle, (Input("lr", FLOAT, Constant(2.5)),), (Output("model", MODEL),)),
    ]
    ir = built(*nodes, outputs=(PipelineOutput("model", MODEL, FromStep("b", "model")),))
    assert _images(ir, "train") == "outer"
    for way in "ab":
        assert _images(ir, way, "train-2") == "middle"
        assert _images(ir, way, "train", "train") == "inner"
        assert _images(ir, way, "train", "train-2") == "inner-2"
    # KFP numbers components in the order of a protobuf map, another in every process.
    labels = ["exec-train", "exec-train-2-2", "exec-train-2-4", "exec-train-4"]
    assert sorted(ir.spec["deploymentSpec"]["executors"]) == labels
    options = ir.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert sorted(o["activeDeadlineSeconds"] for o in options.values()) == ["30", "60"]


def test_a_notebook_in_a_loop_whose_outputs_are_collected() -> None:
    node = External("fit", _inner(), (Input("lr", FLOAT, FromItem("l")),), (Output("model", MODEL),))
    models = FromLoop("l", FromStep("fit", "model"))
    ir = built(
        Loop("l", "lr", Constant([0.1, 0.2]), FLOAT, (node,)),
        step("best", {"models": (MODELS, models)}),
        outputs=(PipelineOutput("models", MODELS, models),),
    )
    assert "dag" in ir.spec["components"][inside(ir, "for-loop-2", "fit")["componentRef"]["name"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lrr": 0.5}, "'fit' has no input 'lrr'. Did you mean 'lr'?"),
        ({}, "'fit' needs 'lr', which is not given."),
    ],
)
def test_wrong_parameters_of_a_notebook_are_named(given: dict[str, float], message: str) -> None:
    inner = replace(_inner(), parameters=(Parameter("lr", FLOAT, required=True),))
    inputs = tuple(Input(n, FLOAT, Constant(v)) for n, v in given.items())
    (finding,) = diagnose(Pipeline("p", (External("fit", inner, inputs),)))
    assert str(finding).startswith(f"error kfp-input: {message}")


def test_findings_in_a_nested_notebook_name_the_step() -> None:
    inner = Pipeline("inner", (step("a", after=("nowhere",)),))
    (finding,) = diagnose(Pipeline("p", (External("sub", inner),)))
    assert (finding.step, finding.cell) == ("sub", None)
    assert finding.message == "In the notebook of 'sub': Step 'a' comes after 'nowhere', which is no step."


def test_items_of_several_types_stay_inside_the_notebook() -> None:
    inner = replace(_inner(), parameters=(Parameter("lr", STRING, ""),), body=(step("a"),), outputs=())
    node = External("fit", inner, (Input("lr", STRING, FromItem("l")),))
    loop = Loop("l", "x", Constant(["1", '"a"']), STRING, (node,), json=True)
    (finding,) = diagnose(Pipeline("p", (loop,)))
    assert "only steps of the notebook can read" in finding.message


def test_lists_of_lists_are_lists() -> None:
    lists = ValueType(ParameterType.LIST)
    train = step("train", {"n": (INTEGER, FromItem("l"))}, rows=lists)
    loop = Loop("l", "n", Constant([1]), INTEGER, (train,))
    built(loop, step("use", {"rows": (lists, FromLoop("l", FromStep("train", "rows")))}))


def test_what_is_left_out_has_its_default_and_none_is_optional() -> None:
    ir = built(
        External("fit", _inner(), (Input("note", STRING, FromParameter("note")),)),
        parameters=(Parameter("note", STRING, None),),
    )
    definitions = ir.component("fit")["inputDefinitions"]["parameters"]
    assert definitions["lr"]["defaultValue"] == 0.1
    assert definitions["note"] == {"isOptional": True, "parameterType": "STRING"}
