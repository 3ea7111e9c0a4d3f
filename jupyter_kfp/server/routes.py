"""The table of operations. The handlers serve it, the OpenAPI document describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from jupyter_kfp.server import answers, clusters, notebooks, requests, runs, tasks

_BASE_ERRORS = (400, 403, 404, 409, 503)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``path`` is below ``/jupyter-kfp``; ``answer`` None: a file, not JSON."""

    method: str
    path: str
    call: Callable[..., Awaitable[Any]]
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    is_notebook: bool = False

    @property
    def errors(self) -> tuple[int, ...]:
        """The statuses it may answer with when it cannot do what is asked."""
        more = (413, 422, 501, 502) if self.body else ((413, 502) if "artifacts" in self.path else (502,))
        return (*_BASE_ERRORS, *more)


_TASK = "/runs/{run_id}/tasks/{task}"
_SCHEDULE = "/schedules/{schedule_id}"
_ARTIFACT = f"{_TASK}/artifacts/{{port}}"

OPERATIONS: Final = (
    Operation("POST", "/preview", notebooks.preview, answers.Preview, requests.PreviewBody),
    Operation("GET", "/options", notebooks.options, answers.Schemas),
    Operation("POST", "/compile", notebooks.compile_, answers.Written, requests.CompileBody, status=201),
    Operation("GET", "/runs", runs.list_, answers.Runs, query=requests.RunsQuery),
    Operation("POST", "/runs", notebooks.run, answers.RunSummary, requests.RunBody, status=201),
    Operation("GET", "/runs/{run_id}", runs.show, answers.RunDetails),
    Operation("GET", "/runs/{run_id}/picture", runs.picture, answers.Picture, query=requests.PictureQuery),
    Operation("POST", "/runs/{run_id}/cancel", runs.cancel, answers.RunSummary, status=202),
    Operation("POST", "/runs/{run_id}/retry", runs.retry, answers.RunSummary, status=202),
    Operation("POST", "/runs/{run_id}/resume", runs.resume, answers.RunSummary, status=202),
    Operation("GET", "/runs/{run_id}/artifacts", tasks.artifacts, answers.Artifacts),
    Operation("GET", "/compare", runs.compare, answers.Comparison, query=requests.ComparisonQuery),
    Operation("GET", _TASK, tasks.show, answers.TaskDetails),
    Operation("GET", f"{_TASK}/log", tasks.log, answers.Log, query=requests.LogQuery),
    Operation("GET", f"{_TASK}/notebook", tasks.notebook, None, is_notebook=True),
    Operation("GET", _ARTIFACT, tasks.artifact, answers.ArtifactPreview, query=requests.ArtifactQuery),
    Operation("GET", f"{_ARTIFACT}/lineage", tasks.lineage, answers.Picture, query=requests.ArtifactQuery),
    Operation("GET", f"{_ARTIFACT}/content", tasks.content, None, query=requests.ArtifactQuery),
    Operation("GET", "/profiles", clusters.profiles, answers.Profiles),
    Operation("POST", "/submit", clusters.submit, answers.Submitted, requests.SubmitBody, status=201),
    Operation("POST", "/schedules", clusters.schedule, answers.Scheduled, requests.ScheduleBody, status=201),
    Operation("GET", "/schedules", clusters.schedules, answers.Schedules, query=requests.SchedulesQuery),
    Operation("POST", "/schedules/times", clusters.times, answers.Times, requests.TimesBody),
    Operation("POST", f"{_SCHEDULE}/pause", clusters.pause, answers.Scheduled, requests.ClusterBody),
    Operation("POST", f"{_SCHEDULE}/resume", clusters.resume, answers.Scheduled, requests.ClusterBody),
    Operation("POST", f"{_SCHEDULE}/delete", clusters.delete, answers.Deleted, requests.ClusterBody),
    Operation("POST", "/trigger", clusters.trigger, answers.Submitted, requests.TriggerBody, status=201),
)
