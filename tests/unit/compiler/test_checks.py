"""What is refused before anything is built, and with which words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from jupyter_kfp.compiler import compile_pipeline, diagnose
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.pipeline import (
    ArtifactType,
    Code,
    FromParameter,
    FromStep,
    Input,
    Output,
    Parameter,
    Pipeline,
    PipelineOutput,
    Step,
    ValueType,
)

from .cases import DATASET, FLOAT, STRING, one_parameter, one_step


def step(name: str, **more: object) -> Step:
    return Step(name, (Code("1", 3),), **more)  # type: ignore[arg-type]


BROKEN = {
    "no-steps": Pipeline("p", ()),
    "kfp-name": Pipeline("Not A Name", (step("a"),)),
    "kfp-parameter": one_parameter(Parameter("_x", FLOAT, 1.0)),
    "duplicate-step": Pipeline("p", (step("a"), step("a"))),
    "reserved-output": Pipeline("p", (step("a", outputs=(Output("executed_html", FLOAT),)),)),
    "unknown-step": Pipeline("p", (step("a", after=("b",)),)),
    "cycle": Pipeline("p", (step("a", after=("b",)), step("b", after=("a",)))),
    "kfp-input": Pipeline("p", (step("a", inputs=(Input("x", FLOAT, FromStep("b", "x")),)),)),
    "kfp-output": Pipeline("p", (step("a"),), outputs=(PipelineOutput("x", FLOAT, FromStep("a", "x")),)),
}


@pytest.mark.parametrize("code", BROKEN)
def test_each_is_refused(code: str) -> None:
    assert [finding.code for finding in diagnose(BROKEN[code])] == [code]
    with pytest.raises(DiagnosticsError):
        compile_pipeline(BROKEN[code])


def test_a_step_name_without_letters() -> None:
    assert [f.code for f in diagnose(Pipeline("p", (step("数据"),)))] == ["kfp-name"]


def test_findings_name_step_and_cell() -> None:
    (finding,) = diagnose(BROKEN["reserved-output"])
    assert (finding.step, finding.cell) == ("a", 3)
    assert str(finding) == (
        "cell 4: error reserved-output: Every step has an output 'executed_html' of its own. Rename the variable."
    )


def test_a_parameter_that_goes_straight_to_the_outputs() -> None:
    """The IR's outputs name a task (DagOutputsSpec), so KFP has no way to say it."""
    pipeline = replace(
        one_parameter(Parameter("lr", FLOAT, 1.0)),
        outputs=(PipelineOutput("lr", FLOAT, FromParameter("lr")),),
    )
    with pytest.raises(
        DiagnosticsError, match=r"'lr' is a parameter no step changes.* assign it in a step \(lr = lr\)"
    ):
        compile_pipeline(pipeline)


@pytest.mark.parametrize(
    ("made", "wanted"), [(FLOAT, STRING), (DATASET, FLOAT), (DATASET, ValueType(ArtifactType.MODEL))]
)
def test_types_that_do_not_connect(made: ValueType, wanted: ValueType) -> None:
    use = step("b", inputs=(Input("x", wanted, FromStep("a", "x")),))
    (finding,) = diagnose(Pipeline("p", (step("a", outputs=(Output("x", made),)), use)))
    assert finding.message == f"Step 'b' reads 'x' as {wanted} and would get a {made}."


def test_a_good_pipeline_has_no_findings(training: Pipeline) -> None:
    assert diagnose(training) == ()


def test_checking_needs_no_kfp() -> None:
    code = "import sys, jupyter_kfp.compiler as c; c.diagnose; assert not {'kfp', 'yaml', 'google'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_warnings_do_not_stop_compiling(plain_payload: None) -> None:
    assert compile_pipeline(one_step(volume="a=/a:ro"))
