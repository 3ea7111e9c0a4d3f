"""What the widget asks of pipelines and runs: `api.LoadedPipeline` and `runs.Run`, which are built on top of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from jupyter_kfp.pipeline import Json
    from jupyter_kfp.remote.submit import Options, Submission
    from jupyter_kfp.store.records import RunRecord, TaskRecord


class StepLike(Protocol):
    """A step of a run, as `runs.StepRun`."""

    record: TaskRecord

    @property
    def log(self) -> str:
        """What the last attempt printed."""

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """The artifacts it left (`runs.StoredArtifact`), by name."""

    @property
    def notebook(self) -> Path | None:
        """The executed notebook."""

    @property
    def html(self) -> Path | None:
        """The executed notebook as a page."""


class RunLike(Protocol):
    """A run, as `runs.Run`."""

    id: str
    stale: str | None

    @property
    def record(self) -> RunRecord:
        """All the store knows of the run itself, now."""

    @property
    def steps(self) -> Mapping[str, StepLike]:
        """Every step by its path."""

    @property
    def url(self) -> str | None:
        """The web page of a run on a cluster."""

    def listen(self, timeout: float) -> bool:
        """Wait for news, at most ``timeout`` seconds; False at once where none are told."""

    def fetch_logs(self) -> None:
        """Bring the logs of a run on a cluster."""

    def cancel(self) -> None:
        """Ask the run to end."""


class PipelineLike(Protocol):
    """A pipeline, as `api.LoadedPipeline`."""

    @property
    def name(self) -> str:
        """The pipeline's name."""

    def compile(self) -> str:
        """The IR's YAML."""

    def start(self, parameters: Mapping[str, Json] | None = None, *, cache: bool = True) -> RunLike:
        """Start a run on this machine."""

    def submit(
        self, parameters: Mapping[str, Json] | None = None, options: Options | None = None
    ) -> Submission:
        """Start a run on a cluster."""
