"""Commands that keep house: ``gc``, ``pin``, ``unpin``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from jupyter_kfp.cli.output import AS_JSON, explained, print_json, say_warning, show
from jupyter_kfp.errors import UsageError

if TYPE_CHECKING:
    from jupyter_kfp.store.database import Database
    from jupyter_kfp.store.housekeeping import Removed
    from jupyter_kfp.store.retention import Choice

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_RUNS = click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)


def _seconds(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    from jupyter_kfp.options import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, 30d.") from error


def _bytes(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """A size as people write it: ``500MB``, ``20G``, ``1.5GiB``."""
    if text is None:
        return None
    parts = _SIZE.fullmatch(text.strip())
    if parts is None:
        raise click.BadParameter(f"{text!r} is no size; write for instance 500MB or 20GB.")
    base = 1024 if parts[3] else 1000
    return int(float(parts[1]) * base ** " KMGT".index(parts[2].upper() or " "))


@contextmanager
def opened() -> Iterator[Database]:
    """The store's database."""
    from jupyter_kfp.store.database import Database
    from jupyter_kfp.store.location import store_url

    database = Database(store_url())
    try:
        yield database
    finally:
        database.close()


@click.command()
@click.option("--older-than", metavar="AGE", callback=_seconds, help="Runs that ended so long ago: 30d, 12h.")
@click.option(
    "--keep", type=click.IntRange(min=0), metavar="N", help="All but the newest N runs of each pipeline."
)
@click.option(
    "--max-size", metavar="SIZE", callback=_bytes, help="The oldest, until all together have this size: 20GB."
)
@click.option("--pipeline", help="Only runs of the pipeline of this name.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@AS_JSON
@explained
def gc(
    older_than: int | None,
    keep: int | None,
    max_size: int | None,
    pipeline: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove old runs, with their artifacts, logs and cache entries.

    Runs stay that are pinned or approved, go on, or have made what a run that stays uses.
    """
    from datetime import datetime, timedelta, timezone

    from jupyter_kfp.store import housekeeping
    from jupyter_kfp.store.retention import Policy, choose

    if older_than is None and keep is None and max_size is None:
        raise UsageError(
            "Which runs are too many?", "Say so: --older-than 30d, --keep 20 or --max-size 20GB."
        )
    age = None if older_than is None else timedelta(seconds=older_than)
    with opened() as database:
        choice = choose(
            housekeeping.candidates(database),
            Policy(age, keep, max_size, pipeline),
            datetime.now(timezone.utc),
        )
        removed: Sequence[Removed] = []
        shrunk = 0
        if not dry_run:
            removed = [
                *housekeeping.finish(database),
                *housekeeping.remove_runs(database, [run.id for run in choice.removed]),
            ]
            if removed:
                housekeeping.forget_environments(database)
            shrunk = housekeeping.shrink(database) if removed else 0
    if as_json:
        print_json(_document(choice, removed, shrunk, dry_run=dry_run))
    else:
        _tell(choice, removed, shrunk, dry_run=dry_run)


def _document(choice: Choice, removed: Sequence[Removed], shrunk: int, *, dry_run: bool) -> dict[str, object]:
    chosen = [
        {"run_id": run.id, "pipeline": run.pipeline, "state": run.state, "created_at": run.created_at.isoformat(),
         "size": run.size}
        for run in choice.removed
    ]  # fmt: skip
    return {
        "dry_run": dry_run,
        "chosen": chosen,
        "removed": [{"run_id": run.id, "freed": run.freed, "left": run.left} for run in removed],
        "kept": [{"run_id": run_id, "reason": reason} for run_id, reason in choice.kept.items()],
        "freed": sum(run.freed for run in removed) + shrunk,
    }


def _tell(choice: Choice, removed: Sequence[Removed], shrunk: int, *, dry_run: bool) -> None:
    from jupyter_kfp.views.housekeeping import chosen_table
    from jupyter_kfp.views.lineage import size_text
    from jupyter_kfp.views.values import counted

    if choice.removed:
        show(chosen_table(choice.removed))
    for run_id, reason in choice.kept.items():
        click.echo(f"{run_id} stays: {reason}.", err=True)
    for run in removed:
        if run.left is not None:
            say_warning(f"Of run {run.id} something is left: {run.left}. `jupyter kfp gc` will try again.")
    if dry_run:
        size = sum(run.size for run in choice.removed)
        click.echo(f"{counted(len(choice.removed), 'run')} would be removed, {size_text(size)}.")
    else:
        freed = sum(run.freed for run in removed) + shrunk
        click.echo(f"{counted(len(removed), 'run')} removed, {size_text(freed)} freed.")


@click.command()
@click.argument("run_ids", metavar="[RUN...]", nargs=-1)
@AS_JSON
@explained
def pin(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Have `gc` keep each RUN, whatever its age; without RUN, list the runs that are pinned."""
    from jupyter_kfp.store import housekeeping

    with opened() as database:
        for run_id in run_ids:
            housekeeping.pin(database, run_id)
        found = housekeeping.pinned(database)
    if as_json:
        print_json(found)
    elif not run_ids:
        click.echo("".join(f"{run_id}\n" for run_id in found), nl=False)


@click.command()
@_RUNS
@explained
def unpin(run_ids: tuple[str, ...]) -> None:
    """Let `gc` remove each RUN again."""
    from jupyter_kfp.store import housekeeping

    with opened() as database:
        for run_id in run_ids:
            housekeeping.pin(database, run_id, pinned=False)
