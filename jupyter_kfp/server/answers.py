"""What the operations give, as the OpenAPI document describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.store.records import State


class Answer(BaseModel):
    """A JSON object whose fields are these, all of them, always."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Problem(BaseModel):
    """Why a request was not answered."""

    message: str = Field(description="What went wrong and what to do, for people.")
    code: str = Field(description="The kind of error, for programs.")


class Finding(Answer):
    """Something that is wrong with the notebook, or may be. Cells count from 0, lines from 1.

    ``file_line`` is the line in the file, where the notebook is a script or Markdown.
    """

    code: str
    severity: Severity
    message: str
    remedy: str
    cell: int | None = None
    line: int | None = None
    step: str | None = None
    file_line: int | None = None

    @classmethod
    def of(cls, found: Diagnostic) -> Finding:
        """The same diagnostic."""
        return cls(**found.as_dict())


class NotebookProblem(Problem):
    """The notebook has errors: nothing was started or written."""

    diagnostics: list[dict[str, Any]] = []


class Cell(Answer):
    """A cell (its index counts from 0) and its part in the pipeline."""

    cell: int
    role: Literal["step", "parameters", "preamble", "outputs", "skipped", "pipeline"]
    step: str | None = None


class Parameter(Answer):
    """A parameter of the pipeline; ``type`` as a notebook says it."""

    name: str
    type: str
    required: bool
    default: Any = None


class Port(Answer):
    """A named input or output of a step."""

    name: str
    type: str


class Step(Answer):
    """A step that has not run yet. ``path`` is its dotted place; ``options`` what its compiled task says."""

    path: str
    code: str
    options: dict[str, Any]
    inputs: list[Port]
    outputs: list[Port]


class Box(Answer):
    """A loop, branch or nested pipeline; ``folded``: it is drawn as one node."""

    id: str
    label: str
    folded: bool


class Picture(Answer):
    """A graph as SVG; nodes and headlines of boxes carry their id as ``data-id``."""

    svg: str
    boxes: list[Box]


class Preview(Answer):
    """A notebook as a pipeline. ``svg`` is null where errors leave no graph."""

    name: str
    svg: str | None
    boxes: list[Box]
    steps: list[Step]
    findings: list[Finding]
    cells: list[Cell]
    parameters: list[Parameter]


class Schemas(Answer):
    """JSON schemas of the options of a cell (``cell.metadata.kfp``) and of a notebook (``metadata.kfp``)."""

    step: dict[str, Any]
    pipeline: dict[str, Any]


class Written(Answer):
    """The compiled pipeline was written to ``path``, as the contents API calls it."""

    path: str
    findings: list[Finding]


class RunSummary(Answer):
    """A run in a list. ``notebook`` is its path in the contents API, null if it is not below the root."""

    run_id: str
    name: str
    pipeline: str
    state: State
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    notebook: str | None
    error: str | None
    url: str | None = Field(description="The web page of a run on a cluster.")
    interrupted: bool = Field(description="Its engine died before it ended; it can be resumed.")
    stale: str | None = Field(None, description="Why the cluster could not be asked for the present state.")


class Runs(Answer):
    """Runs, newest first."""

    runs: list[RunSummary]


class TaskSummary(Answer):
    """A task of a run. ``path`` is its dotted place; ``cell`` the failed cell in the notebook, from 0."""

    path: str
    name: str
    state: State
    attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    cell: int | None


class RunDetails(RunSummary):
    """All that is known of a run."""

    parameters: dict[str, Any]
    tasks: list[TaskSummary]
    outputs: dict[str, Any]


class Attempt(Answer):
    """One try at a task."""

    number: int
    state: State
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    error: str | None


class Artifact(Answer):
    """An artifact by the port it came through; ``index`` tells those of one port apart."""

    port: str
    index: int
    name: str
    type: str
    uri: str
    metadata: dict[str, Any]


class TaskDetails(TaskSummary):
    """A task with what went in and came out. ``options`` are what the compiled task says, ``metrics`` by name."""

    options: dict[str, Any]
    metrics: dict[str, Any]
    has_notebook: bool
    code: str | None = Field(description="The source of its cells, if its executed notebook is there.")
    traceback: str | None
    tries: list[Attempt]
    input_parameters: dict[str, Any]
    output_parameters: dict[str, Any]
    input_artifacts: list[Artifact]
    output_artifacts: list[Artifact]


class MadeArtifact(Artifact):
    """An artifact of a run by the ``task`` that made it; ``size`` in bytes where it is known."""

    task: str
    size: int | None
    created_at: datetime | None


class Artifacts(Answer):
    """What the tasks of a run have made, in the order of the pipeline, without their executed notebooks."""

    artifacts: list[MadeArtifact]


class Difference(Answer):
    """A value in two runs; null where a run has none."""

    name: str
    before: Any
    after: Any
    differs: bool


class Comparison(Answer):
    """Two runs side by side. Metrics are named by task and metric: ``train.auc``."""

    before: RunSummary
    after: RunSummary
    parameters: list[Difference]
    metrics: list[Difference]


class Log(Answer):
    """The end of what a task printed; ``size`` is that of all of it, in bytes."""

    task: str
    text: str
    size: int


class ArtifactPreview(Answer):
    """An artifact to look at: ``rows`` of a table, ``values`` of metrics, ``text``, or ``content`` at an URL."""

    kind: Literal["table", "metrics", "text", "html", "image", "none"]
    type: str
    name: str
    columns: list[str] = []
    rows: list[list[Any]] = []
    total_rows: int | None = None
    total_columns: int | None = None
    values: dict[str, Any] = {}
    text: str | None = None
    content: str | None = Field(None, description="Path below /jupyter-kfp of the file itself.")


class ProfileSummary(Answer):
    """A cluster that is set up. Secrets are no part of it."""

    name: str
    kind: str
    endpoint: str | None
    namespace: str | None
    experiment: str | None


class Profiles(Answer):
    """Clusters; ``default`` is the one used where none is named."""

    profiles: list[ProfileSummary]
    default: str | None


class Submitted(Answer):
    """A run that was started on a cluster."""

    run_id: str
    name: str
    url: str
    profile: str
    experiment: str | None


class Scheduled(Answer):
    """A recurring run on a cluster; times are ISO 8601 in UTC."""

    schedule_id: str
    name: str
    enabled: bool
    cron: str | None
    interval: int | None
    start: str | None
    end: str | None
    concurrency: int
    catch_up: bool
    next_runs: list[str]


class Schedules(Answer):
    """The recurring runs of a cluster."""

    schedules: list[Scheduled]


class Times(Answer):
    """When a schedule would start runs, ISO 8601 in UTC; fewer than asked for where it ends before."""

    next_runs: list[str]


class Deleted(Answer):
    """The schedule that is no more; its runs stay."""

    schedule_id: str
