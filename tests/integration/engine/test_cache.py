"""Results that are used again, and those that must not be."""

import dataclasses
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jupyter_kfp.runs import Run
from jupyter_kfp.store import schema
from jupyter_kfp.store.records import NewArtifact, NewRun, NewTask, State
from jupyter_kfp.store.store import Store, open_store
from tests.integration.engine.inline import Engine, engines_inline
from tests.unit.engine.building import pipeline, python, shell, task

ON = {"cachingOptions": {"enableCache": True}}
WRITE = (
    "place = pathlib.Path(path('data')); (place / 'in').mkdir(parents=True); (place / 'in' / 'x').write_text(str(p['n']))\n"
    "print('was here'); leave(parameterValues={'twice': 2 * p['n']})"
)
READ = "leave(parameterValues={'text': (pathlib.Path(source('data')) / 'in' / 'x').read_text()})"


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


def two(*, name: str = "small", env: dict[str, str] | None = None, **more: Any) -> str:
    more = more or ON
    container = {**python(WRITE), "env": [{"name": k, "value": v} for k, v in (env or {}).items()]}
    write = task(
        container, inputs={"n": "$n"}, outputs={"twice": "NUMBER_INTEGER", "data": "system.Dataset"}, **more
    )
    read = task(python(READ), inputs={"data": "write:data"}, outputs={"text": "STRING"}, **ON)
    text = pipeline(
        {"write": write, "read": read},
        parameters={"n": "NUMBER_INTEGER"},
        outputs={"text": "read.text", "twice": "write.twice", "data": "write:data"},
    )
    return text.replace("name: small", f"name: {name}", 1)


RAN, CACHED = {"write": "SUCCEEDED", "read": "SUCCEEDED"}, {"write": "CACHED", "read": "CACHED"}


def test_the_same_again_is_not_executed(engine: Engine) -> None:
    first, second = engine.run(two(), {"n": 1}), engine.run(two(), {"n": 1})
    assert (first.states, second.states) == (RAN, CACHED)
    assert second.attempts == {"write": 0, "read": 0}
    assert second.state == "SUCCEEDED"
    assert (second.outputs["text"], second.outputs["twice"]) == ("1", 2)
    assert second.outputs == first.outputs
    # One artifact with two that have it as their output; what the step printed is still found.
    assert second.artifact("write", "data").id == first.artifact("write", "data").id
    assert second.artifact("write", "data").task == "write"
    assert engine.store.task(second.id, "write").reused_from == (first.id, "write")
    assert Run(second.id)["write"].log == "was here\n"
    assert engine.run(two(), {"n": 1}).states == CACHED, "and a third time"


def test_other_inputs_are_executed(engine: Engine) -> None:
    engine.run(two(), {"n": 1})
    assert engine.run(two(), {"n": 2}).states == RAN
    assert engine.run(two(), {"n": 1}).states == CACHED


def test_only_what_changed_is_executed_again(engine: Engine) -> None:
    first = engine.run(two(), {"n": 1})
    changed = two().replace("was here", "was here, too")
    second = engine.run(changed, {"n": 1})
    assert second.states == {"write": "SUCCEEDED", "read": "CACHED"}, "the content of its input is the same"
    assert second.artifact("write", "data").id != first.artifact("write", "data").id


def test_results_belong_to_a_pipeline(engine: Engine) -> None:
    engine.run(two(), {"n": 1})
    assert engine.run(two(name="another"), {"n": 1}).states == RAN


def test_tasks_and_runs_may_decline(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    off: dict[str, Any] = {"cachingOptions": {}}
    engine.run(two(**off), {"n": 1})
    assert engine.run(two(**off), {"n": 1}).states == {"write": "SUCCEEDED", "read": "CACHED"}
    assert engine.run(two(), {"n": 1}).states["write"] == "SUCCEEDED", "what declined is not there for others"
    fresh = engine.run(two(), {"n": 1}, cache=False)
    assert fresh.states == RAN
    again = engine.run(two(), {"n": 1})
    assert again.artifact("write", "data").id == fresh.artifact("write", "data").id, "the newest is taken"
    monkeypatch.setenv("JUPYTER_KFP_CACHE", "0")
    assert engine.run(two(), {"n": 1}).states == RAN


def test_what_failed_is_executed_again(engine: Engine) -> None:
    failing = pipeline({"a": task(shell("exit 1"), **ON)})
    assert [engine.run(failing).states for _ in range(2)] == [{"a": "FAILED"}] * 2


def age(store: Store, seconds: float) -> None:
    with store._database.writing() as session:
        session.execute(
            update(schema.Task).values(ended_at=datetime.now(timezone.utc) - timedelta(seconds=seconds))
        )


def test_results_may_become_too_old(engine: Engine) -> None:
    limited = two(env={"JUPYTER_KFP_CACHE_TTL": "60"})
    engine.run(limited, {"n": 1})
    age(engine.store, 50)
    assert engine.run(limited, {"n": 1}).states == CACHED
    age(engine.store, 61)
    assert engine.run(limited, {"n": 1}).states == {"write": "SUCCEEDED", "read": "CACHED"}


def change(file: Path) -> None:
    before = file.stat()
    file.write_text("X" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # it looks as before


def add(file: Path) -> None:
    (file.parent / "another").touch()


def remove_all(file: Path) -> None:
    file.unlink()
    file.parent.rmdir()
    file.parent.parent.rmdir()


@pytest.mark.parametrize("harm", [Path.unlink, change, add, remove_all])
def test_an_entry_whose_files_are_not_what_they_were_is_a_miss(engine: Engine, harm: Any) -> None:
    first = engine.run(two(), {"n": 1})
    harm(Path(first.artifact("write", "data").uri) / "in" / "x")
    second = engine.run(two(), {"n": 1})
    assert second.states == {"write": "SUCCEEDED", "read": "CACHED"}
    assert second.outputs["text"] == "1"
    assert engine.run(two(), {"n": 1}).states == CACHED, "the new result is good"


def test_an_older_entry_stands_in_for_a_damaged_one(engine: Engine) -> None:
    good = engine.run(two(), {"n": 1})
    bad = engine.run(two(), {"n": 1}, cache=False)
    remove_all(Path(bad.artifact("write", "data").uri) / "in" / "x")
    third = engine.run(two(), {"n": 1})
    assert third.states == CACHED
    assert third.artifact("write", "data").id == good.artifact("write", "data").id


def test_a_file_beside_the_notebook_is_an_input(engine: Engine, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "numbers.txt").write_text("1")
    count = task(
        python("leave(parameterValues={'text': pathlib.Path('numbers.txt').read_text()})"),
        outputs={"text": "STRING"},
        **ON,
    )
    text = pipeline({"count": count}, outputs={"text": "count.text"})

    def told() -> tuple[str, Any]:
        run = engine.run(text, source_dir=beside)
        return run.states["count"], run.outputs["text"]

    assert [told(), told()] == [("SUCCEEDED", "1"), ("CACHED", "1")]
    (beside / "numbers.txt").write_text("2")
    assert told() == ("SUCCEEDED", "2")


def test_artifacts_on_other_storage_are_fetched_and_checked(engine: Engine, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    root = "memory://kept"
    first = engine.run(two(), {"n": 1}, root=root)
    second = engine.run(two(), {"n": 1}, root=root)
    assert (first.states, second.states) == (RAN, CACHED)
    assert second.outputs["data"]["uri"].startswith(f"{root}/{first.id}")
    third = engine.run(two().replace("read_text()", "read_text() + str(5)"), {"n": 1}, root=root)
    assert (third.states, third.outputs["text"]) == ({"write": "CACHED", "read": "SUCCEEDED"}, "15")


def entry(store: Store, run_id: str, key: str) -> None:
    store.create_run(NewRun(run_id, "n", "p", "", "/"), [NewTask("a", "a", "a", "c")])
    made = NewArtifact("o", "t", f"/{run_id}", {}, "f" * 64, 1)
    store.recorder(run_id).end_task(
        "a", State.SUCCEEDED, parameters={"n": run_id}, artifacts={"o": [made]}, cache_key=key
    )


def test_many_runs_write_and_read_one_entry_at_once(store: Store) -> None:
    def work(number: int) -> None:
        mine = open_store()
        try:
            for turn in range(5):
                entry(mine, f"r{number}-{turn}", "k")
                (newest, *_others) = mine.cached("k")
                # Whoever wrote it, it is whole.
                assert newest.parameters == {"n": newest.run_id}
                assert newest.artifacts["o"][0].uri == f"/{newest.run_id}"
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)
        finally:
            mine.close()

    failures: list[BaseException] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.cached("k", limit=100)) == 30
    assert dataclasses.is_dataclass(store.cached("k")[0])


@pytest.mark.parametrize("serializer", ["cloudpickle", "json"])
def test_pickles_of_another_user_are_not_taken_without_consent(
    serializer: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever shares the store could have written one that runs code in the steps that read it."""
    code = (
        "pathlib.Path(path('data')).write_text('[]')\n"
        f"note = {{'artifacts': [{{'uri': path('data'), 'metadata': {{'serializer': '{serializer}'}}}}]}}\n"
        "leave(artifacts={'data': note})"
    )
    text = pipeline({"a": task(python(code), outputs={"data": "system.Artifact"}, **ON)})
    first = engine.run(text)
    assert engine.run(text).states == {"a": "CACHED"}, "one's own"
    monkeypatch.setenv("JUPYTER_KFP_NO_PICKLE", "1")
    assert engine.run(text).states == {"a": "SUCCEEDED" if serializer == "cloudpickle" else "CACHED"}
    monkeypatch.delenv("JUPYTER_KFP_NO_PICKLE")
    with engine.store._database.writing() as session:
        session.execute(update(schema.Run).values(options={"user": "mallory"}))
    record = engine.store.run(first.id)
    assert record.options == {"user": "mallory"}
    assert engine.run(text).states == {"a": "SUCCEEDED" if serializer == "cloudpickle" else "CACHED"}
    with engine.store._database.writing() as session:
        session.execute(update(schema.Run).values(options={"user": "mallory"}))
    monkeypatch.setenv("JUPYTER_KFP_ALLOW_PICKLE", "1")
    assert engine.run(text).states == {"a": "CACHED"}
