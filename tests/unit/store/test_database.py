import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

from jupyter_kfp.store import connecting, database, schema
from jupyter_kfp.store.database import Database, StoreError
from jupyter_kfp.store.records import NewRun
from jupyter_kfp.store.store import open_store
from tests.postgresql import Server


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def alembic_config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.attributes["engine"] = engine
    return config


@pytest.mark.parametrize("made_by", ["migrations", "a new store"])
def test_the_tables_are_exactly_those_of_the_models(url: str, made_by: str) -> None:
    if made_by == "migrations":
        path_of(url).parent.mkdir()
        engine = create_engine(url)
        command.upgrade(alembic_config(engine), "head")
        engine.dispose()
    opened = Database(url)
    with opened.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.Base.metadata)
    opened.close()
    assert differences == []


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert scripts.get_current_head() == database.HEAD


def test_migrations_can_be_undone(url: str) -> None:
    opened = Database(url)
    command.downgrade(alembic_config(opened.engine), "base")
    opened.close()
    tables = sqlite3.connect(path_of(url)).execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {name for (name,) in tables} <= {"alembic_version", "sqlite_sequence"}


def test_a_store_is_made_and_opened_without_alembic(url: str) -> None:
    code = f"import sys; from jupyter_kfp.store.database import Database; Database({url!r}); print('alembic' in sys.modules)"
    for _time in ("made", "opened"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_many_processes_may_open_a_new_store_at_once(
    url: str, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").database()
    code = (
        "from jupyter_kfp.store.store import open_store; from jupyter_kfp.store.records import NewRun; import sys;"
        f"open_store({url!r}).create_run(NewRun(id=sys.argv[1], name='n', pipeline='p', ir='', root='/'), [])"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, f"r{n}"], stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    assert [process.communicate()[1] for process in processes] == [""] * 4
    store = open_store(url)
    assert {record.id for record in store.runs()} == {f"r{n}" for n in range(4)}
    store.close()


def test_writers_wait_for_each_other(url: str) -> None:
    opened = Database(url)
    with opened.reading() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert session.execute(text("PRAGMA busy_timeout")).scalar() == database.BUSY_SECONDS * 1000
        assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1
    opened.close()


def test_a_damaged_store_is_named(url: str) -> None:
    path_of(url).parent.mkdir()
    path_of(url).write_bytes(b"this is no database " * 200)
    with pytest.raises(StoreError, match=r"store\.sqlite is damaged .* Move that file away"):
        Database(url)


def test_an_unwritable_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written .* set JUPYTER_KFP_HOME"):
        Database(f"sqlite:///{tmp_path}/file/store.sqlite")


def test_a_read_only_store_is_named(url: str) -> None:
    Database(url).close()
    store = open_store(f"sqlite:///file:{path_of(url)}?mode=ro&uri=true")
    assert store.runs() == []
    with pytest.raises(StoreError, match=r"cannot be written .*readonly"):
        store.create_run(NewRun(id="r", name="n", pipeline="p", ir="", root="/"), [])
    store.close()


def test_a_store_of_a_newer_version_is_left_alone(url: str) -> None:
    Database(url).close()
    with sqlite3.connect(path_of(url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="written by a newer version"):
        Database(url)


def test_a_locked_store_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(url).close()
    monkeypatch.setattr(connecting, "BUSY_SECONDS", 0)
    holder = sqlite3.connect(path_of(url), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    opened = open_store(url)
    with pytest.raises(StoreError, match="locked by another process"):
        opened.create_run(NewRun(id="r", name="n", pipeline="p", ir="", root="/"), [])
    holder.close()
    opened.close()


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x/y"])
def test_what_is_no_url_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"is not the URL of a database.*JUPYTER_KFP_STORE_URL"):
        Database(url)


def test_a_store_in_memory_is_refused() -> None:
    with pytest.raises(StoreError, match="cannot be in memory"):
        Database("sqlite://")


def test_the_password_of_a_server_is_not_shown() -> None:
    for url in ("postgresql+psycopg://user:hunter2@127.0.0.1:1/runs", "nosuch://user:hunter2@host/runs"):
        with pytest.raises(StoreError) as caught:
            Database(url)
        assert "hunter2" not in str(caught.value)


def test_the_tables_exist_on_postgresql_too() -> None:
    """The schema compiles there; an event listener alone would not notice a type SQLite made up."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    for table in schema.Base.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "tiny"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(mount)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("only root can mount a small disk to fill, and not in every container")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_is_named(tiny_disk: Path) -> None:
    store = open_store(f"sqlite:///{tiny_disk}/store.sqlite")
    with pytest.raises(StoreError, match=r"The disk that holds the run store .* is full"):
        store.create_run(NewRun(id="r", name="n", pipeline="p", ir="x" * 600_000, root="/"), [])
    assert store.runs() == []
    store.close()


def test_unknown_columns_do_not_pass_silently(url: str) -> None:
    Database(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE run_events"))
    store = open_store(url)
    with pytest.raises(StoreError, match=r"cannot be used .*no such table"):
        store.events("r")
    store.close()
    engine.dispose()


def test_a_server_that_is_away_is_waited_for_and_then_named(
    postgresql_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(postgresql_server.database())
    new = NewRun(id="r", name="n", pipeline="p", ir="", root="/")
    postgresql_server.stop()
    try:
        monkeypatch.setattr(database, "AWAY_SECONDS", 0.3)
        with pytest.raises(
            StoreError, match=r"cannot be reached.*Start it, or correct JUPYTER_KFP_STORE_URL"
        ):
            store.create_run(new, [])
        monkeypatch.setattr(database, "AWAY_SECONDS", 120)
        back = threading.Thread(target=postgresql_server.start)
        back.start()
        assert store.create_run(new, []).id == "r"
        back.join()
    finally:
        postgresql_server.start_again()
    store.close()


def test_a_reader_of_a_server_sees_one_state(postgresql_server: Server) -> None:
    store = open_store(postgresql_server.database())
    store.create_run(NewRun(id="r", name="n", pipeline="p", ir="", root="/"), [])
    with store._database.reading() as session:
        runs = "SELECT count(*) FROM runs"
        assert session.execute(text(runs)).scalar() == 1
        store.create_run(NewRun(id="s", name="n", pipeline="p", ir="", root="/"), [])
        assert session.execute(text(runs)).scalar() == 1
    assert len(store.runs()) == 2
    store.close()


def test_the_tables_on_a_server_are_exactly_those_of_the_models(postgresql_server: Server) -> None:
    opened = Database(postgresql_server.database())
    with opened.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.Base.metadata)
    opened.close()
    assert differences == []
