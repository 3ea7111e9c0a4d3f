"""Runs that go on: after a cancel, after the end of their engine, after a failure, or from a step in the middle."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import schema
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store
from tests.integration.engine.inline import Engine, engines_inline
from tests.unit.engine.building import pipeline, python, shell, task


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


# Every execution is noted; what is to fail has a file of its name in the home directory.
NOTE = (
    "home = pathlib.Path(os.environ['JUPYTER_KFP_HOME'])\n"
    "with open(home / 'executed', 'a') as f: f.write(p['me'] + '\\n')\n"
    "assert not (home / p['me']).exists(), p['me'] + ' is to fail'\n"
)


def step(me: str, x: Any, **more: Any) -> dict[str, Any]:
    """A step that adds one to x, and leaves that as an artifact too."""
    code = "pathlib.Path(path('file')).write_text(str(p['x'])); leave(parameterValues={'y': p['x'] + 1})"
    outputs = {"y": "NUMBER_INTEGER", "file": "system.Artifact"}
    return task(python(NOTE + code), inputs={"me": me, "x": x}, outputs=outputs, **more)


EXIT = {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}


def chain() -> str:
    """Three steps one after the other, one beside them, and what cleans up."""
    tasks = {
        "one": step("one", "$n"),
        "two": step("two", "one.y"),
        "three": step("three", "two.y"),
        "beside": step("beside", "$m"),
        "exit": step("exit", 0, after=("three", "beside"), **EXIT),
    }
    parameters = {"n": "NUMBER_INTEGER", "m": ("NUMBER_INTEGER", 0)}
    return pipeline(tasks, parameters=parameters, outputs={"y": "three.y", "file": "three:file"})


def executed(home: Path) -> list[str]:
    """The executions since this was last asked."""
    file = home / "executed"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return sorted(found)


def fail(home: Path, *names: str) -> None:
    for name in ("one", "two", "three", "beside"):
        (home / name).unlink(missing_ok=True)
    for name in names:
        (home / name).touch()


def test_retry_executes_what_failed_and_what_comes_after(engine: Engine, home: Path) -> None:
    fail(home, "two")
    first = engine.run(chain(), {"n": 1})
    assert first.states == {
        "one": "SUCCEEDED", "two": "FAILED", "three": "SKIPPED", "beside": "SUCCEEDED", "exit": "SUCCEEDED",
    }  # fmt: skip
    executed(home)
    fail(home)
    again = engine.go_on(first, failed_too=True)
    assert (again.id, again.state, again.outputs["y"]) == (first.id, "SUCCEEDED", 4)
    # What cleans up does so again: it belongs to the end of the run, and that is another one now.
    assert executed(home) == ["exit", "three", "two"]
    assert set(again.states.values()) == {"SUCCEEDED"}
    assert again.attempts == {"one": 1, "two": 2, "three": 1, "beside": 1, "exit": 2}
    assert again.record.failure is None
    assert again.record.started_at == first.record.started_at
    events = [(e.state, e.message) for e in engine.store.events(first.id) if e.kind == "run"]
    assert (State.PENDING, "retried") in events


def test_a_retry_may_fail_again(engine: Engine, home: Path) -> None:
    fail(home, "two", "beside")
    first = engine.run(chain(), {"n": 1})
    fail(home, "beside")
    again = engine.go_on(first, failed_too=True)
    assert again.state == "FAILED"
    assert (again.states["three"], again.states["beside"]) == ("SUCCEEDED", "FAILED")
    assert "beside is to fail" in again.document["error"]
    fail(home)
    executed(home)
    assert engine.go_on(first, failed_too=True).state == "SUCCEEDED"
    assert executed(home) == ["beside", "exit"]


def test_what_is_gone_is_made_again_and_all_that_follows(engine: Engine, home: Path) -> None:
    fail(home, "three")
    first = engine.run(chain(), {"n": 1})
    Path(first.artifact("one", "file").uri).write_text("tampered")
    fail(home)
    executed(home)
    assert engine.go_on(first, failed_too=True).outputs["y"] == 4
    assert executed(home) == ["exit", "one", "three", "two"], "but not what stands beside"


def test_what_ended_well_or_still_runs_does_not_go_on(engine: Engine, home: Path) -> None:
    well = engine.run(chain(), {"n": 1})
    for failed_too in (True, False):
        with pytest.raises(UsageError, match="has ended well"):
            launch.resume(well.id, failed_too=failed_too)
    fail(home, "one")
    failed = engine.run(chain(), {"n": 1})
    with pytest.raises(UsageError, match=r"was not interrupted: it has failed.*jupyter kfp retry"):
        launch.resume(failed.id)
    with engine.store._database.writing() as session:
        session.execute(update(schema.Run).values(state=State.RUNNING))
    with pytest.raises(UsageError, match="is being executed"):
        launch.resume(failed.id)


def interrupted(engine: Engine, run_id: str, *running: str) -> None:
    """Make it look as if the engine had died while these tasks were running."""
    with engine.store._database.writing() as session:
        of_run = schema.Task.run_id == run_id
        session.execute(
            update(schema.Task).where(of_run, schema.Task.path.in_(running)).values(state=State.RUNNING)
        )
        session.execute(
            update(schema.Run).where(schema.Run.id == run_id).values(state=State.RUNNING, ended_at=None)
        )
    engine.store.recorder(run_id).abandon()


def test_resume_keeps_what_failed_by_itself(engine: Engine, home: Path) -> None:
    fail(home, "beside")
    first = engine.run(chain(), {"n": 1})
    assert first.states["beside"] == "FAILED"
    interrupted(engine, first.id, "three", "exit")
    fail(home)
    executed(home)
    again = engine.go_on(first)
    # As the run would have ended without the interruption: the failed task is not tried again.
    assert (again.state, again.states["beside"], again.states["three"]) == ("FAILED", "FAILED", "SUCCEEDED")
    assert executed(home) == ["exit", "three"]
    assert again.document["error"] == first.document["error"]


def test_a_task_goes_on_with_the_tries_it_has_left(engine: Engine, home: Path) -> None:
    policy = {"maxRetryCount": 2, "backoffDuration": "0s"}
    text = pipeline({"a": task(shell("exit 1"), retryPolicy=policy)})
    first = engine.run(text)
    assert first.attempts == {"a": 3}
    with engine.store._database.writing() as session:
        last = schema.Attempt.number == 3
        session.execute(update(schema.Attempt).where(last).values(state=State.RUNNING, exit_code=None))
    interrupted(engine, first.id, "a")
    assert engine.go_on(first).attempts == {"a": 4}, "two had failed, the third was interrupted, one is left"
    assert engine.go_on(first, failed_too=True).attempts == {"a": 7}, "a retry has all its tries"


def test_run_from_a_step(engine: Engine, home: Path) -> None:
    first = engine.run(chain(), {"n": 1})
    executed(home)
    again = engine.run(chain(), {"n": 1, "m": 7}, from_step="two")
    assert again.id != first.id
    assert (again.state, again.outputs["y"]) == ("SUCCEEDED", 4)
    assert again.states["one"] == "CACHED"
    assert executed(home) == ["beside", "exit", "three", "two"]
    assert engine.store.task(again.id, "two").input_parameters["x"] == 2
    assert engine.store.task(again.id, "one").reused_from == (first.id, "one")


def test_run_from_a_step_of_a_run_that_failed_there(engine: Engine, home: Path) -> None:
    fail(home, "two")
    engine.run(chain(), {"n": 1})
    fail(home)
    executed(home)
    changed = chain().replace("is to fail", "was to fail")
    assert engine.run(changed, {"n": 1}, from_step="two").outputs["y"] == 4, "the code may have changed"
    assert "one" not in executed(home)


def test_run_from_a_step_without_what_comes_before(engine: Engine, home: Path) -> None:
    with pytest.raises(UsageError, match="No earlier run of 'small' has what comes before 'two'"):
        engine.run(chain(), {"n": 1}, from_step="two")
    fail(home, "one")
    failed = engine.run(chain(), {"n": 1})
    with pytest.raises(UsageError, match=f"run {failed.id} has not finished one"):
        engine.run(chain(), {"n": 1}, from_step="two")
    fail(home)
    other = engine.run(chain(), {"n": 2})
    with pytest.raises(UsageError, match=f"run {other.id} had another n"):
        engine.run(chain(), {"n": 1}, from_step="two")
    with pytest.raises(UsageError, match=r"has no step 'four'\. Its steps: beside, one, "):
        engine.run(chain(), {"n": 1}, from_step="four")


FAMILY = "import signal\nif not (home / 'go').exists():\n    (home / 'began').touch(); time.sleep(600)\n"


@pytest.mark.parametrize("how", [launch.cancel, launch.kill])
def test_a_run_that_was_ended_from_outside_goes_on(home: Path, store: Store, how: Any) -> None:
    """With engines and steps as they really are; the step that was ended is executed anew, and only that."""
    slow = task(python(NOTE + FAMILY), inputs={"me": "slow"}, after=("one",))
    tasks = {"one": step("one", 1), "slow": slow, "last": step("last", 5, after=("slow",))}
    handle = launch.start(pipeline(tasks), options=launch.RunOptions(runner=Runner.PROCESS))
    for event in launch.follow(handle):
        if event.task == "slow" and event.state is State.RUNNING:
            break
    how(handle.id)
    record = launch.wait(handle)
    assert record.state is State.CANCELED
    assert store.states(handle.id)["one"] is State.SUCCEEDED
    (home / "go").touch()
    again = launch.resume(handle.id)
    seen = [(event.task, event.state) for event in launch.follow(again) if event.kind in {"run", "task"}]
    assert seen[0] == (None, State.PENDING), "of its earlier life nothing is told again"
    assert seen[-1] == (None, State.SUCCEEDED)
    assert executed(home).count("one") == 1
    assert set(store.states(handle.id).values()) == {State.SUCCEEDED}
    assert os.getpid() != again.pid
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_commands_and_objects_that_let_a_run_go_on(engine: Engine, home: Path, tmp_path: Path) -> None:
    import json

    from click.testing import CliRunner

    from jupyter_kfp.cli import main
    from jupyter_kfp.runs import Run

    def invoke(*words: str) -> tuple[int, Any]:
        done = CliRunner().invoke(main, [*words, "--json"])
        return done.exit_code, json.loads(done.stdout)

    (tmp_path / "chain.yaml").write_text(chain())
    fail(home, "two")
    code, told = invoke("run", str(tmp_path / "chain.yaml"), "-p", "n=1", "--runner", "process")
    run_id = told["run_id"]
    assert (code, told["state"]) == (1, "FAILED")
    assert invoke("resume", run_id)[0] == 2
    code, told = invoke("retry", run_id)
    assert (code, told["run_id"], told["state"]) == (1, run_id, "FAILED")
    fail(home)
    interrupted(engine, run_id, "two")
    executed(home)
    code, told = invoke("resume", run_id)
    assert (code, told["run_id"], told["state"], told["outputs"]["y"]) == (0, run_id, "SUCCEEDED", 4)
    assert "one" not in executed(home)
    words = (
        "run",
        str(tmp_path / "chain.yaml"),
        "-p",
        "n=1",
        "--runner",
        "process",
        "--from",
        "two",
        "--no-cache",
    )
    code, told = invoke(*words)
    assert (code, {task["path"]: task["state"] for task in told["tasks"]}["one"]) == (0, "CACHED")
    assert executed(home) == ["beside", "exit", "three", "two"]
    fail(home, "two")
    failed = Run(engine.run(chain(), {"n": 5}).id)
    fail(home)
    failed.retry()
    assert failed.state is State.SUCCEEDED
