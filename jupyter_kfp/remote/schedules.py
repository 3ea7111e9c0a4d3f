"""Recurring runs: when, how many at once, and what happens to times that were missed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from croniter import croniter

from jupyter_kfp.engine import parameters
from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import objects, package, profiles, versions
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.preflight import connected
from jupyter_kfp.remote.submit import TOKEN, Options, Version, body_of, experiment_of

# KFP's words for usual times (github.com/robfig/cron v1), with the seconds first.
_WORDS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_MOST = 10


@dataclass(frozen=True, slots=True)
class When:
    """The times of a schedule: a cron expression (UTC) or an interval in seconds, from ``start`` to ``end``.

    ``concurrency``: how many runs at once (1 to 10). ``catch_up``: whether times that were missed are made up
    for, one by one; else only the latest is.
    """

    cron: str | None = None
    interval: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    concurrency: int = 1
    catch_up: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recurring run as the cluster has it. ``next_runs``: its next times, none while it is paused."""

    id: str
    name: str
    enabled: bool
    cron: str | None
    interval: int | None
    start: datetime | None
    end: datetime | None
    concurrency: int
    catch_up: bool
    next_runs: tuple[datetime, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values; times are ISO 8601 in UTC."""
        return {
            "schedule_id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "cron": self.cron,
            "interval": self.interval,
            "start": self.start and self.start.isoformat(),
            "end": self.end and self.end.isoformat(),
            "concurrency": self.concurrency,
            "catch_up": self.catch_up,
            "next_runs": [moment.isoformat() for moment in self.next_runs],
        }


def checked(when: When) -> When:
    """The times with their cron expression as KFP reads it: six fields, the seconds first.

    KFP takes the five fields everybody writes for seconds to months. Raises UsageError saying what is wrong.
    """
    if (when.cron is None) == (when.interval is None):
        raise UsageError(
            "A schedule needs either a cron expression or an interval.", "Give --cron or --every."
        )
    if not 1 <= when.concurrency <= _MOST:
        raise UsageError(f"{when.concurrency} runs at once are not possible.", f"Give 1 to {_MOST}.")
    if when.start and when.end and when.end <= when.start:
        raise UsageError("The schedule ends before it starts.", "Give a later --end.")
    if when.interval is not None and when.interval < 1:
        raise UsageError(f"An interval of {when.interval} seconds is none.", "Give at least one second.")
    cron = None if when.cron is None else _six_fields(when.cron)
    return When(cron, when.interval, when.start, when.end, when.concurrency, when.catch_up)


def _six_fields(text: str) -> str:
    cron = _WORDS.get(text.strip().lower(), " ".join(text.split()))
    if len(cron.split()) == 5:
        cron = f"0 {cron}"
    valid = len(cron.split()) == 6 and croniter.is_valid(cron, second_at_beginning=True)
    if not valid or _first(cron) is None:
        raise UsageError(
            f"{text!r} is no cron expression, or never comes.",
            "Write minute, hour, day, month and weekday: '0 3 * * *' is every day at 3:00 UTC.",
        )
    return cron


def _first(cron: str) -> datetime | None:
    return next(_cron_times(cron, datetime.now(timezone.utc)), None)


def _cron_times(cron: str, after: datetime) -> Iterator[datetime]:
    from croniter import CroniterBadDateError

    times = croniter(cron, after, second_at_beginning=True)
    while True:
        try:
            moment: datetime = times.get_next(datetime)
        except CroniterBadDateError:  # the 30th of February
            return
        yield moment


def next_times(when: When, created: datetime, now: datetime, count: int) -> list[datetime]:
    """The next ``count`` times of a schedule after ``now``. Cron expressions have six fields."""
    begin = when.start or created
    if when.cron is not None:
        times = _cron_times(when.cron, max(now, begin))
    else:
        step = timedelta(seconds=when.interval or 1)
        passed = max(0, (now - begin) // step)
        times = (begin + step * number for number in range(passed + 1, passed + 1 + count))
    found: list[datetime] = []
    for moment in times:
        if len(found) == count or (when.end is not None and moment > when.end):
            break
        found.append(moment)
    return found


def schedule(
    text: str,
    when: When,
    values: Mapping[str, Any] | None = None,
    *,
    options: Options | None = None,
    pin: str | None = None,
) -> Schedule:
    """Have a cluster run a compiled pipeline again and again: as a version that is uploaded first, or that is pinned.

    Raises UsageError, before anything is sent, where times or parameters are wrong; UnreachableError, ApiError.
    """
    options, when = options or Options(), checked(when)
    given = package.read(text)
    parameters.validate(given.plan.root.input_parameters, values or {})
    version = None if pin is None else versions.pinned(pin)
    with connected(profiles.find(options.profile)) as client:
        if version is None:
            version = versions.pinned(versions.upload_with(client, given, given.plan.name).pin)
        return create(client, given, values or {}, when, options, version)


def create(
    client: Client,
    sent: package.Package,
    values: Mapping[str, Any],
    when: When,
    options: Options,
    version: Version | None = None,
) -> Schedule:
    """Add a schedule. Raises UsageError before anything is sent where times or parameters are wrong."""
    when = checked(when)
    given = parameters.validate(sent.plan.root.input_parameters, values)
    token = f"{TOKEN} {secrets.token_hex(8)}."
    body = body_of(sent, client.profile, {name: given[name] for name in values if name in given}, version)
    body |= {
        "display_name": options.name or sent.plan.name,
        "description": token,
        "trigger": _trigger(when),
        "max_concurrency": str(when.concurrency),
        "no_catchup": not when.catch_up,
        "mode": "ENABLE",
    }
    experiment = experiment_of(sent, client.profile, options)
    if experiment:
        body["experiment_id"] = client.experiment(experiment).experiment_id
    return shown(client.create_recurring_run(body, token))


def _trigger(when: When) -> dict[str, Any]:
    bounds = {"start_time": when.start, "end_time": when.end}
    limits = {name: _stamp(moment) for name, moment in bounds.items() if moment is not None}
    if when.cron is not None:
        return {"cron_schedule": {"cron": when.cron, **limits}}
    return {"periodic_schedule": {"interval_second": str(when.interval), **limits}}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(found: objects.RecurringRun, count: int = 3) -> Schedule:
    """A recurring run with its next times."""
    cron, periodic = found.trigger.cron_schedule, found.trigger.periodic_schedule
    bounds = cron or periodic
    when = When(
        cron.cron if cron else None,
        periodic.interval_second if periodic else None,
        bounds.start_time if bounds else None,
        bounds.end_time if bounds else None,
        found.max_concurrency,
        not found.no_catchup,
    )
    now = datetime.now(timezone.utc)
    times = _known_times(when, found.created_at or now, now, count) if found.enabled else []
    return Schedule(
        found.recurring_run_id,
        found.display_name,
        found.enabled,
        when.cron,
        when.interval,
        when.start,
        when.end,
        when.concurrency,
        when.catch_up,
        tuple(times),
    )


def _known_times(when: When, created: datetime, now: datetime, count: int) -> list[datetime]:
    """Next times of what somebody else may have made, in words that only the cluster knows."""
    try:
        return next_times(checked(when), created, now, count)
    except UsageError:
        return []
