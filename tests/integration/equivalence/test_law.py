"""The law over notebooks that hypothesis makes up. ``EQUIVALENCE_EXAMPLES`` sets how many."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from .case import parse_cells
from .harness import compare_fast
from .outcome import Kind
from .strategy import notebooks
from .strategy_control import controlled

MORE = "EQUIVALENCE_EXAMPLES"
EXAMPLES = {"plain": 24, "control flow": 8}
LEAST_EQUAL = {"plain": 0.2, "control flow": 0.25}
STRATEGIES = {"plain": notebooks, "control flow": controlled}
_TOLD = "K236"  # what a loop collected shares data with something, and changes: a warning says so
_BROKEN = {Kind.DIFFERENT, Kind.NO_FAILURE, Kind.STEP_ERROR}


# A timeout in the middle would leave the warm process behind with an answer nobody takes.
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_run_all_is_the_pipeline(kind, zygotes):
    """Equal, refused, or failed by the runtime's guards: never silently different.

    Where Run All fails, the pipeline fails too, if not always first in the same cell (steps that do
    not need the failed one go on).
    """
    kinds: Counter[Kind] = Counter()

    # Unless asked for more than usual: the same examples each time, so that a red CI is red for everybody,
    # and shown as they are, since making one smaller takes minutes.
    @settings(
        max_examples=int(os.environ.get(MORE, EXAMPLES[kind])),
        derandomize=MORE not in os.environ,
        phases=tuple(Phase) if MORE in os.environ else (Phase.generate,),
        deadline=None,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.large_base_example,
            HealthCheck.data_too_large,
        ],
    )
    @given(STRATEGIES[kind]())
    def law(text: str) -> None:
        with tempfile.TemporaryDirectory() as directory:
            verdict = compare_fast(parse_cells(text), zygotes.light, Path(directory))
        kinds[verdict.kind] += 1
        event(verdict.kind.value)
        if any(text.startswith(_TOLD) for text in verdict.warnings):
            return
        assert verdict.kind not in _BROKEN, f"{verdict.kind.value}\n{text}\n{verdict.detail}"

    law()
    # A law that mostly looks at refusals would say little.
    assert kinds[Kind.EQUAL] >= sum(kinds.values()) * LEAST_EQUAL[kind], kinds
