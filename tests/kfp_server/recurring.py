"""Recurring runs: what is due is started, as KFP's scheduled workflow controller does."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from croniter import croniter

from tests.kfp_server.api import Api, Problem
from tests.kfp_server.database import Objects, stamp

_TICK_SECONDS = 0.3
_ACTIVE = ("PENDING", "RUNNING", "CANCELING")


class Recurring(threading.Thread):
    """Looks a few times a second for recurring runs that are due."""

    def __init__(self, objects: Objects, api: Api) -> None:
        super().__init__(daemon=True)
        self._objects = objects
        self._api = api

    def run(self) -> None:
        """Never ends."""
        while True:
            time.sleep(_TICK_SECONDS)
            for job in self._objects.list("recurring"):
                if job.get("status") == "ENABLED":
                    self._start_due(job)

    def _start_due(self, job: dict[str, Any]) -> None:
        id_ = job["recurring_run_id"]
        running = [
            r for r in self._objects.list("run") if r.get("recurring_run_id") == id_ and r["state"] in _ACTIVE
        ]
        last = self._objects.extra(id_).get("last")
        due = next_time(job, _time(last) if last else None, datetime.now(timezone.utc))
        if due is None or due > datetime.now(timezone.utc) or len(running) >= int(job["max_concurrency"]):
            return
        self._objects.update(id_, extra={"last": due.isoformat()})
        fields = (
            "pipeline_spec",
            "pipeline_version_reference",
            "runtime_config",
            "service_account",
            "experiment_id",
        )
        body = {field: job[field] for field in fields if field in job}
        name = f"{job['display_name']} {due:%Y-%m-%d %H:%M:%S}"
        try:
            self._api.RunService_CreateRun(
                {}, {}, {**body, "display_name": name, "recurring_run_id": id_, "scheduled_at": stamp(due)}
            )
        except Problem as problem:
            logging.getLogger(__name__).warning("recurring run %s: %s", id_, problem)


def next_time(job: dict[str, Any], last: datetime | None, now: datetime) -> datetime | None:
    """When a job is due next (backend/src/crd/controller/scheduledworkflow/util); None if never."""
    trigger = job["trigger"]
    schedule = trigger.get("cron_schedule") or trigger["periodic_schedule"]
    start = _time(schedule["start_time"]) if "start_time" in schedule else None
    end = _time(schedule["end_time"]) if "end_time" in schedule else None
    base = last or start or _time(job["created_at"])
    due = _after(schedule, max(base, start or base))
    while job.get("no_catchup") and (following := _after(schedule, due)) <= now:
        due = following
    return None if end is not None and due > end else due


def _after(schedule: dict[str, Any], moment: datetime) -> datetime:
    if "interval_second" in schedule:
        return moment + timedelta(seconds=int(schedule["interval_second"]))
    found: datetime = croniter(schedule["cron"], moment, second_at_beginning=True).get_next(datetime)
    return found


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
