"""How large and how slow compiling may be, with the runtime that really travels."""

from __future__ import annotations

import random

import pytest

from jupyter_kfp.compiler import compile_pipeline, payload
from jupyter_kfp.pipeline import Code, Pipeline, Step
from jupyter_kfp.runtime.payload import pack, unpack

from .cases import compiled, long_chain

STEPS = 100


def _source(pipeline: Pipeline) -> int:
    return sum(len(code.source) for step in pipeline.steps for code in (*step.preamble, *step.body))


def test_a_step_takes_at_most_6000_bytes_on_top_of_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = long_chain(STEPS)
    per_step = (len(compile_pipeline(pipeline).encode()) - _source(pipeline)) / STEPS
    with capsys.disabled():
        print(f" [{per_step:.0f} bytes per step]", end="")  # noqa: T201 - the figure is the point
    assert per_step <= 6000


def test_arguments_stay_below_100_kilobytes_whatever_the_source() -> None:
    source = "# " + random.Random(1).randbytes(1_000_000).hex()  # 2 MB that hardly compress
    step = Step("large", (Code(source, 0),))
    arguments = compiled(Pipeline("large", (step,))).container("large")["args"]
    assert max(map(len, arguments)) < 100_000
    assert arguments[2:] == pack(payload.step_json(step))
    assert unpack(arguments[2:])["cells"][0]["source"] == source


def test_only_the_first_argument_is_a_placeholder() -> None:
    """KFP rewrites ``{{$…}}`` and Kubernetes ``$(…)`` in every argument they find them in."""
    container = compiled(long_chain(2)).container("step-1")
    assert container["args"][0] == payload.EXECUTOR_INPUT
    for argument in (*container["command"], *container["args"][1:]):
        assert "{{" not in argument
        assert "$(" not in argument
        assert "$$" not in argument
