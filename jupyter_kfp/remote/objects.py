"""What the API says, as far as it is used here. Whatever else is in an answer is left alone.

The names are those of KFP's Swagger file (v2beta1).
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

_NO_TIME = ("", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z")


class RunState(str, Enum):
    """``v2beta1RuntimeState``."""

    UNSPECIFIED = "RUNTIME_STATE_UNSPECIFIED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    PAUSED = "PAUSED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (RunState.SUCCEEDED, RunState.SKIPPED, RunState.FAILED, RunState.CANCELED)


def _moment(value: Any) -> Any:
    """Go's and Unix' zero times are none."""
    return None if isinstance(value, str) and value in _NO_TIME else value


def _state(value: Any) -> Any:
    """A state that a later version may add says nothing to us."""
    known = {state.value for state in RunState}
    return RunState.UNSPECIFIED if isinstance(value, str) and value not in known else value


def _none(empty: Any) -> Any:
    """``null`` where a collection is meant, as some proxies write empty ones."""
    return BeforeValidator(lambda value: empty() if value is None else value)


Moment = Annotated[AwareDatetime | None, BeforeValidator(_moment)]
State = Annotated[RunState, BeforeValidator(_state)]


class _Object(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Status(_Object):
    """``googleRpcStatus``."""

    code: int = 0
    message: str = ""


class Health(_Object):
    """``v2beta1GetHealthzResponse``."""

    multi_user: bool = False


class Experiment(_Object):
    """``v2beta1Experiment``."""

    experiment_id: str
    display_name: str = ""
    namespace: str = ""


class Pipeline(_Object):
    """``v2beta1Pipeline``."""

    pipeline_id: str
    name: str = ""
    display_name: str = ""


class Version(_Object):
    """``v2beta1PipelineVersion``."""

    pipeline_version_id: str
    pipeline_id: str = ""
    name: str = ""
    display_name: str = ""
    description: str = ""
    created_at: Moment = None
    pipeline_spec: Annotated[dict[str, Any], _none(dict)] = {}


class Child(_Object):
    """``PipelineTaskDetailChildTask``."""

    pod_name: str = ""


class Detail(_Object):
    """``v2beta1PipelineTaskDetail``: one node of the workflow."""

    task_id: str = ""
    display_name: str = ""
    state: State = RunState.UNSPECIFIED
    start_time: Moment = None
    end_time: Moment = None
    error: Status | None = None
    child_tasks: Annotated[tuple[Child, ...], _none(tuple)] = ()


class Details(_Object):
    """``v2beta1RunDetails``."""

    task_details: Annotated[tuple[Detail, ...], _none(tuple)] = ()


class Change(_Object):
    """``v2beta1RuntimeStatus``."""

    update_time: Moment = None
    state: State = RunState.UNSPECIFIED
    error: Status | None = None


class RuntimeConfig(_Object):
    """``v2beta1RuntimeConfig``."""

    parameters: Annotated[dict[str, Any], _none(dict)] = {}
    pipeline_root: str = ""


class Run(_Object):
    """``v2beta1Run``."""

    run_id: str = Field(min_length=1, max_length=64)
    display_name: str = ""
    description: str = ""
    experiment_id: str = ""
    state: State = RunState.UNSPECIFIED
    created_at: Moment = None
    finished_at: Moment = None
    error: Status | None = None
    runtime_config: RuntimeConfig | None = None
    run_details: Details | None = None
    state_history: Annotated[tuple[Change, ...], _none(tuple)] = ()

    @property
    def details(self) -> tuple[Detail, ...]:
        """The nodes of its workflow."""
        return self.run_details.task_details if self.run_details else ()

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, if it has."""
        return self.finished_at if self.state.is_final else None


class Cron(_Object):
    """``v2beta1CronSchedule``."""

    cron: str = ""
    start_time: Moment = None
    end_time: Moment = None


class Periodic(_Object):
    """``v2beta1PeriodicSchedule``."""

    interval_second: int = 0
    start_time: Moment = None
    end_time: Moment = None


class Trigger(_Object):
    """``v2beta1Trigger``."""

    cron_schedule: Cron | None = None
    periodic_schedule: Periodic | None = None


class RecurringRun(_Object):
    """``v2beta1RecurringRun``."""

    recurring_run_id: str
    display_name: str = ""
    status: str = ""
    max_concurrency: int = 1
    no_catchup: bool = False
    experiment_id: str = ""
    created_at: Moment = None
    trigger: Trigger = Trigger()

    @property
    def enabled(self) -> bool:
        """Whether it starts runs."""
        return self.status == "ENABLED"
