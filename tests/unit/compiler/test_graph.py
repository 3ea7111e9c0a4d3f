"""The IR of a pipeline: tasks, ports, connections, parameters, outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jupyter_kfp.compiler import DEFAULT_IMAGE, compile_pipeline, port, task_names
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import (
    ArtifactType,
    Code,
    FromStep,
    Input,
    Output,
    Parameter,
    ParameterType,
    Pipeline,
    PipelineOutput,
    Step,
    ValueType,
)

from .cases import (
    BOOT,
    DATASET,
    FLOAT,
    Compiled,
    compiled,
    long_chain,
    one_parameter,
    step_json,
)

pytestmark = pytest.mark.usefixtures("plain_payload")

GOLDEN = Path(__file__).parent / "data" / "training.yaml"


@pytest.fixture
def ir(training: Pipeline, plain_payload: None) -> Compiled:
    return compiled(training)


def test_golden(ir: Compiled) -> None:
    """The whole IR, legible. ``JUPYTER_KFP_UPDATE_GOLDENS=1`` writes it anew, to be reviewed."""
    text = ir.text.replace(ir.spec["sdkVersion"], "kfp-VERSION")
    if os.environ.get("JUPYTER_KFP_UPDATE_GOLDENS"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_independent_steps_are_parallel_and_data_makes_order(ir: Compiled) -> None:
    dependent = {
        name: task.get("dependentTasks", []) for name, task in ir.spec["root"]["dag"]["tasks"].items()
    }
    assert dependent == {
        "load-data": [],
        "clean": ["load-data"],
        "train": ["clean"],
        "plot": ["load-data"],
        "report": ["plot", "train"],
    }


def test_a_step_may_come_after_one_that_stands_further_down() -> None:
    first = Step("first", (Code("1", 0),), after=("second",))
    ir = compiled(Pipeline("order", (first, Step("second", (Code("2", 1),)))))
    assert ir.task("first")["dependentTasks"] == ["second"]


def test_container_of_a_step(ir: Compiled) -> None:
    container = ir.container("load-data")
    assert container["image"] == DEFAULT_IMAGE
    assert container["command"] == ["python3", "-c", BOOT]
    assert container["args"][:2] == ["{{$}}", '["pandas>=2", "pyarrow"]']
    assert ir.container("clean")["args"][1] == "[]"


def test_step_json_holds_what_the_runtime_reads(ir: Compiled) -> None:
    assert step_json(ir, "train") == {
        "step": "train",
        "cells": [
            {"source": "class Net: ...", "role": "preamble"},
            {"source": "model = fit(df, lr, opt)", "role": "step"},
        ],
        "early": ["lr"],
        "parameters": {"lr": "float", "opt": "str"},
        "inputs": {"df": "Dataset"},
        "outputs": {"model": {"type": "Model", "code": ["Net"]}, "accuracy": {"type": "float"}},
        "guard": {"df": "clean"},
        "metrics": ["accuracy"],
        "secrets": ["DB_PASSWORD"],
    }
    assert step_json(ir, "clean")["outputs"] == {"df": {"type": "Dataset", "optional": True}}
    assert step_json(ir, "report") == {
        "step": "report",
        "cells": [{"source": "print('done')", "role": "step"}],
    }


def test_a_mutated_variable_is_input_and_output_under_one_name(ir: Compiled) -> None:
    component = ir.component("clean")
    assert "df" in component["inputDefinitions"]["artifacts"]
    assert "df" in component["outputDefinitions"]["artifacts"]
    assert "ports" not in step_json(ir, "clean")


def test_reserved_ports(ir: Compiled) -> None:
    reserved = {"executed_notebook": "system.Artifact", "executed_html": "system.HTML"}
    for task in ("load-data", "report"):
        artifacts = ir.component(task)["outputDefinitions"]["artifacts"]
        assert {n: a["artifactType"]["schemaTitle"] for n, a in artifacts.items() if n != "df"} == reserved
    metrics = ir.component("train")["outputDefinitions"]["artifacts"]["step_metrics"]
    assert metrics["artifactType"]["schemaTitle"] == "system.Metrics"


@pytest.mark.parametrize("kind", ArtifactType)
def test_every_artifact_type_connects(kind: ArtifactType) -> None:
    made = ValueType(kind)
    make = Step("make", (Code("x = 1", 0),), outputs=(Output("x", made),))
    use = Step("use", (Code("x", 1),), inputs=(Input("x", made, FromStep("make", "x")),))
    pipeline = Pipeline("types", (make, use), outputs=(PipelineOutput("x", made, FromStep("make", "x")),))
    ir = compiled(pipeline)
    for ports in (ir.component("make")["outputDefinitions"], ir.component("use")["inputDefinitions"]):
        assert ports["artifacts"]["x"]["artifactType"]["schemaTitle"] == kind.schema_title


@pytest.mark.parametrize("kind", [k for k in ArtifactType if k is not ArtifactType.ARTIFACT])
def test_untyped_artifacts_connect_with_typed_ones(kind: ArtifactType) -> None:
    plain, typed = ValueType(ArtifactType.ARTIFACT), ValueType(kind)
    for made, wanted in ((plain, typed), (typed, plain)):
        make = Step("make", (Code("x = 1", 0),), outputs=(Output("x", made),))
        use = Step("use", (Code("x", 1),), inputs=(Input("x", wanted, FromStep("make", "x")),))
        assert compiled(Pipeline("types", (make, use))).task("use")["dependentTasks"] == ["make"]


@pytest.mark.parametrize(
    ("kind", "default", "name"),
    [
        (ParameterType.STRING, "a", "STRING"),
        (ParameterType.INTEGER, 3, "NUMBER_INTEGER"),
        (ParameterType.FLOAT, 1e-7, "NUMBER_DOUBLE"),
        (ParameterType.BOOLEAN, False, "BOOLEAN"),
        (ParameterType.LIST, [1, [None, "x"], {}], "LIST"),
        (ParameterType.DICT, {"a": None, "b": [True]}, "STRUCT"),
    ],
)
def test_parameters_have_types_and_defaults(kind: ParameterType, default: object, name: str) -> None:
    ir = compiled(one_parameter(Parameter("p", ValueType(kind), default)))  # type: ignore[arg-type]
    definition = ir.spec["root"]["inputDefinitions"]["parameters"]["p"]
    assert definition == {"defaultValue": default, "isOptional": True, "parameterType": name}
    assert ir.task("use")["inputs"]["parameters"]["p"] == {"componentInputParameter": "p"}
    assert ir.component("use")["inputDefinitions"]["parameters"]["p"] == {"parameterType": name}


def test_a_required_parameter_is_required_and_none_makes_it_optional_all_the_way() -> None:
    required = compiled(one_parameter(Parameter("p", FLOAT, required=True)))
    assert required.spec["root"]["inputDefinitions"]["parameters"]["p"] == {"parameterType": "NUMBER_DOUBLE"}
    optional = compiled(one_parameter(Parameter("p", FLOAT, None)))
    for definitions in (optional.spec["root"], optional.component("use")):
        definition = definitions["inputDefinitions"]["parameters"]["p"]
        assert definition == {"isOptional": True, "parameterType": "NUMBER_DOUBLE"}


def test_pipeline_outputs(ir: Compiled) -> None:
    assert ir.spec["root"]["dag"]["outputs"] == {
        "artifacts": {
            "model": {"artifactSelectors": [{"outputArtifactKey": "model", "producerSubtask": "train"}]}
        },
        "parameters": {
            "accuracy": {"valueFromParameter": {"outputParameterKey": "accuracy", "producerSubtask": "train"}}
        },
    }


@pytest.mark.parametrize("name", ["_x", "größe", "__", "数据", "_1"])
def test_names_kfp_refuses_get_a_legible_port(name: str) -> None:
    make = Step("make", (Code(f"{name} = 1", 0),), outputs=(Output(name, DATASET),))
    use = Step("use", (Code(name, 1),), inputs=(Input(name, DATASET, FromStep("make", name)),))
    ir = compiled(Pipeline("names", (make, use)))
    assert step_json(ir, "make")["ports"] == step_json(ir, "use")["ports"] == {name: port(name)}
    assert port(name) in ir.component("make")["outputDefinitions"]["artifacts"]
    assert port(name) in ir.component("use")["inputDefinitions"]["artifacts"]


def test_ports_stay_legible_and_distinct() -> None:
    assert port("df_2") == "df_2"
    assert port("größe").startswith("groe_")
    assert len({port(name) for name in ("_x", "__x", "x", "x_", "ẍ")}) == 5


def test_task_names_are_those_of_the_ir() -> None:
    steps = tuple(Step(name, (Code("1", 0),)) for name in ("load_data", "Load data", "load-data", "b"))
    pipeline = Pipeline("names", steps)
    ir = compiled(pipeline)
    names = task_names(pipeline)
    assert names == {
        "load_data": "load-data",
        "Load data": "load-data-2",
        "load-data": "load-data-3",
        "b": "b",
    }
    assert {n: ir.task(names[n])["taskInfo"]["name"] for n in names} == {n: n for n in names}


def test_a_comment_in_one_step_leaves_the_others_untouched() -> None:
    """KFP's cache key is made of the component, image, command and arguments."""
    before = long_chain(3)
    edited = replace(before.steps[0], body=(Code(before.steps[0].body[0].source + "  # why", 1),))
    one, other = compiled(before), compiled(replace(before, body=(edited, *before.steps[1:])))
    assert one.container("step-0") != other.container("step-0")
    for task in ("step-1", "step-2"):
        assert yaml.dump(one.container(task)) == yaml.dump(other.container(task))
        assert one.component(task) == other.component(task)
        assert one.task(task) == other.task(task)


def test_a_cell_more_above_changes_no_key_below() -> None:
    """Where a step stands in the notebook is only told in a description, which KFP's cache key leaves out."""
    before = long_chain(3)
    moved = replace(
        before,
        body=tuple(replace(s, body=tuple(Code(c.source, c.cell + 1) for c in s.body)) for s in before.steps),
    )
    one, other = compiled(before), compiled(moved)
    for task in ("step-0", "step-1", "step-2"):
        assert one.container(task) == other.container(task)
        assert one.task(task) == other.task(task)


_COMPILE = """
import sys
sys.path.insert(0, {here!r})
import warnings
warnings.simplefilter("error")
from cases import long_chain
from jupyter_kfp.compiler import compile_pipeline
sys.stdout.write(compile_pipeline(long_chain(5)))
"""


def test_same_bytes_under_any_hash_seed_directory_and_environment(tmp_path: Path) -> None:
    texts = []
    for seed, extra in (("0", {}), ("4711", {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONUTF8": "1"})):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path), **extra}
        # KFP's own default for caching comes from this variable.
        environment["KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT"] = "true" if extra else "false"
        done = subprocess.run(
            [sys.executable, "-c", _COMPILE.format(here=str(Path(__file__).parent))],
            cwd=tmp_path if extra else None,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert str(Path.home()) not in texts[0]


def test_validates_against_the_pipeline_spec_message(ir: Compiled) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    json_format.ParseDict(ir.spec, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
    json_format.ParseDict(ir.platform, pipeline_spec_pb2.PlatformSpec(), ignore_unknown_fields=False)
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(ir.spec["deploymentSpec"], deployment, ignore_unknown_fields=False)


def test_the_description_and_title_are_kept(training: Pipeline) -> None:
    titled = replace(training, options=training.options.model_copy(update={"name": "My training"}))
    info = compiled(titled).spec["pipelineInfo"]
    assert info == {"name": "training", "displayName": "My training", "description": "Train a model.\nTwice."}


def test_compiling_is_thread_safe() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: compile_pipeline(long_chain(10)), range(16)))
    assert len(set(texts)) == 1


def test_arguments_are_json_even_with_dollars() -> None:
    requirement = "pkg @ https://host/$(TOKEN)/{{$.x}}"
    step = Step("a", (Code("1", 0),), options=StepOptions(packages=[requirement]))
    text = compiled(Pipeline("p", (step,))).container("a")["args"][1]
    assert "$" not in text
    assert json.loads(text) == [requirement]
