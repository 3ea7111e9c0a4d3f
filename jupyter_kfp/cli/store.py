"""Commands about the store's database: ``store backup``, ``store restore``, ``store upgrade``."""

from __future__ import annotations

from pathlib import Path

import click

from jupyter_kfp.cli.output import explained

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def store() -> None:
    """Copy, restore and upgrade the database that remembers the runs (not the files they left)."""


@store.command()
@_FILE
@explained
def backup(file: Path) -> None:
    """Copy the database to FILE, as it is now. Runs may go on meanwhile."""
    from jupyter_kfp.store import backup as copies
    from jupyter_kfp.store.location import store_url

    copies.backup(store_url(), file)
    click.echo(f"Copied to {file}.", err=True)


@store.command()
@_FILE
@explained
def restore(file: Path) -> None:
    """Make the database what it was when FILE was copied from it. The one of now is kept beside it."""
    from jupyter_kfp.store import backup as copies
    from jupyter_kfp.store.location import store_url

    before = copies.restore(store_url(), file)
    click.echo(
        f"Restored from {file}." + (f" What was there before is {before}." if before else ""), err=True
    )


@store.command()
@explained
def upgrade() -> None:
    """Bring the database to this version of jupyter_kfp. Every other command does so as well, when it opens it."""
    from jupyter_kfp.store.database import HEAD, Database, version_of
    from jupyter_kfp.store.location import store_url

    before = version_of(store_url())
    database = Database(store_url())
    place = database.place
    database.close()
    if before == HEAD:
        click.echo(f"{place} is at version {HEAD}, the newest.", err=True)
    else:
        click.echo(f"{place}: {before or 'new'} → {HEAD}", err=True)
