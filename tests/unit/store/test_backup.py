"""Copies of the store, made while it is used, and put back."""

import shlex
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_kfp.cli import main
from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import backup
from jupyter_kfp.store.database import HEAD
from jupyter_kfp.store.records import NewRun, State
from jupyter_kfp.store.store import open_store
from tests.postgresql import Server


def add(url: str, *run_ids: str, state: State | None = State.SUCCEEDED) -> None:
    store = open_store(url)
    for run_id in run_ids:
        store.create_run(NewRun(id=run_id, name="n", pipeline="p", ir="", root="/"), [])
        if state is not None:
            store.recorder(run_id).end_run(state)
    store.close()


def ids(url: str) -> set[str]:
    store = open_store(url)
    try:
        return {run.id for run in store.runs()}
    finally:
        store.close()


def test_what_was_copied_comes_back_and_what_was_there_is_kept(url: str, tmp_path: Path) -> None:
    add(url, "r1", "r2")
    backup.backup(url, tmp_path / "copies" / "store")
    add(url, "r3")
    before = backup.restore(url, tmp_path / "copies" / "store")
    assert ids(url) == {"r1", "r2"}
    assert before is not None
    assert ids(f"sqlite:///{before}") == {"r1", "r2", "r3"}


def test_a_copy_is_of_one_moment_while_others_write(url: str, tmp_path: Path) -> None:
    add(url, "first")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            add(url, f"a{number}", f"b{number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            backup.backup(url, tmp_path / f"{number}")
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        with sqlite3.connect(tmp_path / f"{number}") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            # A run and the line of its history are one transaction.
            assert connection.execute(
                "SELECT count(*) FROM runs WHERE id NOT IN (SELECT run_id FROM run_events)"
            ).fetchone() == (0,)
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"


def test_a_copy_of_an_earlier_version_is_upgraded(url: str, tmp_path: Path) -> None:
    from alembic import command

    from tests.unit.store.test_database import Database, alembic_config

    add(url, "old")
    copy = tmp_path / "copy"
    backup.backup(url, copy)
    opened = Database(f"sqlite:///{copy}")
    command.downgrade(alembic_config(opened.engine), "0003")
    opened.close()
    assert backup.restore(f"sqlite:///{tmp_path}/other/store.sqlite", copy) is None
    assert ids(f"sqlite:///{tmp_path}/other/store.sqlite") == {"old"}


def test_what_cannot_be_restored_is_left_alone(url: str, tmp_path: Path) -> None:
    add(url, "r1")
    (tmp_path / "text").write_text("this is no database " * 100)
    sqlite3.connect(tmp_path / "empty").close()
    for name, words in (("text", "not a store"), ("empty", "not a store"), ("none", "no file")):
        with pytest.raises(UsageError, match=words):
            backup.restore(url, tmp_path / name)
    copy = tmp_path / "copy"
    backup.backup(url, copy)
    with pytest.raises(UsageError, match="exists"):
        backup.backup(url, copy)
    add(url, "going", state=None)
    with pytest.raises(UsageError, match=r"going on: going"):
        backup.restore(url, copy)
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UsageError, match="newer version"):
        backup.restore(url, copy)
    assert ids(url) == {"r1", "going"}


def test_a_server_is_copied_by_its_own_tools(postgresql_server: Server, tmp_path: Path) -> None:
    url = postgresql_server.database()
    add(url, "r1")
    secret = url.replace("postgres@", "postgres:hunter2@")
    with pytest.raises(UsageError) as caught:
        backup.backup(secret, tmp_path / "dump")
    command = shlex.split(caught.value.remedy.removeprefix("Use: "))
    assert command[0] == "pg_dump"
    assert "hunter2" not in str(caught.value)
    programs = postgresql_server.programs
    subprocess.run([programs / command[0], *command[1:]], check=True)
    add(url, "r2")
    with pytest.raises(UsageError) as caught:
        backup.restore(secret, tmp_path / "dump")
    command = shlex.split(caught.value.remedy.removeprefix("Use: "))
    subprocess.run([programs / command[0], *command[1:]], check=True)
    assert ids(url) == {"r1"}


def test_the_commands(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_STORE_URL", url)
    assert f"new → {HEAD}" in CliRunner().invoke(main, ["store", "upgrade"]).stderr
    assert f"version {HEAD}, the newest" in CliRunner().invoke(main, ["store", "upgrade"]).stderr
    add(url, "r1")
    assert CliRunner().invoke(main, ["store", "backup", str(tmp_path / "copy")]).exit_code == 0
    add(url, "r2")
    told = CliRunner().invoke(main, ["store", "restore", str(tmp_path / "copy")])
    assert (told.exit_code, "What was there before is " in told.stderr) == (0, True)
    assert ids(url) == {"r1"}
