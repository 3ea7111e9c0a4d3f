"""The database of the store: opened, migrated, read and written in transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from jupyter_kfp.store.connecting import (
    BUSY_SECONDS,
    ConnectionLostError,
    StoreError,
    explain,
    make_engine,
    parse,
    place_of,
    place_of_url,
    sqlite_path,
)
from jupyter_kfp.store.location import HOME_VARIABLE
from jupyter_kfp.store.lock import file_lock

__all__ = [
    "AWAY_SECONDS", "BUSY_SECONDS", "HEAD", "ConnectionLostError", "Database", "StoreError", "place_of_url", "version_of",
]  # fmt: skip

# The newest migration. Kept here so that opening a store that is up to date need not import Alembic.
HEAD: Final = "0004"
# How long a server that was there may be away, as while it restarts. Between two transactions a run waits for it.
AWAY_SECONDS: Final = 60
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One store. Opening it creates or upgrades its schema; safe from several processes at once."""

    def __init__(self, url: str) -> None:
        self.url = parse(url)
        self.path = sqlite_path(self.url)
        with self._translated():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = make_engine(self.url)
            try:
                self._migrate()
            except BaseException:
                self.engine.dispose()
                raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries; it sees one state of the store."""
        # A server's default shows every query what others have written meanwhile.
        snapshot = {} if self.path is not None else {"isolation_level": "REPEATABLE READ"}
        reader = self.engine.execution_options(**snapshot)
        with self._translated(), self._connect(reader) as connection, Session(connection) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all."""
        writer = self.engine.execution_options(jupyter_kfp_write=True)
        with (
            self._translated(),
            self._connect(writer) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def _connect(self, engine: Engine) -> Connection:
        """A connection that works; a server that is away for a while is waited for."""
        deadline, wait = time.monotonic() + AWAY_SECONDS, 0.1
        while True:
            try:
                return engine.connect()
            except OperationalError:
                if self.path is not None or time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, 5)

    def problems(self) -> list[str]:
        """What is broken in the database itself, in its own words; a server looks after its databases."""
        if self.path is None:
            return []
        with self._translated(), self._connect(self.engine) as connection:
            told = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
            broken = [] if told == ["ok"] else told
            for table, row, other, _key in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                broken.append(f"row {row} of {table} refers to a row of {other} that is not there")
            return broken

    def compact(self) -> None:
        """Rewrite a SQLite store without the room of deleted rows. Raises StoreError while others use it."""
        with self._translated(), self._connect(self.engine) as connection:
            # Below SQLAlchemy: not in a transaction.
            raw = connection.connection.cursor()
            raw.execute("PRAGMA busy_timeout=1000")
            try:
                raw.execute("VACUUM")
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        if _version(self.engine) == HEAD:
            return
        if self.path is None:
            self._upgrade()  # env.py takes the server's own lock
            return
        with file_lock(self.path.with_name(self.path.name + ".lock")):
            if _version(self.engine) == HEAD:
                return
            # Stays with the file. Below SQLAlchemy, which would begin a transaction; under the lock, as a
            # second process doing it meanwhile would fail instead of waiting.
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()
            if inspect(self.engine).get_table_names():
                self._upgrade()
            else:
                self._create()

    def _create(self) -> None:
        """Make the tables as the migrations would leave them: Alembic takes a while, and is for what is there."""
        from jupyter_kfp.store.schema import Base

        with self.engine.execution_options(jupyter_kfp_write=True).begin() as connection:
            Base.metadata.create_all(connection)
            connection.execute(
                text(
                    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
                    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
                )
            )
            connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["engine"] = self.engine
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            if "Can't locate revision" not in str(error):
                raise
            raise StoreError(
                f"The run store {self.place} was written by a newer version of jupyter_kfp.",
                f"Upgrade jupyter_kfp, or set {HOME_VARIABLE} to another directory.",
            ) from error

    @property
    def place(self) -> str:
        """The store's file or, without its password, its URL."""
        return place_of(self.url)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise explain(self.url, error) from error


def version_of(url: str) -> str | None:
    """The migration a store is at, without changing it; None for one that is empty or not there."""
    parsed = parse(url)
    path = sqlite_path(parsed)
    if path is not None and not path.exists():
        return None
    engine = make_engine(parsed)
    try:
        return _version(engine)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explain(parsed, error) from error
    finally:
        engine.dispose()


def _version(engine: Engine) -> str | None:
    """The migration the store is at; None for an empty one."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            query = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            exists = connection.exec_driver_sql(query).first() is not None
        else:
            exists = inspect(connection).has_table("alembic_version")
        if not exists:
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return None if row is None else str(row[0])
