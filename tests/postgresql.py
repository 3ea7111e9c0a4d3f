"""A PostgreSQL server of the tests' own: Debian's package, in a directory that goes with it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/postgresql")


class Server:
    """A running server. `stop` and `start` are those of an operator; ``database()`` makes an empty one."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self.programs, self._directory = programs, directory
        # The server refuses to be root's.
        self._become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run(
            "initdb", "-D", str(directory / "data"), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"
        )
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        settings = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        )
        options = ["-D", str(self._directory / "data"), "-l", str(self._directory / "log"), "-t", "120"]
        self._run("pg_ctl", "start", "-w", "-o", settings, *options)

    def start_again(self) -> None:
        """Start it unless it is there."""
        done = subprocess.run(
            [*self._become, str(self.programs / "pg_ctl"), "status", "-D", str(self._directory / "data")],
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            self.start()

    def stop(self, mode: str = "fast") -> None:
        """End it and all its connections."""
        self._run("pg_ctl", "stop", "-w", "-t", "120", "-m", mode, "-D", str(self._directory / "data"))

    def database(self, like: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of the one at the URL ``like``, which nobody uses just now."""
        name = f"t{secrets.token_hex(4)}"
        template = f" TEMPLATE {like.rpartition('/')[2]}" if like else ""
        self.sql(f"CREATE DATABASE {name}{template}")
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute one statement; the rows it gives."""
        import psycopg

        place = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(place, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._become, str(self.programs / program), *arguments],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=180,
        )
        if done.returncode:
            log = self._directory / "log"
            words = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise RuntimeError(f"{program} ended with {done.returncode}: {words}")


@contextmanager
def serving() -> Iterator[Server]:
    """The server while the block lasts. Skips the test, saying why, where there is none to start."""
    found = shutil.which("initdb") or next(map(str, sorted(_DEBIAN.glob("*/bin/initdb"), reverse=True)), None)
    if found is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL's server does not run as root, and there is no runuser to be somebody else")
    directory = Path(tempfile.mkdtemp(prefix="jupyter-kfp-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        server = Server(Path(found).resolve().parent, directory)
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
