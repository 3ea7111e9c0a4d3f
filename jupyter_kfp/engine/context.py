"""What all attempts of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_kfp.engine.masking import Masker
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store.artifacts import ArtifactRoot

if TYPE_CHECKING:
    from jupyter_kfp.engine.containers.images import Images
    from jupyter_kfp.engine.warm.pool import WarmPool


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run, as its steps see it.

    ``images``: where some steps run in containers (see ``runner``), the images of the container engine;
    ``image``: what takes the place of the compiler's default image there.
    """

    run_id: str
    run_name: str
    pipeline: str
    created_at: datetime
    root: ArtifactRoot
    environments: Path
    source: Path | None
    masker: Masker
    secrets: Mapping[str, Mapping[str, str]]
    workspace: Path
    imports: Path
    warm: WarmPool | None = None
    runner: Runner = Runner.PROCESS
    images: Images | None = None
    image: str | None = None

    @property
    def resource_name(self) -> str:
        """What KFP calls the run's resource name."""
        return f"{self.pipeline}-{self.run_id}"

    def placeholders(self, task: str, path: str, number: int) -> dict[str, str]:
        """KFP's placeholders that name the run and the task."""
        return {
            "pipeline_job_name": self.run_name,
            "pipeline_job_resource_name": self.resource_name,
            "pipeline_job_uuid": self.run_id,
            "pipeline_task_name": task,
            "pipeline_task_uuid": f"{self.run_id}/{path}/{number}",
            "pipeline_root": self.root.url,
            "workspace_path": str(self.workspace),
            # Started by hand, a run is scheduled for the moment it is made.
            "pipeline_job_create_time_utc": self.created_at.isoformat(),
            "pipeline_job_schedule_time_utc": self.created_at.isoformat(),
        }
