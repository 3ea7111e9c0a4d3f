"""Run All ≡ pipeline with everything real: the engine, a process, papermill and a kernel per step.

The notebooks marked ``mode: full`` by default; all of them with ``EQUIVALENCE_FULL=1`` (half an hour).
"""

from __future__ import annotations

import os

import pytest

from .case import Case, corpus
from .full import compare_full
from .test_corpus import check

CASES = [case for case in corpus() if case.full or os.environ.get("EQUIVALENCE_FULL")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_full(case: Case, tmp_path, monkeypatch):
    if case.expect[0] == "warned":
        pytest.skip("what is promised is the warning, which the fast mode checks")
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JUPYTER_KFP_STORE_URL", raising=False)
    check(case, compare_full(case.notebook, tmp_path, case.params, case.files))
