"""``%%pipeline``: the notebook's steps, called in KFP's own DSL."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from jupyter_kfp.compiler import compile_pipeline, diagnose
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import (
    Code,
    ExitHandler,
    External,
    FromParameter,
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

from .cases import FLOAT, MODEL, STRING, Compiled, compiled
from .foreign import component_yaml
from .references import dangling
from .test_external import _inner
from .test_groups import INTEGER, MODELS, inside, step

pytestmark = pytest.mark.usefixtures("plain_payload")

LOAD = step("load_data", {"path": (STRING, FromParameter("path"))}, rows=INTEGER)
TRAIN = Step(
    "train-model",
    (Code("model = fit(rows, lr)", 2),),
    inputs=(Input("rows", INTEGER, FromStep("load_data", "rows")), Input("lr", FLOAT, FromParameter("lr"))),
    outputs=(Output("model", MODEL), Output("score", FLOAT)),
    options=StepOptions(memory="2Gi", retries=3, timeout=60, display_name="Train"),
)
BEST = step("best", {"models": (MODELS, FromStep("train-model", "model"))}, chosen=MODEL)
WORD = step("word", {"note": (STRING, FromParameter("path"))}, text=STRING)
NOTIFY = step("notify", {"note": (STRING, FromParameter("path"))})
PARAMETERS = (
    Parameter("path", STRING, "a.csv"),
    Parameter("lr", FLOAT, 0.1),
    Parameter("lrs", ValueType(ParameterType.LIST, ParameterType.FLOAT), [0.1]),
)
EXTERNALS = (
    External("plus", component_yaml(), (), (Output("Output", INTEGER),), options=StepOptions(memory="1Gi")),
    External("fit", _inner(), (), (Output("model", MODEL),)),
)


def pipeline(cell: str, *outputs: PipelineOutput) -> Pipeline:
    body = (ExitHandler(NOTIFY, (LOAD, TRAIN, BEST, WORD, *EXTERNALS)),)
    return Pipeline("p", body, PARAMETERS, outputs, dsl=Code(textwrap.dedent(cell), 7))


def built(cell: str, *outputs: PipelineOutput) -> Compiled:
    given = pipeline(cell, *outputs)
    assert [d for d in diagnose(given) if d.severity.value == "error"] == []
    ir = compiled(given)
    assert dangling(ir.spec) == []
    return ir


def test_steps_are_called_by_name_and_keep_their_options() -> None:
    ir = built(
        """
        data = load_data(path=path)
        first = train_model(rows=data.output, lr=lr)
        second = train_model(rows=data.outputs["rows"], lr=0.5).after(first)
        kubernetes.set_timeout(second, 30)
        outputs = {"model": second.outputs["model"], "rows": data}
        """
    )
    assert sorted(ir.spec["root"]["dag"]["tasks"]) == ["load-data", "train-model", "train-model-2"]
    for task, seconds in (("train-model", "60"), ("train-model-2", "30")):
        assert ir.task(task)["taskInfo"]["name"] == "Train"
        assert ir.task(task)["retryPolicy"]["maxRetryCount"] == 3
        assert ir.container(task)["resources"]["resourceMemoryLimit"] == "2Gi"
        assert ir.kubernetes(task)["activeDeadlineSeconds"] == seconds
    assert ir.task("train-model-2")["dependentTasks"] == ["load-data", "train-model"]
    definitions = ir.spec["root"]["outputDefinitions"]
    assert definitions["parameters"] == {"rows": {"parameterType": "NUMBER_INTEGER"}}
    assert list(definitions["artifacts"]) == ["model"]
    assert "# Outputs:\n#    model\n#    rows\n" in ir.text


def test_everything_of_the_dsl() -> None:
    ir = built(
        """
        from typing import List
        from kfp.dsl import Input, Output, Dataset, Model, PipelineTaskFinalStatus

        @dsl.component(base_image="python:3.11")
        def count(n: int = 1) -> int:
            return n

        @dsl.component(base_image="python:3.11")
        def last(status: PipelineTaskFinalStatus):
            print(status.state)

        @dsl.pipeline
        def inner(n: int) -> int:
            return count(n=count(n=n).output).output

        with dsl.ExitHandler(last()):
            with dsl.ParallelFor([1]):
                count()
        data = load_data(path=path)
        nested = inner(n=data.output)
        table = dsl.importer(artifact_uri="gs://x/y", artifact_class=dsl.Dataset)
        with dsl.ParallelFor(lrs, parallelism=2) as rate:
            made = train_model(rows=nested.output, lr=rate)
            with dsl.If(made.outputs["score"] > 0.5):
                count(n=data.output)
        chosen = best(models=dsl.Collected(made.outputs["model"]))
        with dsl.If(nested.output == 3):
            yes = word(note="yes")
        with dsl.Else():
            no = word(note=path)
        text = dsl.OneOf(yes.output, no.output)
        sub = fit(lr=0.5)
        total = plus(a=1)
        collected = dsl.Collected(made.outputs["score"])
        """,
        *(
            PipelineOutput(n, STRING, FromStep("word", "text"))
            for n in ("text", "chosen", "sub", "total", "collected")
        ),
    )
    outputs = ir.spec["root"]["outputDefinitions"]
    assert sorted(outputs["parameters"]) == ["collected", "text", "total"]
    assert outputs["parameters"]["collected"]["parameterType"] == "LIST"
    assert sorted(outputs["artifacts"]) == ["chosen", "sub"]
    assert inside(ir, "inner", "count")
    assert inside(ir, "fit", "train")
    assert ir.container("plus")["resources"]["resourceMemoryLimit"] == "1Gi"


def test_an_on_exit_step_is_told_the_status() -> None:
    ir = built("with dsl.ExitHandler(notify(note=path), name='all'):\n    load_data(path=path)")
    task = inside(ir, "notify")
    assert task["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}


def test_parameters_whose_name_is_part_of_a_loops() -> None:
    cell = """
    with dsl.ParallelFor(lrs) as rate:
        with dsl.If(lr > 0.5):
            train_model(rows=1, lr=rate)
    """
    built(cell)


ERRORS = {
    "missing": (
        "\n\ntrain_model(lr=lr)",
        3,
        "'train-model' needs 'rows', which is not given. Assign rows before it.",
    ),
    "misspelt": ("load_data(paht=path)", 1, "'load_data' has no input 'paht'. Did you mean 'path'?"),
    "position": ("load_data(path)", 1, "'load_data' takes its inputs by name. Write path=... ."),
    "unknown": ("x = 1\nnothing()", 2, "NameError: name 'nothing' is not defined"),
    "syntax": ("x = 1\nif x\n", 2, "SyntaxError"),
    "type": ("train_model(rows='a', lr=lr)", 1, "InconsistentTypeException"),
    "in a function": ("def f():\n    load_data(paht=1)\n\nf()", 2, "'paht'"),
    "topology": (
        "with dsl.If(path == 'a'):\n    one = load_data(path=path)\ntrain_model(rows=one.output, lr=lr)",
        None,
        "InvalidTopologyException",
    ),
    "no tasks": ("x = 1", None, "Task is missing from pipeline"),
    "several outputs": ("x = train_model(rows=1, lr=lr).output", 1, "write .outputs[...]: model, score"),
    "outputs": (
        "load_data(path=path)\noutputs = {'x': 3}",
        None,
        "output 'x' is a int, not the output of a task",
    ),
    "outputs are no dict": ("load_data(path=path)\noutputs = 3", None, "outputs is a int."),
    "a parameter": ("load_data(path=path)\noutputs = {'x': lr}", None, "output 'x' is a parameter"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_cell_and_the_line(case: str) -> None:
    cell, line, message = ERRORS[case]
    with pytest.raises(DiagnosticsError) as caught:
        compile_pipeline(pipeline(cell))
    (finding,) = caught.value.diagnostics
    assert (finding.cell, finding.line) == (7, line)
    assert message in str(finding)


def test_a_listed_output_that_is_not_assigned() -> None:
    with pytest.raises(DiagnosticsError, match=r"lists 'model', which the %%pipeline cell does not assign"):
        compile_pipeline(
            pipeline("load_data(path=path)", PipelineOutput("model", MODEL, FromStep("train", "model")))
        )


def test_a_failure_leaves_kfp_as_it_was(training: Pipeline) -> None:
    with pytest.raises(DiagnosticsError):
        compile_pipeline(pipeline("@dsl.pipeline\ndef inner():\n    nothing()\n"))
    assert compiled(training)


def test_it_is_deterministic(capsys: Any) -> None:
    cell = "print('compiling')\n@dsl.component\ndef f() -> int:\n    return 1\nf()\n"
    assert built(cell).text == built(cell).text
    assert capsys.readouterr().out == ""


def test_without_steps_of_its_own() -> None:
    cell = "@dsl.component\ndef f() -> int:\n    return 1\nf()\n"
    assert compiled(Pipeline("p", (), dsl=Code(cell, 0))).task("f")
