"""What came of a notebook, either way, and the law applied to both."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# What the runtime raises on purpose: the guard, a value that cannot travel, a wrong annotation.
_RUNTIME_ERROR = "StepError"


@dataclass(frozen=True)
class Failure:
    """An exception: its type's name, its message, the notebook's cell (None: between the cells)."""

    type: str
    message: str
    cell: int | None


@dataclass(frozen=True)
class PipelineRun:
    """A pipeline that was compiled and run.

    ``results`` has for each output either ``{"value": JSON, "type": KFP's parameter type}`` or
    ``{"artifact": {"uri", "metadata"}}``. ``failures`` are those of all steps, by step.
    """

    results: dict[str, dict[str, Any]]
    failures: dict[str, Failure]

    @property
    def failure(self) -> Failure | None:
        """The one to compare: the runtime's own (a step beside it may have read what it should not
        have), else the one that comes first in the notebook.
        """
        return min(self.failures.values(), key=lambda f: -1 if f.cell is None else f.cell, default=None)


@dataclass(frozen=True)
class Refused:
    """A notebook that does not compile: its errors as ``code: message``."""

    errors: tuple[str, ...]


class Kind(Enum):
    """How the two outcomes compare. The last four break the law."""

    EQUAL = "equal"
    DIAGNOSTIC = "diagnostic"
    RUN_ERROR = "run-error"
    BOTH_FAIL = "both-fail"
    STEP_ERROR = "step-error"
    FAIL_DIFFERENTLY = "both fail, but differently"
    DIFFERENT = "different results"
    NO_FAILURE = "the pipeline succeeds where Run All fails"


@dataclass(frozen=True)
class Verdict:
    """The comparison and what a person needs to understand it."""

    kind: Kind
    detail: str
    warnings: tuple[str, ...] = field(default=(), compare=False)


def judge(whole: dict[str, Any], pipeline: PipelineRun | Refused) -> Verdict:
    """Compare. ``whole`` is what :func:`run_all.run_all` gave, with the pipeline's results described."""
    if isinstance(pipeline, Refused):
        return Verdict(Kind.DIAGNOSTIC, "\n".join(pipeline.errors))
    failed = Failure(**whole["error"]) if "error" in whole else None
    failure = pipeline.failure
    if failure is not None:
        detail = f"pipeline: {pipeline.failures}\nRun All: {failed}"
        if failure.type == _RUNTIME_ERROR:
            return Verdict(Kind.RUN_ERROR, detail)
        if failed is None:
            return Verdict(Kind.STEP_ERROR, detail)
        same = (failed.type, failed.cell) == (failure.type, failure.cell)
        return Verdict(Kind.BOTH_FAIL if same else Kind.FAIL_DIFFERENTLY, detail)
    if failed is not None:
        return Verdict(Kind.NO_FAILURE, str(failed))
    expected, got = whole["values"], whole["results"]
    wrong = [name for name in sorted({*expected, *got}) if expected.get(name) != got.get(name)]
    texts = [f"{name}\n  Run All:\n{expected.get(name)}\n  pipeline:\n{got.get(name)}" for name in wrong]
    return Verdict(Kind.DIFFERENT if wrong else Kind.EQUAL, "\n".join(texts))
