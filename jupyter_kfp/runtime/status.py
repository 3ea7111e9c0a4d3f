"""What an exit step knows of the run: KFP's ``PipelineTaskFinalStatus``, without importing kfp."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any


class FinalStatus(SimpleNamespace):
    """How the run ended: ``state`` is SUCCEEDED, FAILED or CANCELED; the error is None where there is none."""

    def __init__(
        self,
        state: str,
        error_code: int | None = None,
        error_message: str | None = None,
        pipeline_job_resource_name: str = "",
        pipeline_task_name: str = "",
    ) -> None:
        self.state = state
        self.error_code = error_code
        self.error_message = error_message
        self.pipeline_job_resource_name = pipeline_job_resource_name
        self.pipeline_task_name = pipeline_task_name


def final_status(told: Any) -> FinalStatus:
    """KFP's final status of a task: a mapping, or its JSON text, in either spelling of the field names."""
    fields: dict[str, Any] = json.loads(told) if isinstance(told, str) else told or {}
    error = fields.get("error") or {}
    code = error.get("code")
    return FinalStatus(
        fields.get("state", ""),
        None if code is None else int(code),
        error.get("message"),
        fields.get("pipelineJobResourceName", fields.get("pipeline_job_resource_name", "")),
        fields.get("pipelineTaskName", fields.get("pipeline_task_name", "")),
    )
