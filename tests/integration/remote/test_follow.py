"""Runs that a cluster executes, seen from here. The cluster's steps are real processes."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import follow, mirroring, profiles
from jupyter_kfp.remote.errors import Trouble, UnreachableError
from jupyter_kfp.remote.profile import Profile, make
from jupyter_kfp.remote.submit import Options, submit
from jupyter_kfp.runs import Run
from jupyter_kfp.store.records import RunEvent, State
from jupyter_kfp.store.store import Store
from tests.integration.remote.irs import in_loop
from tests.kfp_server.process import Cluster
from tests.unit.engine.building import pipeline, python, task

CHAIN = pipeline(
    {
        "make": task(
            python("pathlib.Path(path('data')).write_text('made'); print('making')"),
            outputs={"data": "system.Dataset"},
        ),
        "use": task(
            python("pathlib.Path(path('model')).write_text(pathlib.Path(source('data')).read_text() + '!')"),
            inputs={"data": "make:data"},
            outputs={"model": "system.Model"},
        ),
    },
    outputs={"model": "use:model"},
)
FAILS = pipeline(
    {
        "bad": task(python("print('so far so good'); sys.exit('it broke')")),
        "never": task(python("pass"), after=("bad",)),
    }
)
SMALL = pipeline({"a": task(python("pass"))})
WAITS = pipeline({"slow": task(python("print('waiting', flush=True); time.sleep(60)"))})


pytestmark = pytest.mark.usefixtures("known")


def test_a_run_on_a_cluster_is_like_one_of_this_machine(cluster: Cluster, store: Store) -> None:
    made = submit(CHAIN)
    events: list[RunEvent] = []
    run = Run(made.run_id).wait(events.append)
    assert run.state is State.SUCCEEDED
    assert run["make"].artifacts["data"].path.read_text() == "made"
    assert run["use"].artifacts["model"].path.read_text() == "made!"
    assert run.outputs["model"].path.read_text() == "made!"
    assert "making" in run["make"].log
    assert run.url == made.url
    # What was read and by whom is known, too.
    (read,) = store.task(run.id, "use").input_artifacts["data"]
    assert (read.task, read.port) == ("make", "data")
    states = [(e.task, e.state) for e in events if e.state and e.state.is_final]
    assert states.count((None, State.SUCCEEDED)) == 1
    assert {("make", State.SUCCEEDED), ("use", State.SUCCEEDED)} <= set(states)
    document = run.as_dict()
    assert [task["state"] for task in document["tasks"]] == ["SUCCEEDED", "SUCCEEDED"]
    # Looking again changes nothing.
    before = len(store.events(run.id))
    mirroring.refresh(run.id)
    assert len(store.events(run.id)) == before


def test_a_failure_says_what_the_step_said_last(store: Store) -> None:
    run = Run(submit(FAILS).run_id).wait()
    assert run.state is State.FAILED
    assert run.error == "bad: it broke"
    assert run["bad"].error == "it broke"
    assert run["never"].state is State.SKIPPED
    assert "so far so good" in run["bad"].log


def test_retrying_goes_on_under_the_same_id(cluster: Cluster, store: Store) -> None:
    run = Run(submit(FAILS).run_id).wait()
    run.retry()
    assert store.run(run.id).state is State.RUNNING
    assert run.wait().state is State.FAILED
    assert len(store.runs()) == 1
    assert [(a.number, a.state) for a in store.task(run.id, "bad").attempts] == [
        (1, State.FAILED),
        (2, State.FAILED),
    ]
    (asked,) = cluster.requests("POST", ":retry")
    assert run.id in asked["path"]


def test_tries_are_told_apart_also_in_loops(store: Store, tmp_path: Path) -> None:
    """Item n fails n times. All run at once, so that only Argo's ids tell whose tries are whose."""
    code = (
        f"tried = pathlib.Path({str(tmp_path)!r}, str(p['item']))\n"
        "number = len(tried.read_text()) if tried.exists() else 0\n"
        "tried.write_text('x' * (number + 1)); print('item', p['item'], 'try', number, flush=True)\n"
        "sys.exit('not yet' if number < p['item'] else None)"
    )
    work = task(
        python(code), inputs={"item": "$item"}, retryPolicy={"maxRetryCount": 3, "backoffDuration": "0s"}
    )
    run = Run(
        submit(in_loop(pipeline({"work": work}, parameters={"item": "NUMBER_INTEGER"}), [0, 1, 2])).run_id
    )
    assert run.wait().state is State.SUCCEEDED
    tasks = {path: step.record for path, step in run.steps.items()}
    assert sorted(tasks) == ["loop.work[0]", "loop.work[1]", "loop.work[2]"]
    for item in range(3):
        attempts = tasks[f"loop.work[{item}]"].attempts
        assert [a.state for a in attempts] == [State.FAILED] * item + [State.SUCCEEDED]
        assert [a.failure.message if a.failure else None for a in attempts] == ["not yet"] * item + [None]
        said = [Path(a.log).read_text().splitlines()[0] for a in attempts]
        assert said == [f"item {item} try {number}" for number in range(item + 1)]


def test_canceling_ends_it_on_the_cluster(cluster: Cluster) -> None:
    run = Run(submit(WAITS).run_id)
    eventually(lambda: run["slow"].state is State.RUNNING, run)
    run.fetch_logs()
    eventually(lambda: "waiting" in run["slow"].log, run)
    run.cancel()
    assert run.wait().state is State.CANCELED
    assert run["slow"].state is State.CANCELED
    with pytest.raises(UsageError, match="already ended"):
        run.cancel()


def eventually(true: Callable[[], bool], run: Run) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.3)
        run = Run(run.id)
        run.fetch_logs()


def test_faults_while_following_lose_and_double_nothing(cluster: Cluster, store: Store) -> None:
    made = submit(CHAIN)
    cluster.control(
        faults=[
            {"kind": "status", "status": 500, "skip": 1, "times": 7},
            {"kind": "drop", "times": 3, "path": "/runs/"},
            {
                "kind": "garbage",
                "status": 503,
                "times": 2,
                "body": "<html>bad gateway",
                "content_type": "text/html",
            },
        ]
    )
    events: list[RunEvent] = []
    record = follow.attend(made.run_id, events.append, sleep=lambda _seconds: time.sleep(0.05))
    assert record.state is State.SUCCEEDED
    assert len({event.id for event in events}) == len(events)
    assert [e.state for e in events if e.kind == "run" and e.state and e.state.is_final] == [State.SUCCEEDED]
    assert len(store.runs()) == 1
    assert len(store.tasks(made.run_id)) == 2


def test_a_token_that_expires_while_following_is_renewed(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    profiles.save(make("pod", endpoint=cluster.url, auth="service-account", token_file=file))
    cluster.control(auth={"mode": "token", "tokens": ["first"]})
    made = submit(SMALL, options=Options(profile="pod"))

    def sleep(seconds: float) -> None:
        file.write_text("second")
        cluster.control(auth={"mode": "token", "tokens": ["second"]})
        time.sleep(seconds)

    assert follow.attend(made.run_id, lambda _event: None, sleep=sleep).state is State.SUCCEEDED


def test_a_login_page_while_following_leaves_the_run_to_be_followed_again(
    cluster: Cluster, store: Store
) -> None:
    made = submit(SMALL)
    cluster.control(faults=[{"kind": "login"}])
    with pytest.raises(UnreachableError, match="The run goes on there") as raised:
        follow.attend(made.run_id, lambda _event: None)
    assert raised.value.trouble is Trouble.LOGIN_PAGE
    cluster.control()
    assert follow.attend(made.run_id, lambda _event: None).state is State.SUCCEEDED
    assert [run.id for run in store.runs()] == [made.run_id]


def test_a_cluster_that_is_away_is_asked_again_and_said_once(cluster: Cluster, store: Store) -> None:
    cluster.control(hold=True)
    made = submit(CHAIN)
    cluster.control(hold=True, faults=[{"kind": "drop"}])
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 1000 * seconds

    with pytest.raises(UnreachableError, match="The run goes on there") as raised:
        follow.attend(made.run_id, lambda _event: None, sleep=sleep, clock=lambda: now)
    assert raised.value.trouble is Trouble.DROPPED
    assert [e.kind for e in store.events(made.run_id)].count("warning") == 1
    assert store.run(made.run_id).state is State.PENDING


def test_a_run_that_was_deleted_there_has_ended_here(cluster: Cluster, profile: Profile) -> None:
    import requests

    cluster.control(hold=True)
    made = submit(CHAIN)
    requests.delete(f"{cluster.url}/apis/v2beta1/runs/{made.run_id}", timeout=5).raise_for_status()
    run = Run(made.run_id)
    assert run.state is State.FAILED
    assert run.error is not None
    assert "deleted" in run.error


def test_what_was_last_known_is_shown_while_the_cluster_is_away(cluster: Cluster) -> None:
    cluster.control(hold=True)
    made = submit(CHAIN)
    cluster.control(hold=True, auth={"mode": "token", "tokens": ["t"]})
    run = Run(made.run_id)
    assert run.state is State.PENDING
    assert run.stale is not None
    assert "401" in run.stale


def test_a_pipeline_root_that_cannot_be_read_is_a_warning(cluster: Cluster, store: Store) -> None:
    profiles.save(make("rootless", endpoint=cluster.url))
    profiles.use("rootless")
    run = Run(submit(pipeline({"a": task(python("print('from the pod')"))})).run_id).wait()
    assert run.state is State.SUCCEEDED
    warnings = [e.message for e in store.events(run.id) if e.kind == "warning"]
    assert any("--pipeline-root" in warning for warning in warnings)
    assert "from the pod" in run["a"].log  # of the pod, by KFP's web server
    assert Path(str(run["a"].record.log)).is_file()


def test_ctrl_c_cancels_and_goes_on_following(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    made = submit(WAITS)
    raised = threading.Event()

    def sleep(seconds: float) -> None:
        if not raised.is_set():
            raised.set()
            raise KeyboardInterrupt
        time.sleep(min(seconds, 0.5))

    assert follow.attend(made.run_id, lambda _event: None, sleep=sleep).state is State.CANCELED
