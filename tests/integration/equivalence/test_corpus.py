"""Run All ≡ pipeline, over the corpus, without kernels (``test_full`` starts them)."""

from __future__ import annotations

import pytest

from .case import Case, corpus
from .harness import compare_fast
from .outcome import Kind, Verdict

# What the words of the corpus are called in the diagnostics.
CODES = {
    "bound-in-arm": {"K223"},
    "class-redefined": {"K209"},
    "code-state": {"K208"},
    "collect-unbound": {"K225"},
    "cycle": {"K210"},
    "default-argument": {"K206"},
    "deleted-name": {"K204"},
    "dynamic-names": {"K222"},
    "exit-reads": {"K227"},
    "interleaved": {"K205"},
    "last-result": {"K212"},
    "loop-copies": {"K236"},
    "loop-mutation": {"K226"},
    "missing-input": {"K233"},
    "misspelt-input": {"K234"},
    "mixed-numbers": {"K307"},
    "nested-definition": {"K207"},
    "no-header": {"K128"},
    "no-notebook": {"K232"},
    "only-in-loop": {"K224"},
    "output": {"kfp-output"},
    "parameter": {"K301", "K302"},
    "process-state": {"K215", "K216"},
    "rebound-in-loop": {"K231"},
    "reserved-name": {"K211"},
    "shared-object": {"K237"},
    "skipped-name": {"K202"},
    "skipped-after": {"kfp-after"},
    "syntax": {"K221"},
    "text-for-boolean": {"K230"},
    "two-places": {"K229"},
    "undefined-name": {"K201", "K203", "K213"},
    "unknown-step": {"K114"},
    "unrepeatable": {"K217"},
    "unpicklable": {"K303"},
    "wrong-branch": {"K228"},
}


@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.name)
def test_corpus(case: Case, zygotes, tmp_path):
    verdict = compare_fast(case.notebook, zygotes.of(heavy=case.heavy), tmp_path, case.params, case.files)
    check(case, verdict)


def check(case: Case, verdict: Verdict) -> None:
    """The verdict is the one the case expects, and says what it should."""
    told = f"{case.covers}\n{verdict.kind.value}: {verdict.detail}"
    match case.expect:
        case ["diagnostic", word, *name]:
            assert verdict.kind is Kind.DIAGNOSTIC, told
            found = [line for line in verdict.detail.splitlines() if line.partition(":")[0] in CODES[word]]
            assert found, told
            assert all(n in found[0] for n in name), told
        case ["warned", word]:
            assert {text.partition(":")[0] for text in verdict.warnings} & CODES[word], told
            assert verdict.kind in (Kind.EQUAL, Kind.DIFFERENT), told
        case [kind]:
            assert verdict.kind.value == kind, told
        case [kind, word]:
            assert verdict.kind.value == kind, told
            assert word in verdict.detail, told
