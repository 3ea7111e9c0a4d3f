import math
import os
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import liveness, schema
from jupyter_kfp.store.liveness import ProcessId
from jupyter_kfp.store.records import (
    ArtifactRecord,
    Failure,
    NewArtifact,
    NewRun,
    NewTask,
    Origin,
    RunRecord,
    State,
)
from jupyter_kfp.store.store import Store, open_store

DEAD = ProcessId(liveness.socket.gethostname(), 2**22 + 1, 1.0)


def myself() -> ProcessId:
    process = liveness.process_id(os.getpid())
    assert process is not None
    return process


def test_a_run_comes_back_as_it_was_given(store: Store) -> None:
    origin = Origin("/nb/train.ipynb", "a" * 64, {"git_commit": "abc", "dirty": True})
    new = NewRun("r", "a name", "pipe", "ir", "/root", {"x": 1, "y": 1.0}, origin, {"max_parallel": 3})
    record = store.create_run(new, [])
    assert store.run("r") == record
    assert (record.id, record.name, record.pipeline, record.root) == ("r", "a name", "pipe", "/root")
    assert record.parameters == {"x": 1, "y": 1.0}
    assert isinstance(record.parameters["x"], int)
    assert (record.origin, record.options, record.state) == (origin, {"max_parallel": 3}, State.PENDING)
    assert store.ir("r") == "ir"
    assert datetime.now(timezone.utc) - record.created_at < timedelta(seconds=10)


def test_the_life_of_a_task(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    recorder.begin_run(myself())
    recorder.set_inputs("a", {"n": 3}, {})
    recorder.begin_attempt("a", 1, directory="/d/1", log="/d/1/log.txt")
    recorder.end_attempt("a", 1, State.FAILED, exit_code=-9, failure=Failure("killed"))
    recorder.begin_attempt("a", 2, directory="/d/2", log="/d/2/log.txt")
    recorder.end_attempt("a", 2, State.SUCCEEDED, exit_code=0)
    made = NewArtifact("model", "system.Model", "/x/model", {"rows": 3}, "f" * 64, 12)
    ids = recorder.end_task("a", State.SUCCEEDED, parameters={"acc": 0.5}, artifacts={"model": [made]})

    task = store.task(run.id, "a")
    assert (task.state, task.display_name, task.component) == (State.SUCCEEDED, "A", "comp-a")
    assert task.input_parameters == {"n": 3}
    assert task.output_parameters == {"acc": 0.5}
    assert [(a.number, a.state, a.exit_code, a.failure) for a in task.attempts] == [
        (1, State.FAILED, -9, Failure("killed")),
        (2, State.SUCCEEDED, 0, None),
    ]
    assert task.log == "/d/2/log.txt"
    (artifact,) = task.output_artifacts["model"]
    assert (artifact.id, artifact.task, artifact.port, artifact.metadata) == (
        ids["model"][0],
        "a",
        "model",
        {"rows": 3},
    )
    assert (artifact.sha256, artifact.size) == ("f" * 64, 12)
    assert task.started_at is not None
    assert task.ended_at is not None
    assert task.started_at <= task.ended_at


def test_an_artifact_links_the_task_that_made_it_and_those_that_read_it(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    ids = recorder.end_task(
        "b", State.SUCCEEDED, artifacts={"o": [NewArtifact("o", "t", "/1"), NewArtifact("o", "t", "/2")]}
    )
    recorder.set_inputs("a", {}, {"i": ids["o"]})
    read = store.task(run.id, "a").input_artifacts["i"]
    assert [(artifact.uri, artifact.task, artifact.port) for artifact in read] == [
        ("/1", "b", "o"),
        ("/2", "b", "o"),
    ]


def test_outputs_of_a_run_are_values_artifacts_or_lists(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    made = [NewArtifact("o", "t", "/1"), NewArtifact("o", "t", "/2")]
    first, second = recorder.end_task("b", State.SUCCEEDED, artifacts={"o": made})["o"]
    recorder.end_run(
        State.SUCCEEDED, values={"v": None, "w": [1]}, artifacts={"one": [first], "two": [first, second]}
    )
    outputs = store.outputs(run.id)
    assert outputs["v"] is None
    assert outputs["w"] == [1]
    assert isinstance(outputs["one"], ArtifactRecord)
    assert [artifact.uri for artifact in outputs["two"]] == ["/1", "/2"]


def test_history_is_in_order_and_can_be_read_in_parts(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    recorder.begin_run(myself())
    recorder.note("gpu has no effect", kind="warning")
    recorder.begin_attempt("a", 1, directory="/d", log="/l")
    recorder.end_task("a", State.FAILED, failure=Failure("no"))
    recorder.end_run(State.FAILED, failure=Failure("a: no"))
    events = store.events(run.id)
    assert [(e.kind, e.task, e.state, e.message) for e in events] == [
        ("run", None, State.PENDING, ""),
        ("run", None, State.RUNNING, ""),
        ("warning", None, None, "gpu has no effect"),
        ("task", "a", State.RUNNING, ""),
        ("task", "a", State.FAILED, "no"),
        ("run", None, State.FAILED, "a: no"),
    ]
    assert store.events(run.id, after=events[2].id) == events[3:]
    assert [e.time for e in events] == sorted(e.time for e in events)


def test_tasks_keep_the_order_they_were_given_in(store: Store, run: RunRecord) -> None:
    assert [task.path for task in store.tasks(run.id)] == ["b", "a"]


def test_runs_are_listed_newest_first(store: Store, run: RunRecord) -> None:
    store.create_run(NewRun("r2", "n", "other", "", "/"), [])
    assert [record.id for record in store.runs()] == ["r2", "r1"]
    assert [record.id for record in store.runs(limit=1)] == ["r2"]
    assert [record.id for record in store.runs(pipeline="p")] == ["r1"]


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    for run_id in ("abc1", "abd2"):
        store.create_run(NewRun(run_id, "n", "p", "", "/"), [])
    assert store.run("abc").id == "abc1"
    with pytest.raises(UsageError, match="Several runs"):
        store.run("ab")
    for nothing in ("x", "", "ab%"):
        with pytest.raises(UsageError, match="There is no run"):
            store.run(nothing)


def test_a_task_that_is_not_there_is_answered_with_those_that_are(store: Store, run: RunRecord) -> None:
    with pytest.raises(UsageError, match=r"no task 'c'\. Its tasks: b, a\."):
        store.task(run.id, "c")


def test_a_dead_engine_is_never_shown_as_running(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    recorder.begin_run(DEAD)
    recorder.begin_attempt("a", 1, directory="/d", log="/l")
    record = store.run(run.id)
    assert (record.state, str(record.failure)) == (State.FAILED, "The engine ended unexpectedly.")
    assert record.ended_at is not None
    tasks = {task.path: task for task in store.tasks(run.id)}
    assert tasks["a"].state is State.FAILED
    assert tasks["a"].attempts[0].state is State.FAILED
    assert tasks["b"].state is State.CANCELED
    assert store.runs()[0].state is State.FAILED


def test_a_canceled_run_whose_engine_is_dead_is_canceled(store: Store, run: RunRecord) -> None:
    store.recorder(run.id).begin_run(DEAD)
    store.recorder(run.id).request_cancel()
    assert store.run(run.id).state is State.CANCELED


def test_a_dead_engine_is_told_even_where_nothing_can_be_written(
    store: Store, run: RunRecord, any_url: str
) -> None:
    store.recorder(run.id).begin_run(DEAD)
    if any_url.startswith("sqlite"):
        reader = open_store(any_url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true")
    else:
        reader = open_store(f"{any_url}?options=-cdefault_transaction_read_only%3Don")
    assert reader.run(run.id).state is State.FAILED
    reader.close()


def test_a_living_engine_is_believed(store: Store, run: RunRecord) -> None:
    store.recorder(run.id).begin_run(myself())
    assert store.run(run.id).state is State.RUNNING


def test_a_later_process_with_the_same_number_is_not_the_engine(store: Store, run: RunRecord) -> None:
    store.recorder(run.id).begin_run(ProcessId(myself().host, os.getpid(), myself().pid_started - 3600))
    assert store.run(run.id).state is State.FAILED


def test_a_process_on_another_machine_cannot_be_judged(store: Store, run: RunRecord) -> None:
    store.recorder(run.id).begin_run(ProcessId("elsewhere", 1, 1.0))
    assert store.run(run.id).state is State.RUNNING


def test_a_run_whose_engine_never_came_is_failed_after_a_while(store: Store, run: RunRecord) -> None:
    assert store.run(run.id).state is State.PENDING
    with store._database.writing() as session:
        session.execute(
            update(schema.Run).values(created_at=datetime.now(timezone.utc) - timedelta(minutes=5))
        )
    assert store.run(run.id).state is State.FAILED


def test_an_ended_run_is_not_ended_again(store: Store, run: RunRecord) -> None:
    store.recorder(run.id).end_run(State.SUCCEEDED)
    store.recorder(run.id).abandon()
    assert store.run(run.id).state is State.SUCCEEDED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(value=JSON, message=st.text())
def test_every_json_value_and_text_survives(store: Store, value: object, message: str) -> None:
    run_id = os.urandom(8).hex()
    store.create_run(NewRun(run_id, "n", "p", "", "/", {"x": value}), [NewTask("a", "a", "a", "c")])  # type: ignore[dict-item]
    store.recorder(run_id).end_task("a", State.FAILED, failure=Failure(message), parameters={"o": value})  # type: ignore[dict-item]
    task = store.task(run_id, "a")
    assert store.run(run_id).parameters["x"] == value
    assert repr(task.output_parameters["o"]) == repr(value)
    assert task.failure == Failure(message)


def test_nan_and_lone_surrogates_survive_or_are_spelled_out(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    recorder.end_task("a", State.SUCCEEDED, parameters={"x": math.nan, "s": "\ud800"})
    recorder.note("bad \ud800 \0 text")
    parameters = store.task(run.id, "a").output_parameters
    assert math.isnan(parameters["x"])  # type: ignore[arg-type]
    assert parameters["s"] == "\ud800"
    assert store.events(run.id)[-1].message == "bad \\ud800 \\0 text"
