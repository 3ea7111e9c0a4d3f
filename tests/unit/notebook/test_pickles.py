"""The option `pickle: off`: what the code says would be pickled is warned of."""

from __future__ import annotations

import pytest

from tests.unit.notebook.writing import analysis_of, codes

USE = "\n# %% step:use\nprint(x)"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("x = {1, 2}", "a set"),
        ("x = {n for n in range(3)}", "a set"),
        ("x = 1, [2]", "a tuple"),
        ("x = frozenset([1])", "made by frozenset()"),
        ("import collections\nx = collections.Counter('abc')", "made by Counter()"),
        ("class Net:\n    pass\nx = Net()", "an object of the class Net"),
        ("x = 1\nx = {2}", "a set"),
    ],
)
def test_what_is_evident_is_warned_of(code: str, what: str) -> None:
    analysis = analysis_of(f"# %% step:make\n#| pickle: off\n{code}{USE}")
    (found,) = [d for d in analysis.diagnostics if d.code == "K311"]
    assert found.message.startswith(
        f"`x` is {what}, which only a pickle can keep, and step make may write none"
    )
    assert (found.cell, found.line, found.step) == (
        0,
        2 + code.count("\n"),
        "make",
    )
    assert analysis.ok


@pytest.mark.parametrize(
    "code", ["x = [1, 2]", "x = {'a': 1}", "x = 5", "x = {1}\nx = list(x)", "y = {1}\nx = len(y)"]
)
def test_other_values_are_not(code: str) -> None:
    assert "K311" not in codes(analysis_of(f"# %% step:make\n#| pickle: off\n{code}{USE}"))


def test_steps_that_may_are_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# %% step:make\nx = {1, 2}" + USE
    assert codes(analysis_of(text)) == []
    assert codes(analysis_of(text.replace("\nx", "\n#| pickle: on\nx", 1))) == []
    monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
    assert codes(analysis_of(text)) == ["K311"]
