"""The law, and that the harness sees when it is broken."""

from __future__ import annotations

import pytest

from .case import parse_cells
from .harness import run_whole
from .outcome import Failure, Kind, PipelineRun, Refused, judge

ONE = {"values": {"x": "int 1"}, "results": {"x": "int 1"}}
TWO = {"values": {"x": "int 1"}, "results": {"x": "int 2"}}
LOST = {"values": {"x": "int 1"}, "results": {}}
EXTRA = {"values": {}, "results": {"x": "int 1"}}
FAILED = {"error": {"type": "KeyError", "message": "'a'", "cell": 3}}
RAN = PipelineRun({"x": {"value": 1, "type": "NUMBER_INTEGER"}}, {})


def stopped(kind: str, cell: int | None) -> PipelineRun:
    return PipelineRun({}, {"step": Failure(kind, "why", cell)})


@pytest.mark.parametrize(
    ("whole", "pipeline", "kind"),
    [
        (ONE, RAN, Kind.EQUAL),
        (TWO, RAN, Kind.DIFFERENT),
        (LOST, RAN, Kind.DIFFERENT),
        (EXTRA, RAN, Kind.DIFFERENT),
        (ONE, Refused(("K201: x",)), Kind.DIAGNOSTIC),
        (FAILED, RAN, Kind.NO_FAILURE),
        (ONE, stopped("KeyError", 3), Kind.STEP_ERROR),
        (ONE, stopped("StepError", None), Kind.RUN_ERROR),
        (FAILED, stopped("KeyError", 3), Kind.BOTH_FAIL),
        (FAILED, stopped("KeyError", 2), Kind.FAIL_DIFFERENTLY),
        (FAILED, stopped("NameError", 3), Kind.FAIL_DIFFERENTLY),
    ],
)
def test_the_law(whole, pipeline, kind):
    assert judge(whole, pipeline).kind is kind


def test_of_several_failures_the_runtime_s_own_counts_then_the_first():
    failures = {"b": Failure("KeyError", "", 5), "a": Failure("TypeError", "", 4)}
    assert PipelineRun({}, failures).failure == Failure("TypeError", "", 4)
    guard = Failure("StepError", "", None)
    assert PipelineRun({}, {**failures, "c": guard}).failure == guard


def test_a_wrong_result_of_the_pipeline_is_seen(zygotes, tmp_path):
    notebook = parse_cells("# %%\nx = [1]\n# %% [tags: outputs]\nx\n")
    wrong = PipelineRun({"x": {"value": [1.5], "type": "LIST"}}, {})
    verdict = judge(run_whole(notebook, zygotes.light, tmp_path, {}, wrong), wrong)
    assert verdict.kind is Kind.DIFFERENT
    assert "float 1.5" in verdict.detail
