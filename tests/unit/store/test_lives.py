"""A run that is opened again: what stays and what goes."""

import os

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import liveness
from jupyter_kfp.store.records import Failure, NewArtifact, NewTask, RunRecord, State, TaskKind, Tries
from jupyter_kfp.store.store import Store


def myself() -> liveness.ProcessId:
    process = liveness.process_id(os.getpid())
    assert process is not None
    return process


def attempt(
    store: Store, run: str, path: str, state: State | None, *, number: int = 1, code: int | None = 0
) -> None:
    recorder = store.recorder(run)
    recorder.begin_attempt(path, number, directory="/d", log="/l")
    if state is not None:
        recorder.end_attempt(path, number, state, exit_code=code)


@pytest.fixture
def dead(store: Store, run: RunRecord) -> RunRecord:
    """A run whose engine died: of its tasks one had succeeded, one failed, and one of a loop was running."""
    recorder = store.recorder(run.id)
    recorder.begin_run(myself())
    loop = [NewTask("loop", "loop", "loop", "c", TaskKind.GROUP), NewTask("loop.x[0]", "x", "x", "c")]
    recorder.add_tasks([*loop, NewTask("loop.x[1]", "x", "x", "c")])
    attempt(store, run.id, "a", State.SUCCEEDED)
    made = NewArtifact("o", "t", "/o")
    recorder.end_task("a", State.SUCCEEDED, parameters={"n": 1}, artifacts={"o": [made]}, cache_key="k")
    attempt(store, run.id, "b", State.FAILED, code=1)
    recorder.end_task("b", State.FAILED, failure=Failure("no"))
    recorder.begin_group("loop")
    recorder.set_inputs("loop.x[0]", {"item": 0}, {})
    attempt(store, run.id, "loop.x[0]", State.FAILED, code=1)
    attempt(store, run.id, "loop.x[0]", None, number=2)
    recorder.abandon()
    return store.run(run.id)


def test_an_interrupted_run_says_so(store: Store, dead: RunRecord) -> None:
    assert (dead.state, dead.interrupted) == (State.FAILED, True)
    assert store.states(dead.id) == {
        "a": State.SUCCEEDED,
        "b": State.FAILED,
        "loop": State.FAILED,
        "loop.x[0]": State.FAILED,
        "loop.x[1]": State.CANCELED,
    }


def test_what_is_finished_stays_and_the_rest_is_open_again(store: Store, dead: RunRecord) -> None:
    store.reopen(dead.id, myself(), {"a", "b", "loop"}, failed_too=False)
    record = store.run(dead.id)
    assert (record.state, record.interrupted, record.failure, record.ended_at) == (
        State.PENDING,
        False,
        None,
        None,
    )
    assert store.states(dead.id) == {
        "a": State.SUCCEEDED,
        "b": State.FAILED,
        "loop": State.PENDING,
        "loop.x[0]": State.PENDING,
    }
    assert {task.path: task.state for task in store.finished_tasks(dead.id)} == {
        "a": State.SUCCEEDED,
        "b": State.FAILED,
    }
    tries = store.tries(dead.id)
    assert tries["loop.x[0]"] == Tries(2, 1), "one failed by itself, the other was interrupted"
    assert store.task(dead.id, "loop.x[0]").input_parameters == {}
    assert store.cached("k")[0].parameters == {"n": 1}


def test_a_retry_opens_what_failed_with_all_its_tries(store: Store, dead: RunRecord) -> None:
    store.reopen(dead.id, myself(), {"a", "b", "loop"}, failed_too=True)
    assert store.states(dead.id)["b"] is State.PENDING
    assert store.tries(dead.id)["loop.x[0]"] == Tries(2, 0)
    assert store.task(dead.id, "b").failure is None


def test_only_one_can_open_a_run_again(store: Store, dead: RunRecord) -> None:
    store.reopen(dead.id, myself(), {"a", "b", "loop"}, failed_too=False)
    with pytest.raises(UsageError, match="is being executed"):
        store.reopen(dead.id, myself(), {"a", "b", "loop"}, failed_too=False)


def test_a_batch_is_written_whole_or_not_at_all(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)

    def batch(*, fails: bool) -> None:
        with recorder.batch():
            recorder.begin_attempt("a", 1, directory="/d", log="/l")
            assert store.states(run.id)["a"] is State.PENDING, "nothing is written yet"
            recorder.end_task("a", State.SUCCEEDED, parameters={"n": 1})
            if fails:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        batch(fails=True)
    assert store.states(run.id)["a"] is State.PENDING
    batch(fails=False)
    assert store.task(run.id, "a").output_parameters == {"n": 1}


def test_a_result_that_is_used_again_is_shared(store: Store, run: RunRecord) -> None:
    recorder = store.recorder(run.id)
    recorder.end_task(
        "a",
        State.SUCCEEDED,
        parameters={"n": 1},
        artifacts={"o": [NewArtifact("o", "t", "/o")]},
        cache_key="k",
    )
    recorder.reuse("b", store.cached("k")[0])
    task = store.task(run.id, "b")
    assert (task.state, task.output_parameters, task.reused_from) == (State.CACHED, {"n": 1}, (run.id, "a"))
    assert task.output_artifacts["o"][0].id == store.task(run.id, "a").output_artifacts["o"][0].id
    assert [entry.path for entry in store.cached("k")] == ["a"], "what is cached is no entry of its own"
    recorder.begin_again("b")
    assert (store.task(run.id, "b").state, store.task(run.id, "b").output_parameters) == (State.PENDING, {})


def test_a_run_that_another_engine_has_gone_on_with_is_not_given_up(store: Store, run: RunRecord) -> None:
    """Whoever looked at it before that, and found its engine dead, comes too late."""
    recorder = store.recorder(run.id)
    recorder.begin_run(myself())
    recorder.abandon(if_dead=True)
    assert store.run(run.id).state is State.RUNNING
    recorder.begin_run(liveness.ProcessId(myself().host, 2**22 + 1, 1.0))
    recorder.abandon(if_dead=True)
    assert store.unchecked_run(run.id).state is State.FAILED
