"""Copies of the store's database: SQLite's own online backup. A server's database is for the server's own tools."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store.database import BUSY_SECONDS, HEAD, Database, StoreError
from jupyter_kfp.store.store import Store

_PAGES: Final = 1000


def backup(url: str, target: Path) -> None:
    """Copy the store to the file ``target``, as it is at one moment; runs may go on meanwhile.

    Raises UsageError if that file exists, or the store is on a server; StoreError if it cannot be read or written.
    """
    database = Database(url)
    try:
        source = _file(database, f"pg_dump --format=custom --file={shlex.quote(str(target))}")
        if target.exists():
            raise UsageError(f"{target} exists.", "Name another file.")
        _copy(source, target)
    finally:
        database.close()


def restore(url: str, source: Path) -> Path | None:
    """Make the store what it was when ``source`` was copied from it. Returns where the one of before is, if any.

    A copy of an earlier version is upgraded. Raises UsageError where ``source`` is no store or damaged, or a run is
    going on.
    """
    database = Database(url)
    try:
        target = _file(database, f"pg_restore --clean --if-exists {shlex.quote(str(source))} --dbname")
        _check_file(source)
        going = [run.id for run in Store(database).runs() if not run.state.is_final]
        if going:
            raise UsageError(
                f"Runs are going on: {', '.join(going)}.", "Wait for them, or cancel them, and restore then."
            )
        before = None
        if Store(database).runs(limit=1):
            before = target.with_name(f"{target.name}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S}.bak")
            _copy(target, before)
    finally:
        database.close()
    with _explained(target), closing(_open(source)) as there, closing(_open(target)) as here:
        there.backup(here, pages=_PAGES)
    Database(url).close()  # upgrades it
    return before


def _file(database: Database, tool: str) -> Path:
    """The file of a SQLite store. Raises UsageError for others, naming the tool to use."""
    if database.path is None:
        raise UsageError(
            f"The store is the database {database.place}, which its server copies.",
            f"Use: {tool} {shlex.quote(_plain(database.url))}",
        )
    return database.path


def _plain(url: URL) -> str:
    """The URL as PostgreSQL's own tools take it; the password is theirs to ask for (PGPASSWORD, ~/.pgpass)."""
    return url._replace(drivername=url.get_backend_name(), password=None).render_as_string()


def _copy(source: Path, target: Path) -> None:
    """Copy a database; ``target`` is there when all of it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            _explained(target),
            closing(_open(source)) as here,
            closing(sqlite3.connect(unfinished)) as there,
        ):
            here.backup(there, pages=_PAGES)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_file(source: Path) -> None:
    """Raise UsageError unless this is a copy of a store that this version can read."""
    remedy = "Name a file that `jupyter kfp store backup` has written."
    if not source.is_file():
        raise UsageError(f"There is no file {source}.", remedy)
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as connection:
            told = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{source} is not a store of jupyter_kfp ({error}).", remedy) from error
    if told != ["ok"]:
        raise UsageError(f"{source} is damaged ({told[0]}).", remedy)
    if version is None or version[0] > HEAD:
        raise UsageError(f"{source} was written by a newer version of jupyter_kfp.", "Upgrade jupyter_kfp.")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS)


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{place} cannot be written ({error}).", "Look at the disk, and at who uses the file."
        ) from error
