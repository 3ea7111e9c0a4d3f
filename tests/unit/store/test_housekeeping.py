"""Removing runs from a store of each kind: what goes, what stays, and what is left if one dies meanwhile."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from jupyter_kfp.store import housekeeping, location, schema
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.liveness import ProcessId, process_id
from jupyter_kfp.store.records import FinishedTask, NewArtifact, NewRun, NewTask, State, TaskOrigin
from jupyter_kfp.store.store import Store


@pytest.fixture
def database(any_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    opened = Database(any_url)
    yield opened
    opened.close()


def me() -> ProcessId:
    found = process_id(os.getpid())
    assert found is not None
    return found


def finished(
    database: Database,
    name: str,
    *,
    reused: FinishedTask | None = None,
    root: str | None = None,
    **options: str,
) -> FinishedTask:
    """A run that has ended, with one task and its files: 100 bytes of artifact, 10 of log."""
    store = Store(database)
    place = Path(root or location.artifact_directory(name))
    store.create_run(
        NewRun(id=name, name=name, pipeline="p", ir="", root=str(place), options=options),
        [NewTask("a", "a", "a", "c")],
    )
    recorder = store.recorder(name)
    recorder.begin_run(me())
    if reused is not None:
        recorder.reuse("a", reused)
    else:
        log = location.run_directory(name) / "tasks" / "a" / "1" / "log.txt"
        for file, size in ((log, 10), (place / "a" / "1" / "o", 100)):
            file.parent.mkdir(parents=True)
            file.write_bytes(b"x" * size)
        recorder.begin_attempt("a", 1, directory=str(log.parent), log=str(log))
        recorder.end_attempt("a", 1, State.SUCCEEDED, exit_code=0)
        made = NewArtifact("o", "system.Dataset", str(place / "a" / "1" / "o"), sha256="f" * 64, size=100)
        recorder.end_task("a", State.SUCCEEDED, artifacts={"o": [made]}, cache_key="k")
    recorder.end_run(State.SUCCEEDED)
    return store.finished_tasks(name)[0]


def facts(database: Database) -> dict[str, tuple[int, str | None, set[str]]]:
    return {run.id: (run.size, run.protected, set(run.uses)) for run in housekeeping.candidates(database)}


def remove(database: Database, *run_ids: str) -> dict[str, int]:
    return {run.id: run.freed for run in housekeeping.remove_runs(database, run_ids)}


def counts(database: Database) -> set[int]:
    tables = ("runs", "tasks", "attempts", "artifacts", "events", "run_events")
    with database.reading() as session:
        return {session.execute(text(f"SELECT count(*) FROM {table}")).scalar() or 0 for table in tables}


def test_a_run_goes_with_all_it_had(database: Database) -> None:
    finished(database, "r1")
    assert facts(database) == {"r1": (110, None, set())}
    assert remove(database, "r1") == {"r1": 110}
    assert counts(database) == {0}
    for place in ("runs", "artifacts"):
        assert not list((location.home() / place).iterdir())
    assert not list((location.home() / "removed").glob("*"))


def test_pinned_and_approved_runs_are_protected(database: Database) -> None:
    for name in ("pinned", "in-part", "approved"):
        finished(database, name)
    assert housekeeping.pin(database, "pin") == "pinned"
    store = Store(database)
    with database.writing() as session:
        of_run = schema.Artifact.run_id == "in-part"
        session.execute(update(schema.Artifact).where(of_run).values(pinned=True))
    _approve(database, "approved")
    assert {name: why for name, (_size, why, _uses) in facts(database).items()} == {
        "pinned": "it is pinned",
        "in-part": "an artifact of it is pinned",
        "approved": "an artifact of it is approved",
    }
    assert remove(database, "pinned") == {}
    assert housekeeping.pinned(database) == ["pinned"]
    housekeeping.pin(database, "pinned", pinned=False)
    assert remove(database, "pinned") == {"pinned": 110}
    assert {run.id for run in store.runs()} == {"in-part", "approved"}


def _approve(database: Database, run_id: str) -> None:
    with database.writing() as session:
        session.add(
            schema.Approval(
                number=1, artifact_id=1, run_id=run_id, name="o", uri="/o", sha256="f" * 64, approved_by="me",
                note="", time="now", previous="", hash="h",
            )
        )  # fmt: skip


def test_a_run_that_goes_on_and_the_one_it_builds_on_are_protected(database: Database) -> None:
    finished(database, "base")
    store = Store(database)
    options = {"from": {"run": "base", "before": [], "step": "a"}}
    store.create_run(NewRun(id="going", name="n", pipeline="p", ir="", root="/", options=options), [])  # type: ignore[arg-type]  # a dict of one kind of value
    store.recorder("going").begin_run(me())
    assert {name: why for name, (_size, why, _uses) in facts(database).items()} == {
        "going": "it is going on",
        "base": "run going, which is going on, builds on it",
    }
    assert remove(database, "going") == {}


def test_what_a_run_has_taken_from_the_cache_is_told_and_kept(database: Database) -> None:
    source = finished(database, "source")
    finished(database, "user", reused=source)
    assert facts(database)["user"] == (0, None, {"source"})
    assert remove(database, "source") == {}, "somebody has used it since the choice was made"
    (artifact,) = Store(database).task("user", "a").output_artifacts["o"]
    assert Path(artifact.uri).stat().st_size == 100
    assert remove(database, "source", "user") == {"user": 0, "source": 110}
    assert counts(database) == {0}


def test_a_task_that_was_removed_is_not_mistaken_for_a_later_one(database: Database) -> None:
    """SQLite gives its number to the next task."""
    source = finished(database, "source")
    store = Store(database)
    store.create_run(
        NewRun(id="user", name="n", pipeline="p", ir="", root="/"), [NewTask("a", "a", "a", "c")]
    )
    without = FinishedTask(source.id, "source", "a", State.SUCCEEDED, None, None, {"n": 1}, {})
    with_recorder = store.recorder("user")
    assert with_recorder.is_there(source)
    with_recorder.reuse("a", without)
    with_recorder.end_run(State.SUCCEEDED)
    assert store.task("user", "a").reused_from == ("source", "a")
    assert list(remove(database, "source")) == ["source"]
    finished(database, "later")
    assert store.task("user", "a").reused_from is None
    assert not store.recorder("user").is_there(source)


def test_a_file_of_another_run_that_a_run_names_is_used(database: Database) -> None:
    source = finished(database, "source")
    finished(database, "importer")
    with database.writing() as session:
        imported = source.artifacts["o"][0].uri
        of_run = schema.Artifact.run_id == "importer"
        session.execute(update(schema.Artifact).where(of_run).values(uri=imported))
    assert facts(database)["importer"][2] == {"source"}


def test_files_with_another_name_elsewhere_free_nothing(database: Database, tmp_path: Path) -> None:
    made = finished(database, "r1").artifacts["o"][0]
    os.link(made.uri, tmp_path / "mine")
    assert remove(database, "r1") == {"r1": 10}
    assert (tmp_path / "mine").stat().st_size == 100


def test_a_root_that_is_not_the_runs_own_is_left_alone(database: Database, tmp_path: Path) -> None:
    finished(database, "r1", root=str(tmp_path / "shared"))
    finished(database, "r2", remote="cluster", root=str(tmp_path / "r2"))
    assert remove(database, "r1", "r2") == {"r1": 10, "r2": 10}
    assert (tmp_path / "shared" / "a" / "1" / "o").exists()
    assert (tmp_path / "r2" / "a" / "1" / "o").exists(), "a cluster's artifacts are the cluster's"


def test_a_root_elsewhere_is_emptied(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    finished(database, "r1")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/emptied/r1/a/1/o", b"x" * 100)
    memory.pipe_file("/emptied/r2/a/1/o", b"x" * 100)
    with database.writing() as session:
        session.execute(update(schema.Run).values(root="memory://emptied/r1"))
    assert facts(database)["r1"][0] == 110
    assert remove(database, "r1") == {"r1": 110}
    assert memory.find("/emptied") == ["/emptied/r2/a/1/o"]
    memory.rm("/emptied", recursive=True)


def test_runs_of_another_machine_are_left_to_it(database: Database) -> None:
    store = Store(database)
    store.create_run(NewRun(id="r1", name="n", pipeline="p", ir="", root="/elsewhere/r1"), [])
    store.recorder("r1").begin_run(ProcessId("elsewhere", 1, 1.0))
    store.recorder("r1").end_run(State.SUCCEEDED)
    assert socket.gethostname() != "elsewhere"
    assert facts(database)["r1"][1] == "its files are on the machine 'elsewhere'"


def test_what_a_dead_process_left_is_removed_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("r1", "r2"):
        finished(database, name)

    def die(*_arguments: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(housekeeping, "_remove_files", die)
        with pytest.raises(SystemExit):
            remove(database, "r1")
        patch.setattr(housekeeping, "_remove_rows", die)
        with pytest.raises(SystemExit):
            remove(database, "r2")
    notes = location.home() / "removed"
    assert {json.loads(note.read_text())["run"] for note in notes.iterdir()} == {"r1", "r2"}
    assert {(run.id, run.freed) for run in housekeeping.finish(database)} == {("r1", 110)}
    assert not list(notes.iterdir())
    assert list(facts(database)) == ["r2"], "its rows had not gone"
    assert facts(database)["r2"][0] == 110


def test_environments_that_no_run_names_are_forgotten(database: Database) -> None:
    def environment(letter: str) -> TaskOrigin:
        return TaskOrigin({}, environment_sha256=letter * 64, environment={"packages": [letter]})

    def known() -> set[str]:
        with database.reading() as session:
            return {sha256[0] for sha256 in session.scalars(select(schema.Environment.sha256))}

    for name, letter in (("r1", "a"), ("r2", "b"), ("r3", "b")):
        finished(database, name)
        Store(database).recorder(name).end_task("a", State.SUCCEEDED, origin=environment(letter))
    assert known() == {"a", "b"}
    assert housekeeping.forget_environments(database) == 0
    remove(database, "r1", "r2")
    assert housekeeping.forget_environments(database) == 1
    assert known() == {"b"}, "another run names it"


def test_a_store_shrinks(database: Database) -> None:
    store = Store(database)
    store.create_run(NewRun(id="r1", name="n", pipeline="p", ir="x" * 1_000_000, root="/"), [])
    store.recorder("r1").begin_run(me())
    store.recorder("r1").end_run(State.SUCCEEDED)
    database.engine.dispose()
    remove(database, "r1")
    assert housekeeping.shrink(database) >= (900_000 if database.path else 0)
    assert store.runs() == []
