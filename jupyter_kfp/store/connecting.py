"""How a store is connected to: its URL, SQLAlchemy's engine for it, and words for what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.location import HOME_VARIABLE, URL_VARIABLE

BUSY_SECONDS: Final = 30
# The statements' SQL, for all stores that this process opens; there are some dozens of them.
_COMPILED: dict[Any, Any] = {}


class StoreError(JupyterKfpError):
    """The run store cannot be used."""


class ConnectionLostError(StoreError):
    """The server of the store is away, or has ended the connection; of a transaction it may have kept all, or nothing."""


def place_of(url: URL) -> str:
    """The store's file or, without its password, its URL."""
    path = sqlite_path(url)
    return str(path) if path is not None else url.render_as_string(hide_password=True)


def place_of_url(url: str) -> str:
    """The same of a URL as it is configured."""
    return place_of(parse(url))


def explain(url: URL, error: Exception) -> StoreError:
    """The store's error in one sentence with a remedy."""
    path, place = sqlite_path(url), place_of(url)
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


def parse(url: str) -> URL:
    """The URL in its parts. Raises StoreError where it is none of a database."""
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


def sqlite_path(url: URL) -> Path | None:
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


def make_engine(url: URL) -> Engine:
    """SQLAlchemy's engine, as all stores have it. Raises StoreError where the driver is missing."""
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
