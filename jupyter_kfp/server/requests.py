"""What the operations take, as the OpenAPI document describes it. Anything else is malformed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from jupyter_kfp.store.records import State

Path = Annotated[
    str,
    Field(min_length=1, max_length=1024, description="Below the server's root, as the contents API has it."),
]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Values = Annotated[dict[str, Any], Field(description="Parameters by name; the others have their defaults.")]


def _integral(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is an integer there."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Integral = BeforeValidator(_integral)


class Request(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Body(Request):
    """JSON knows its types: nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PreviewBody(Body):
    """A notebook; ``content`` is its JSON as it is being edited, by default the saved file counts.

    ``folded``: the boxes to draw as one node; by default those of a large pipeline.
    """

    path: Path
    content: dict[str, Any] | None = None
    folded: Annotated[list[str], Field(max_length=1000)] | None = None


class CompileBody(Body):
    """A saved notebook, and where its IR goes: by default beside it, as ``.yaml``."""

    path: Path
    output: Path | None = None
    overwrite: bool = False


class RunBody(Body):
    """A saved notebook or compiled pipeline to run on this machine."""

    path: Path
    parameters: Values = {}
    max_parallel: Annotated[int, _Integral, Field(ge=1, le=1000)] | None = None
    runner: Literal["auto", "process", "container"] | None = None
    artifact_root: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=1024,
                description="Where artifacts are kept: a URL (`s3://...`), or a directory below the server's root.",
            ),
        ]
        | None
    ) = None


class SubmitBody(Body):
    """A saved notebook or compiled pipeline to run on a cluster."""

    path: Path
    parameters: Values = {}
    profile: Name | None = None
    experiment: Name | None = None
    name: Name | None = None
    cache: bool = True


class ScheduleBody(Body):
    """A saved notebook to run again and again: at the times of ``cron`` (UTC) or every ``interval`` seconds."""

    path: Path
    parameters: Values = {}
    profile: Name | None = None
    experiment: Name | None = None
    name: Name | None = None
    cron: Name | None = None
    interval: Annotated[int, _Integral, Field(ge=1, le=315_576_000)] | None = None
    start: Annotated[AwareDatetime, Field(strict=False)] | None = None
    end: Annotated[AwareDatetime, Field(strict=False)] | None = None
    concurrency: Annotated[int, _Integral, Field(ge=1, le=10)] = 1
    catch_up: bool = False


class TimesBody(Body):
    """When a schedule is to start runs, as of a schedule that is made."""

    cron: Name | None = None
    interval: Annotated[int, _Integral, Field(ge=1, le=315_576_000)] | None = None
    start: Annotated[AwareDatetime, Field(strict=False)] | None = None
    end: Annotated[AwareDatetime, Field(strict=False)] | None = None
    count: Annotated[int, _Integral, Field(ge=1, le=50)] = 5


class ClusterBody(Body):
    """Which cluster is meant; by default the usual one."""

    profile: Name | None = None


class TriggerBody(Body):
    """An uploaded version to start; calls with the same ``key`` start one run."""

    pin: Annotated[
        str,
        Field(
            pattern=r"^[^/\s]+/[^/\s]+$",
            max_length=1024,
            description="PIPELINE_ID/VERSION_ID, of `upload --pin`.",
        ),
    ]
    parameters: Values = {}
    key: Name | None = None
    profile: Name | None = None
    experiment: Name | None = None
    name: Name | None = None


class RunsQuery(Request):
    """Which runs to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    pipeline: Name | None = None
    state: State | None = None
    notebook: Path | None = None
    text: Annotated[Name, Field(description="Part of the name, pipeline, id, notebook or error.")] | None = (
        None
    )


class PictureQuery(Request):
    """Which boxes to draw as one node, separated by commas; by default those of a large pipeline."""

    # Names of tasks are such, as KFP's compiler makes them; the whole fits into the line of a request.
    folded: Annotated[str, Field(max_length=20_000, pattern=r"^[A-Za-z0-9_.,-]*$")] | None = None


class ComparisonQuery(Request):
    """The ids of two runs."""

    before: Name
    after: Name


class SchedulesQuery(Request):
    """Which cluster is meant; by default the usual one."""

    profile: Name | None = None


class LogQuery(Request):
    """How much of a log: its last bytes."""

    tail: Annotated[int, Field(ge=1, le=1_000_000)] = 65_536


class ArtifactQuery(Request):
    """Which artifact of a port that holds several."""

    index: Annotated[int, Field(ge=0, le=100_000)] = 0
