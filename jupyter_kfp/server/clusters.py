"""Operations on clusters: profiles, submitting, schedules, triggers."""

from __future__ import annotations

from dataclasses import asdict

from jupyter_kfp.server import worker
from jupyter_kfp.server.answers import Profiles, ProfileSummary, Scheduled, Submitted
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.requests import ScheduleBody, SubmitBody, TriggerBody
from jupyter_kfp.server.worker import Compiled


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
