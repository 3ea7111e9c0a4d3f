"""Run All ≡ the exported pipeline, over a part of the corpus; all of it with ``EXPORT_FULL=1``.

Without kernels and without the engine, see ``adapter``; ``test_runs`` has both.
"""

from __future__ import annotations

import os

import pytest

from tests.integration.equivalence.case import Case, corpus
from tests.integration.equivalence.conftest import zygotes
from tests.integration.equivalence.outcome import Kind

from .adapter import compare_exported

__all__ = ["zygotes"]

# One for each way a component can come out: as a function, as a module, with classes that travel, with
# commands, with what may be unbound.
CHOSEN = {
    "bind_only_some_path",
    "code_class_instances",
    "code_dataclass",
    "data_artifact_objects",
    "ipython_await",
    "ipython_writefile",
    "scope_class_body_reads_global",
    "scope_shadow_builtin",
    "control_for_dicts",
    "control_if_two_outputs",
    "control_notebook",
}

# What the header of every exported file says: copies, no guard. And IPython's own objects.
DIFFERENT = {"ipython_shell_reads_earlier_step", "scope_default_of_lambda"}


def _cases() -> list[Case]:
    every = [case for case in corpus() if case.expect == ("equal",) and case.name not in DIFFERENT]
    return [case for case in every if os.environ.get("EXPORT_FULL") or case.name in CHOSEN]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.name)
def test_corpus(case: Case, zygotes, tmp_path):
    verdict = compare_exported(case.notebook, zygotes.of(heavy=case.heavy), tmp_path, case.params, case.files)
    if os.environ.get("EXPORT_FULL") and case.name.startswith("alias_") and verdict.kind is Kind.DIFFERENT:
        pytest.xfail("values that share objects become copies")
    assert verdict.kind is Kind.EQUAL, f"{case.covers}\n{verdict.kind.value}: {verdict.detail}"
