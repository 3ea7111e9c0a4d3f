"""``schedule``: runs that a cluster starts at given times."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_kfp.cli.notebooks import warn
from jupyter_kfp.cli.output import AS_JSON, NOTEBOOK, explained, print_json, show
from jupyter_kfp.cli.runs import parameters_of
from jupyter_kfp.cli.submit import EXPERIMENT, PARAMETER, PARAMETERS_FILE, PROFILE
from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:
    from jupyter_kfp.remote.client import Client
    from jupyter_kfp.remote.schedules import Schedule

_ID = click.argument("schedule_id", metavar="SCHEDULE")


def _seconds(text: str) -> int:
    """A duration (``90s``, ``1h30m``, seconds) as whole seconds."""
    from jupyter_kfp.options import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def _moment(text: str) -> datetime:
    """A moment as ISO 8601; without a zone it is this machine's time."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time; write for instance 2026-01-31T03:00.") from error


def _connected(profile: str | None) -> AbstractContextManager[Client]:
    from jupyter_kfp.remote import preflight, profiles

    return preflight.connected(profiles.find(profile))


@click.group()
def schedule() -> None:
    """Recurring runs on a cluster: create, list, pause, resume, delete."""


@schedule.command()
@NOTEBOOK
@click.option("--cron", help="When: '0 3 * * *' is every day at 3:00 UTC.")
@click.option("--every", type=_seconds, metavar="DURATION", help="How long between two runs: 90s, 12h, 7d.")
@click.option("--start", type=_moment, metavar="TIME", help="Not before this time (ISO 8601).")
@click.option("--end", type=_moment, metavar="TIME", help="Not after this time (ISO 8601).")
@click.option("--concurrency", type=click.IntRange(1, 10), default=1, show_default=True, help="Runs at once.")
@click.option(
    "--catch-up", is_flag=True, help="Make up for every time that was missed, not only for the latest."
)
@click.option(
    "--pin", metavar="PIPELINE_ID/VERSION_ID", help="Run this uploaded version; NOTEBOOK says its parameters."
)
@PARAMETER
@PARAMETERS_FILE
@PROFILE
@EXPERIMENT
@click.option("--name", help="Name of the schedule.")
@AS_JSON
@explained
def create(
    notebook: Path,
    pairs: tuple[str, ...],
    params_file: Path | None,
    profile: str | None,
    experiment: str | None,
    name: str | None,
    pin: str | None,
    as_json: bool,
    cron: str | None,
    every: int | None,
    start: datetime | None,
    end: datetime | None,
    concurrency: int,
    catch_up: bool,
) -> None:
    """Have a cluster run NOTEBOOK (or a compiled pipeline) again and again.

    It is uploaded as a version first, and that version is what runs.
    """
    from jupyter_kfp.api import load
    from jupyter_kfp.remote import schedules
    from jupyter_kfp.remote.submit import Options

    when = schedules.When(cron, every, start, end, concurrency, catch_up)
    loaded = load(notebook)
    text = loaded.compile()
    warn(loaded)
    values = parameters_of(text, pairs, params_file)
    made = schedules.schedule(text, when, values, options=Options(profile, experiment, name), pin=pin)
    if as_json:
        print_json(made.as_dict())
        return
    click.echo(made.id)
    for moment in made.next_runs:
        click.echo(f"  next: {moment:%Y-%m-%d %H:%M:%S} UTC")


@schedule.command(name="list")
@PROFILE
@AS_JSON
@explained
def list_(profile: str | None, as_json: bool) -> None:
    """List the schedules of a cluster with their next times."""
    from jupyter_kfp.remote import schedules

    with _connected(profile) as client:
        found = [schedules.shown(one) for one in client.recurring_runs()]
    if as_json:
        print_json([one.as_dict() for one in found])
    elif found:
        _show(found)
    else:
        click.echo("No schedules.", err=True)


def _show(found: list[Schedule]) -> None:
    from rich.table import Table

    table = Table("schedule", "name", "when", "next (UTC)", "at once", box=None)
    for one in found:
        times = one.cron or f"every {one.interval} s"
        following = (
            f"{one.next_runs[0]:%Y-%m-%d %H:%M:%S}"
            if one.next_runs
            else ("paused" if not one.enabled else "never")
        )
        table.add_row(one.id, one.name, times, following, str(one.concurrency))
    show(table)


@schedule.command()
@_ID
@PROFILE
@explained
def pause(schedule_id: str, profile: str | None) -> None:
    """Start no more runs of SCHEDULE until it is resumed."""
    with _connected(profile) as client:
        client.enable(_one(client, schedule_id), enabled=False)


@schedule.command()
@_ID
@PROFILE
@explained
def resume(schedule_id: str, profile: str | None) -> None:
    """Let SCHEDULE go on."""
    with _connected(profile) as client:
        client.enable(_one(client, schedule_id), enabled=True)


@schedule.command()
@_ID
@PROFILE
@explained
def delete(schedule_id: str, profile: str | None) -> None:
    """Remove SCHEDULE; its runs stay."""
    with _connected(profile) as client:
        client.delete_recurring_run(_one(client, schedule_id))


def _one(client: Client, given: str) -> str:
    """The id of the schedule whose id or name is given, or begins so. Raises UsageError."""
    found = list(client.recurring_runs())
    exact = [one.recurring_run_id for one in found if given in (one.recurring_run_id, one.display_name)]
    ids = exact or [one.recurring_run_id for one in found if one.recurring_run_id.startswith(given)]
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise UsageError(
            f"Several schedules are called {given!r}.", "Give the id: `jupyter kfp schedule list`."
        )
    raise UsageError(f"There is no schedule {given!r}.", "`jupyter kfp schedule list` lists those there are.")
