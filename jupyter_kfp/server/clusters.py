"""Operations on clusters: profiles, submitting, schedules, triggers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from jupyter_kfp.server import worker
from jupyter_kfp.server.answers import (
    Deleted,
    Profiles,
    ProfileSummary,
    Scheduled,
    Schedules,
    Submitted,
    Times,
)
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.requests import (
    ClusterBody,
    ScheduleBody,
    SchedulesQuery,
    SubmitBody,
    TimesBody,
    TriggerBody,
)
from jupyter_kfp.server.worker import Compiled

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from jupyter_kfp.remote.client import Client


async def profiles(context: Context) -> Profiles:
    """The clusters that are set up."""
    return await context.thread(_profiles)


def _profiles() -> Profiles:
    from jupyter_kfp.errors import UsageError
    from jupyter_kfp.remote import profiles as known

    found = dict(known.load())
    try:
        default = known.find()
        found.setdefault(default.name, default)
        name = default.name
    except UsageError:  # none is named, and there is no one to take
        name = None
    return Profiles(
        profiles=[
            ProfileSummary(
                name=one.name,
                kind=one.kind.value,
                endpoint=one.endpoint,
                namespace=one.namespace,
                experiment=one.experiment,
            )
            for one in found.values()
        ],
        default=name,
    )


async def submit(context: Context, body: SubmitBody) -> Submitted:
    """Start a run of a saved notebook on a cluster."""
    made: Compiled = await context.compute(worker.compiled, str(context.existing(body.path)))
    return await context.thread(_submit, made, body)


def _submit(made: Compiled, body: SubmitBody) -> Submitted:
    from jupyter_kfp.remote import submit as remote

    options = remote.Options(body.profile, body.experiment, body.name, body.cache)
    done = remote.submit(made.ir, body.parameters, origin=made.origin, options=options)
    return Submitted(**done.as_dict())


async def schedule(context: Context, body: ScheduleBody) -> Scheduled:
    """Upload a saved notebook as a version and have the cluster run it again and again."""
    made: Compiled = await context.compute(worker.compiled, str(context.existing(body.path)))
    return await context.thread(_schedule, made.ir, body)


def _schedule(ir: str, body: ScheduleBody) -> Scheduled:
    from jupyter_kfp.remote import schedules
    from jupyter_kfp.remote.submit import Options

    when = schedules.When(
        body.cron, body.interval, body.start, body.end, body.concurrency, catch_up=body.catch_up
    )
    options = Options(body.profile, body.experiment, body.name)
    made = schedules.schedule(ir, when, body.parameters, options=options)
    return Scheduled(**made.as_dict())


async def times(context: Context, body: TimesBody) -> Times:
    """When a schedule would start runs, before it is made."""
    return await context.thread(_times, body)


def _times(body: TimesBody) -> Times:
    from jupyter_kfp.remote import schedules

    when = schedules.checked(schedules.When(body.cron, body.interval, body.start, body.end))
    now = datetime.now(timezone.utc)
    return Times(next_runs=[one.isoformat() for one in schedules.next_times(when, now, now, body.count)])


async def schedules(context: Context, query: SchedulesQuery) -> Schedules:
    """The recurring runs of a cluster, with their next times."""
    return await context.thread(_schedules, query.profile)


def _schedules(profile: str | None) -> Schedules:
    from jupyter_kfp.remote.schedules import shown

    with _connected(profile) as client:
        found = [shown(one) for one in client.recurring_runs()]
    return Schedules(schedules=[Scheduled(**one.as_dict()) for one in found])


async def pause(context: Context, schedule_id: str, body: ClusterBody) -> Scheduled:
    """Have a schedule start no more runs until it is resumed."""
    return await context.thread(_enable, schedule_id, body.profile, enabled=False)


async def resume(context: Context, schedule_id: str, body: ClusterBody) -> Scheduled:
    """Let a schedule go on."""
    return await context.thread(_enable, schedule_id, body.profile, enabled=True)


def _enable(schedule_id: str, profile: str | None, *, enabled: bool) -> Scheduled:
    from jupyter_kfp.remote.schedules import shown

    with _connected(profile) as client:
        client.enable(schedule_id, enabled=enabled)
        return Scheduled(**shown(client.recurring_run(schedule_id)).as_dict())


async def delete(context: Context, schedule_id: str, body: ClusterBody) -> Deleted:
    """Remove a schedule; its runs stay."""
    return await context.thread(_delete, schedule_id, body.profile)


def _delete(schedule_id: str, profile: str | None) -> Deleted:
    with _connected(profile) as client:
        client.delete_recurring_run(schedule_id)
    return Deleted(schedule_id=schedule_id)


def _connected(profile: str | None) -> AbstractContextManager[Client]:
    from jupyter_kfp.remote import preflight
    from jupyter_kfp.remote import profiles as known

    return preflight.connected(known.find(profile))


async def trigger(context: Context, body: TriggerBody) -> Submitted:
    """Start an uploaded version, as storage events and drift monitors do."""
    return await context.thread(_trigger, body)


def _trigger(body: TriggerBody) -> Submitted:
    from jupyter_kfp.remote.trigger import trigger as start

    done = start(
        body.pin,
        body.parameters,
        key=body.key,
        profile=body.profile,
        experiment=body.experiment,
        name=body.name,
    )
    return Submitted(**{name: value for name, value in asdict(done).items() if name != "followed"})
