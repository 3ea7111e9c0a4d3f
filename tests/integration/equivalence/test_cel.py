"""The evaluator of trigger policies by itself."""

from __future__ import annotations

import pytest

from .cel import holds

INPUTS = {"n": 3, "share": 0.5, "word": "it's", "ok": True}


def given(name: str) -> str:
    return f"inputs.parameter_values['{name}']"


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        (f"int({given('n')}) > 2", True),
        (f"!(int({given('n')}) > 2) && {given('share')} <= -0.25", False),
        (f"!({given('share')} > 1.0) && {given('ok')} == true", True),
        (f"{given('word')} == 'it\\'s'", True),
        (f"double({given('n')}) == 3", True),
    ],
)
def test_what_kfp_writes(condition, verdict):
    assert holds(condition, INPUTS) is verdict


@pytest.mark.parametrize(
    "condition", [f"{given('word')} == 3", f"{given('ok')} == 'true'", "1 + 1 == 2", "1 == 1 1"]
)
def test_what_it_does_not(condition):
    with pytest.raises(ValueError, match=r"."):
        holds(condition, INPUTS)
