"""What `%kfp load` executes of a notebook's code, and of whose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from jupyter_kfp.live.loading import Loader
from jupyter_kfp.live.preamble import Statements
from jupyter_kfp.runs import StepRun

PACKED = {
    "cells": [{"source": "import math\ndef half(x): return x / 2", "role": "preamble"}],
    "parameters": {"x": "int"},
}


def loaded(author: str | None) -> tuple[dict[str, Any], list[Statements], dict[str, str]]:
    record = SimpleNamespace(
        input_parameters={"x": 4}, input_artifacts={}, output_parameters={}, output_artifacts={}
    )
    executed: list[Statements] = []
    space: dict[str, Any] = {}
    step = cast("StepRun", SimpleNamespace(record=record))
    found = Loader(step, PACKED, space, executed.append, author=author).load(outputs=False)
    return space, executed, found.left_out


def test_ones_own_code_is_executed_where_the_kernel_lacks_it() -> None:
    space, executed, left_out = loaded(None)
    assert (space, [each.names for each in executed], left_out) == ({"x": 4}, [("math", "half")], {})


def test_code_of_somebody_else_is_not() -> None:
    space, executed, left_out = loaded("run abc of the user 'mallory'")
    assert (space, executed) == ({"x": 4}, [])
    assert list(left_out) == ["math", "half"]
    assert "mallory" in left_out["half"]
    assert "--allow-pickle" in left_out["half"]
