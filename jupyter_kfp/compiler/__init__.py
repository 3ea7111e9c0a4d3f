"""Pipeline → IR: the YAML that Kubeflow Pipelines and the local engine run.

Pure, offline and deterministic: the same pipeline gives the same bytes on any machine. Importing
this package is cheap; KFP is imported when something is compiled.
"""

from __future__ import annotations

from jupyter_kfp.compiler.checks import diagnose
from jupyter_kfp.compiler.names import DEFAULT_IMAGE, port, task_names
from jupyter_kfp.compiler.provenance import Provenance, caller, gather
from jupyter_kfp.errors import DiagnosticsError, Severity
from jupyter_kfp.pipeline import Pipeline

__all__ = [
    "DEFAULT_IMAGE",
    "Provenance",
    "caller",
    "compile_pipeline",
    "diagnose",
    "gather",
    "port",
    "task_names",
]


def compile_pipeline(pipeline: Pipeline, *, provenance: Provenance | None = None) -> str:
    """The pipeline as KFP IR YAML; a second document holds platform-specific options where there are any.

    ``provenance`` is put into the environment of every step, and only there.

    Raises:
        DiagnosticsError: the pipeline asks for what KFP cannot express. It carries the warnings, too.
    """
    findings = diagnose(pipeline)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise DiagnosticsError(findings)

    from jupyter_kfp.compiler.graph import build
    from jupyter_kfp.compiler.text import to_text

    return to_text(build(pipeline, provenance), pipeline)
