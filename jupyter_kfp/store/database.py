"""The connection to the store: where it is opened, migrated, and where its errors get words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.location import HOME_VARIABLE, URL_VARIABLE
from jupyter_kfp.store.lock import file_lock

# The newest migration. Kept here so that opening a store that is up to date need not import Alembic.
HEAD: Final = "0004"
BUSY_SECONDS: Final = 30
# How long a server that was there may be away, as while it restarts. Between two transactions a run waits for it.
AWAY_SECONDS: Final = 60
# The statements' SQL, for all stores that this process opens; there are some dozens of them.
_COMPILED: dict[Any, Any] = {}
_MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(JupyterKfpError):
    """The run store cannot be used."""


class ConnectionLostError(StoreError):
    """The server of the store is away, or has ended the connection; of a transaction it may have kept all, or nothing."""


class Database:
    """One store. Opening it creates or upgrades its schema; safe from several processes at once."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.path = _sqlite_path(self.url)
        with self._translated():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = _engine(self.url)
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


def place_of(url: URL) -> str:
    """The store's file or, without its password, its URL."""
    path = _sqlite_path(url)
    return str(path) if path is not None else url.render_as_string(hide_password=True)


def place_of_url(url: str) -> str:
    """The same of a URL as it is configured."""
    return place_of(_parse(url))


def explain(url: URL, error: Exception) -> StoreError:
    """The store's error in one sentence with a remedy."""
    path, place = _sqlite_path(url), place_of(url)
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    lowered = reason.lower()
    if "not a database" in lowered or "malformed" in lowered:
        return StoreError(
            f"The run store {place} is damaged ({reason}).",
            "Move that file away to start with an empty store; the files of earlier runs stay.",
        )
    if "disk is full" in lowered or "no space left" in lowered:
        return StoreError(
            f"The disk that holds the run store {place} is full.",
            f"Free space there, or set {HOME_VARIABLE} to a directory on another disk.",
        )
    if "database is locked" in lowered:
        return StoreError(
            f"The run store {place} has been locked by another process for {BUSY_SECONDS} seconds.",
            "End the process that holds it (for instance an open database browser) and try again.",
        )
    if path is not None and (
        isinstance(error, OSError)
        or any(word in lowered for word in ("unable to open", "readonly", "i/o error"))
    ):
        return StoreError(
            f"The run store {place} cannot be written ({reason}).",
            f"Make its directory writable, or set {HOME_VARIABLE} to one that is.",
        )
    if path is None and isinstance(error, DBAPIError) and _is_away(error):
        return ConnectionLostError(
            f"The database {place} of the run store cannot be reached, or the connection was lost ({reason}).",
            f"Start it, or correct {URL_VARIABLE}. `jupyter kfp resume RUN` lets a run go on that this has ended.",
        )
    return StoreError(
        f"The run store {place} cannot be used ({reason}).",
        f"Check the database and {URL_VARIABLE}.",
    )


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        shown = url if "@" not in url else f"...@{url.rpartition('@')[2]}"  # no password in a message
        raise StoreError(
            f"{shown!r} is not the URL of a database: {error}.",
            f"Set {URL_VARIABLE} to one such as sqlite:////path/file or postgresql+psycopg://user@host/name.",
        ) from error
    return parsed


def _sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite store; None for other databases."""
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:":
        raise StoreError(
            "The run store cannot be in memory: the engine is a process of its own and must see it.",
            f"Set {URL_VARIABLE} to sqlite:////path/of/a/file.",
        )
    return Path(url.database.removeprefix("file:").partition("?")[0])


def _is_away(error: DBAPIError) -> bool:
    """Whether there was no connection, or is none any more."""
    return error.connection_invalidated or "connection" in str(error.orig).lower()


def _engine(url: URL) -> Engine:
    is_server = url.get_backend_name() != "sqlite"
    try:
        # The ping finds connections that the server has closed since they were last used.
        engine = create_engine(url, pool_pre_ping=is_server)
    except ImportError as error:
        raise StoreError(
            f"The driver of {url.drivername} is missing ({error}).",
            "Install it, for PostgreSQL with: pip install 'jupyter-kfp[postgresql]'.",
        ) from error
    if not is_server:
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine.execution_options(compiled_cache=_COMPILED)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # None: SQLAlchemy says BEGIN itself (below), not the driver at the first write.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys=ON")
    # With WAL, NORMAL survives the death of any process; only power loss may undo the last commits.
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if somebody wrote in between;
    # one that starts as a writer waits its turn.
    write = connection.get_execution_options().get("jupyter_kfp_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def version_of(url: str) -> str | None:
    """The migration a store is at, without changing it; None for one that is empty or not there."""
    parsed = _parse(url)
    path = _sqlite_path(parsed)
    if path is not None and not path.exists():
        return None
    engine = _engine(parsed)
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
