"""Pipeline → KFP DSL in Python: for those who leave.

What is written depends on kfp alone (and on kfp-kubernetes where Kubernetes is spoken to). It is text
all the way: nothing is imported or executed here, and the same pipeline gives the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_kfp.compiler.checks import diagnose
from jupyter_kfp.compiler.export.limits import explicit_limit
from jupyter_kfp.errors import Diagnostic, DiagnosticsError, Severity
from jupyter_kfp.pipeline import Pipeline

__all__ = ["Exported", "export_pipeline"]


@dataclass(frozen=True, slots=True)
class Exported:
    """The text of a Python file, and what it does otherwise than the pipeline (warnings)."""

    text: str
    warnings: tuple[Diagnostic, ...]


def export_pipeline(pipeline: Pipeline, sources: Mapping[int, str] | None = None) -> Exported:
    """The pipeline as a Python file that KFP's SDK compiles.

    Args:
        pipeline: The model.
        sources: The notebook's cells by index, for the comments in code that travels to several steps.

    Raises:
        DiagnosticsError: the pipeline asks for what KFP, or Python outside of a notebook, cannot express.
    """
    from jupyter_kfp.compiler.export.document import write

    known = (*explicit_limit(pipeline), *diagnose(pipeline))
    text, found = ("", ()) if _errors(known) else write(pipeline, sources or {})
    findings = (*known, *found)
    if _errors(findings):
        raise DiagnosticsError(findings)
    return Exported(text, findings)


def _errors(findings: tuple[Diagnostic, ...]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)
