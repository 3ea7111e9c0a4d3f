"""What an exit step knows of the run: KFP's ``PipelineTaskFinalStatus``, without importing kfp."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FinalStatus:
    """How the run ended: ``state`` is SUCCEEDED, FAILED or CANCELED; the error is None where there is none."""

    state: str
    error_code: int | None = None
    error_message: str | None = None
    pipeline_job_resource_name: str = ""
    pipeline_task_name: str = ""
