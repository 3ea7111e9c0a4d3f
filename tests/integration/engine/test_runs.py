"""Runs of small pipelines, each in an engine process of its own."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.execute import _bell
from jupyter_kfp.engine.launch import RunOptions
from jupyter_kfp.engine.result import document
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.store.database import StoreError
from jupyter_kfp.store.records import Origin, State
from jupyter_kfp.store.store import Store, open_store
from tests.integration.engine.conftest import Runner
from tests.unit.engine.building import pipeline, python, shell, task


def by_path(document: dict) -> dict:
    return {entry["path"]: entry for entry in document["tasks"]}


TWO_STEPS = {
    "make": task(
        python(
            "pathlib.Path(path('data')).write_text('a,b')\n"
            "leave(parameterValues={'rows': 1.0, 'mixed': [1, 2.0, 'x', p['n']]},"
            " artifacts={'data': {'artifacts': [{'name': 'data', 'uri': path('data'), 'metadata': {'rows': 1}}]}})"
        ),
        inputs={"n": "$n"},
        outputs={"rows": "NUMBER_INTEGER", "mixed": "LIST", "data": "system.Dataset"},
    ),
    "use": task(
        python("print('reading', source('data')); text = pathlib.Path(source('data')).read_text()\n"
               "leave(parameterValues={'text': json.dumps([text, p['rows'], p['mixed'], p['x'], p['s']])})"),
        inputs={"data": "make:data", "rows": "make.rows", "mixed": "make.mixed", "x": "$x", "s": "it's \"quoted\" {{"},
        outputs={"text": "STRING"},
    ),
}  # fmt: skip


def two_steps() -> str:
    return pipeline(
        TWO_STEPS,
        parameters={"n": "NUMBER_INTEGER", "x": ("NUMBER_DOUBLE", 2.0)},
        outputs={"text": "use.text", "rows": "make.rows", "data": "make:data"},
    )


def test_values_and_artifacts_flow_and_the_document_tells_it(run: Runner, store: Store, home: Path) -> None:
    record, told = run(two_steps(), {"n": 3})
    assert record.state is State.SUCCEEDED
    uri = str(home / "artifacts" / record.id / "make" / "1" / "data")
    data = {"uri": uri, "type": "system.Dataset", "metadata": {"rows": 1}}
    assert repr(told["outputs"]["rows"]) == "1", "an integer stays one"
    assert told["outputs"]["data"] == data
    assert told["outputs"]["text"] == '["a,b", 1, [1, 2.0, "x", 3], 2.0, "it\'s \\"quoted\\" {{"]'
    assert set(told) == {"run_id", "state", "outputs", "tasks", "error"}
    assert (told["run_id"], told["state"], told["error"]) == (record.id, "SUCCEEDED", None)
    make = by_path(told)["make"]
    assert set(make) == {"name", "path", "state", "attempts", "started_at", "ended_at", "outputs", "error"}
    assert (make["name"], make["state"], make["attempts"], make["error"]) == ("make", "SUCCEEDED", 1, None)
    assert make["outputs"] == {"rows": 1, "mixed": [1, 2.0, "x", 3], "data": data}
    used = store.task(record.id, "use")
    assert used.input_artifacts["data"][0].sha256 is not None
    assert used.input_artifacts["data"][0].task == "make"
    assert used.input_parameters["mixed"] == [1, 2.0, "x", 3]
    assert f"reading {uri}" in Path(used.log or "").read_text()


def test_the_run_remembers_what_it_was_made_from(store: Store) -> None:
    origin = Origin("/nb/train.ipynb", "b" * 64, {"git_commit": "abc", "dirty": False})
    handle = launch.start(
        two_steps(), {"n": 3}, origin=origin, options=RunOptions(name="mine", max_parallel=1)
    )
    record = launch.wait(handle)
    assert (record.origin, record.name, record.pipeline) == (origin, "mine", "small")
    assert record.parameters == {"n": 3, "x": 2.0}
    assert store.ir(record.id) == two_steps()
    assert record.pid == handle.pid


def test_wrong_parameters_are_refused_and_leave_no_run(store: Store) -> None:
    for values, words in (
        ({}, "'n' .int. has no value"),
        ({"n": "3"}, "'n' is of type int"),
        ({"n": 1, "m": 2}, "no parameter 'm'"),
    ):
        with pytest.raises(UsageError, match=words):
            launch.start(two_steps(), values)
    with pytest.raises(UsageError, match="At least one step"):
        launch.start(two_steps(), {"n": 1}, options=RunOptions(max_parallel=0))
    assert store.runs() == []


def test_a_failure_stops_its_dependents_and_nothing_else(run: Runner) -> None:
    tasks = {
        "bad": task(shell("echo first; echo oops >&2; exit 3")),
        "after-bad": task(shell("true"), after=("bad",)),
        "last": task(shell("true"), after=("after-bad", "good")),
        "good": task(shell("true")),
        "after-good": task(shell("true"), after=("good",)),
    }
    record, told = run(pipeline(tasks))
    states = {path: entry["state"] for path, entry in by_path(told).items()}
    assert states == {
        "bad": "FAILED",
        "after-bad": "SKIPPED",
        "last": "SKIPPED",
        "good": "SUCCEEDED",
        "after-good": "SUCCEEDED",
    }
    words = "It ended with exit code 3; its log ends with: first | oops"
    assert by_path(told)["bad"]["error"] == words
    assert by_path(told)["last"]["error"] == "Skipped, because 'after-bad' did not succeed."
    assert (record.state, told["error"]) == (State.FAILED, f"bad: {words}")


def test_what_a_step_says_of_its_failure_is_the_error(run: Runner, store: Store) -> None:
    code = (
        "pathlib.Path(path('executed_notebook')).write_text('{}'); pathlib.Path(path('model')).write_text('half')\n"
        "leave(error={'type': 'KeyError', 'message': \"'price'\", 'cell': 4, 'traceback': 'Traceback'}); sys.exit(1)"
    )
    outputs = {
        "executed_notebook": "system.Artifact",
        "executed_html": "system.HTML",
        "model": "system.Model",
    }
    record, told = run(pipeline({"train": task(python(code), outputs=outputs)}))
    train = store.task(record.id, "train")
    assert train.failure is not None
    assert (train.failure.type, train.failure.traceback) == ("KeyError", "Traceback")
    assert by_path(told)["train"]["error"] == "KeyError: 'price'"
    assert set(train.output_artifacts) == {"executed_notebook"}, (
        "the report is kept, half-made outputs are not"
    )


def test_a_killed_step_is_said_to_be_killed(run: Runner) -> None:
    _, told = run(pipeline({"a": task(shell("kill -9 $$"))}))
    assert (
        told["error"]
        == "a: It was ended by the signal SIGKILL, perhaps because memory ran out; its log is empty."
    )


def test_independent_steps_run_at_the_same_time(run: Runner) -> None:
    """Each waits for the other to begin: one after the other they would wait for ever."""
    meet = "touch $0; for i in $(seq 200); do [ -e $1 ] && exit 0; sleep 0.05; done; exit 1"
    record, _ = run(two_that_meet(meet), max_parallel=2)
    assert record.state is State.SUCCEEDED


def two_that_meet(code: str) -> str:
    place = os.environ["JUPYTER_KFP_HOME"]
    return pipeline(
        {
            "a": task(shell(code, f"{place}/a", f"{place}/b")),
            "b": task(shell(code, f"{place}/b", f"{place}/a")),
        }
    )


def test_at_most_as_many_steps_as_asked_for_run_at_once(run: Runner, store: Store) -> None:
    record, _ = run(pipeline({f"t{n}": task(shell("sleep 0.1")) for n in range(4)}), max_parallel=1)
    spans = sorted((t.attempts[0].started_at, t.attempts[0].ended_at) for t in store.tasks(record.id))
    assert all(before[1] <= after[0] for before, after in pairwise(spans))  # type: ignore[operator]


def test_a_failed_task_is_tried_again_and_every_try_is_kept(run: Runner, store: Store) -> None:
    code = "pwd; echo try >> $0; [ $(wc -l < $0) = 3 ]"
    policy = {
        "maxRetryCount": 4,
        "backoffDuration": "0.2s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "10s",
    }
    flaky = task(shell(code, os.environ["JUPYTER_KFP_HOME"] + "/count"), retryPolicy=policy)
    record, told = run(pipeline({"flaky": flaky, "next": task(shell("true"), after=("flaky",))}))
    assert record.state is State.SUCCEEDED
    assert by_path(told)["flaky"]["attempts"] == 3
    attempts = store.task(record.id, "flaky").attempts
    assert [attempt.state for attempt in attempts] == [State.FAILED, State.FAILED, State.SUCCEEDED]
    assert len({Path(attempt.log).read_text() for attempt in attempts}) == 3, "own log, own working directory"
    waits = [(b.started_at - a.ended_at).total_seconds() for a, b in pairwise(attempts) if a.ended_at]
    assert waits[0] >= 0.2
    assert waits[1] >= 0.4


def test_tries_run_out(run: Runner) -> None:
    _, told = run(pipeline({"a": task(shell("exit 1"), retryPolicy={"maxRetryCount": 2})}))
    assert (by_path(told)["a"]["attempts"], told["state"]) == (3, "FAILED")


def test_a_step_that_runs_too_long_is_ended(run: Runner) -> None:
    begun = time.monotonic()
    _, told = run(
        pipeline({"a": task(shell("sleep 60"))}, kubernetes={"exec-a": {"activeDeadlineSeconds": "1"}})
    )
    assert told["error"] == "a: It ran longer than its timeout of 1 seconds and was ended."
    assert time.monotonic() - begun < 30


def test_inputs_too_large_for_a_command_are_explained(run: Runner) -> None:
    text = pipeline({"a": task(python("pass"), inputs={"s": "$s"})}, parameters={"s": "STRING"})
    _, told = run(text, {"s": "x" * 200_000})
    assert "Pass large values as artifacts" in told["error"]


def test_an_input_that_was_never_made_is_named(run: Runner) -> None:
    tasks = {
        "a": task(shell("true"), outputs={"n": "NUMBER_INTEGER"}),
        "b": task(shell("true"), inputs={"n": "a.n"}),
        "c": task(shell("true"), after=("b",)),
    }
    _, told = run(pipeline(tasks))
    assert (
        told["error"] == "b: The input 'n' of 'b' has no value: the task 'a' did not produce its output 'n'."
    )
    assert by_path(told)["c"]["state"] == "SKIPPED"


def test_a_step_sees_the_notebooks_directory_and_writes_into_its_own(run: Runner, tmp_path: Path) -> None:
    source = tmp_path / "project"
    source.mkdir()
    (source / "data.csv").write_text("1,2")
    code = "cat data.csv; echo new > made.txt; echo $JUPYTER_KFP_SOURCE_DIR; [ $JUPYTER_KFP_ENVIRONMENT = ready ]"
    record, _ = run(pipeline({"a": task(shell(code))}), source_dir=source)
    log = Path(os.environ["JUPYTER_KFP_HOME"], "runs", record.id, "tasks", "a", "1", "log.txt").read_text()
    assert log == f"1,2{source}\n"
    assert [entry.name for entry in source.iterdir()] == ["data.csv"]


def test_env_of_the_component_and_its_own_python(run: Runner) -> None:
    container = {
        **shell('[ "$A" = "b c" ] && python3 -c "import jupyter_kfp"'),
        "env": [{"name": "A", "value": "b c"}],
    }
    record, told = run(pipeline({"a": task(container)}))
    assert record.state is State.SUCCEEDED, told["error"]


def test_the_log_is_written_while_the_step_runs(store: Store) -> None:
    handle = launch.start(pipeline({"a": task(python("print('alive'); time.sleep(60)"))}))
    for event in launch.follow(handle):
        if event.task == "a":
            break
    log = Path(store.task(handle.id, "a").log or "")
    deadline = time.monotonic() + 20
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert log.read_text() == "alive\n"
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED


def test_secrets_reach_the_step_and_nothing_else(
    run: Runner, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cr3t-from-env")
    (tmp_path / ".env").write_text("DB_PASSWORD='hunter2 of file'\n")
    entries = [
        {"secretName": "db", "keyToEnv": [{"secretKey": "password", "envVar": "DB_PASSWORD"}]},
        {"secretName": "api", "keyToEnv": [{"secretKey": "token", "envVar": "API_TOKEN"}]},
    ]
    code = 'echo "$DB_PASSWORD and $API_TOKEN"; echo "dying of $DB_PASSWORD" >&2; exit 1'
    _record, told = run(
        pipeline({"a": task(shell(code))}, kubernetes={"exec-a": {"secretAsEnv": entries}}),
        source_dir=tmp_path,
    )
    assert told["error"] == "a: It ended with exit code 1; its log ends with: **** and **** | dying of ****"
    for file in home.rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes(), file
            assert b"s3cr3t" not in file.read_bytes(), file


def test_a_missing_secret_is_named_before_anything_starts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    entry = {"secretName": "db", "keyToEnv": [{"secretKey": "password", "envVar": "DB_PASSWORD"}]}
    with pytest.raises(UsageError, match="Set DB_PASSWORD in the environment"):
        launch.start(pipeline({"a": task(shell("x"))}, kubernetes={"exec-a": {"secretAsEnv": [entry]}}))
    assert store.runs() == []


def test_options_without_effect_are_one_warning(run: Runner, store: Store) -> None:
    container = {**shell("true"), "resources": {"resourceMemoryLimit": "1G"}}
    record, _ = run(pipeline({"a": task(container)}))
    warnings = [event.message for event in store.events(record.id) if event.kind == "warning"]
    assert warnings == ["These options have no effect on a process of this machine: a: memory."]


def test_events_come_in_order_and_only_once(store: Store) -> None:
    handle = launch.start(two_steps(), {"n": 1})
    heard = list(launch.follow(handle))
    assert heard == store.events(handle.id)
    assert [(e.task, e.state) for e in heard if e.kind in ("run", "task")] == [
        (None, State.PENDING),
        (None, State.RUNNING),
        ("make", State.RUNNING),
        ("make", State.SUCCEEDED),
        ("use", State.RUNNING),
        ("use", State.SUCCEEDED),
        (None, State.SUCCEEDED),
    ]
    assert list(launch.follow(handle.id, after=heard[3].id)) == heard[4:]


def test_a_run_is_followed_from_another_process(home: Path) -> None:
    handle = launch.start(pipeline({"a": task(shell("sleep 0.5"))}))
    code = "import sys; from jupyter_kfp.engine.launch import follow; print([e.state.value for e in follow(sys.argv[1])])"
    done = subprocess.run(
        [sys.executable, "-c", code, handle.id], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(["PENDING", "RUNNING", "RUNNING", "SUCCEEDED", "SUCCEEDED"])
    launch.wait(handle)


def test_a_run_goes_on_when_nobody_listens(store: Store) -> None:
    """More news than the pipe to a follower could ever hold unread would block a careless engine."""
    handle = launch.start(pipeline({"a": task(shell("sleep 0.3"))}))
    os.close(handle._doorbell or 0)
    handle._doorbell = None
    assert launch.wait(handle.id).state is State.SUCCEEDED


def test_ten_runs_at_once_do_not_touch_each_other(store: Store) -> None:
    handles = [launch.start(two_steps(), {"n": n}) for n in range(10)]
    for n, handle in enumerate(handles):
        assert launch.wait(handle).state is State.SUCCEEDED
        told = document(store, handle.id)
        assert by_path(told)["make"]["outputs"]["mixed"] == [1, 2.0, "x", n]
        assert handle.id in told["outputs"]["data"]["uri"]
    assert len({document(store, handle.id)["outputs"]["data"]["uri"] for handle in handles}) == 10


def test_the_parent_of_artifacts_can_be_chosen(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = pipeline({"a": task(python("pathlib.Path(path('o')).write_text('x')"), outputs={"o": "system.Model"})},
                    defaultPipelineRoot=f"file://{tmp_path}/by-pipeline")  # fmt: skip

    def uri(**options: str) -> str:
        return by_path(run(text, **options)[1])["a"]["outputs"]["o"]["uri"]  # type: ignore[no-any-return]

    assert uri().startswith(f"{tmp_path}/by-pipeline/")
    monkeypatch.setenv(launch.ROOT_VARIABLE, f"{tmp_path}/by-variable")
    assert uri().startswith(f"{tmp_path}/by-variable/")
    assert uri(root=f"{tmp_path}/by-option").startswith(f"{tmp_path}/by-option/")


def test_a_root_that_cannot_be_used_fails_the_run_before_any_step(run: Runner) -> None:
    record, told = run(two_steps(), {"n": 1}, root="nosuch://bucket")
    assert record.state is State.FAILED
    assert "Artifacts cannot be kept at nosuch://bucket" in told["error"]
    assert {entry["state"] for entry in told["tasks"]} == {"CANCELED"}


def test_a_full_artifact_root_is_named_and_with_more_room_the_run_goes_on(
    run: Runner, store: Store, tmp_path: Path
) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk to fill, and not in every container")
    try:
        write = task(
            python("pathlib.Path(path('o')).write_bytes(b'x' * 1_000_000)"), outputs={"o": "system.Model"}
        )
        _, told = run(pipeline({"a": write}), root=str(mount))
        assert "No space left on device" in told["error"]
        assert f"The disk of the artifact root {mount}/{told['run_id']} is full." in told["error"]
        half = store.task(told["run_id"], "a")
        assert half.output_artifacts == {}, "what is not whole is not there"
        (_, again) = run(pipeline({"a": write}), root=str(mount))
        assert again["error"].startswith(f"The disk of the artifact root {mount}")
        assert again["tasks"][0]["attempts"] == 0
        subprocess.run(["mount", "-o", "remount,size=4m", str(mount)], check=True)
        went_on = launch.wait(launch.resume(told["run_id"], failed_too=True))
        assert went_on.state is State.SUCCEEDED
        made = store.task(told["run_id"], "a").output_artifacts["o"][0]
        assert (made.size, Path(made.uri).stat().st_size) == (1_000_000, 1_000_000)
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_directory_that_cannot_be_made_is_named(store: Store, home: Path) -> None:
    (home / "runs").write_text("in the way")
    with pytest.raises(JupyterKfpError, match="The engine cannot be started"):
        launch.start(two_steps(), {"n": 1})
    (record,) = store.runs()
    assert record.state is State.FAILED


def test_a_store_that_cannot_be_written_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="cannot be written"):
        launch.start(two_steps(), {"n": 1})


def test_a_disk_that_fills_up_under_the_engine_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk to fill, and not in every container")
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(mount))
    fill = f"dd if=/dev/zero of={mount}/filler bs=64k 2>/dev/null; dd if=/dev/zero of={mount}/rest bs=1 2>/dev/null; true"
    try:
        handle = launch.start(pipeline({"a": task(shell(fill)), "b": task(shell("sleep 600"))}))
        with pytest.raises(StoreError, match="is full"):
            launch.wait(handle)
        store = open_store()
        assert store.run(handle.id).state is State.FAILED, "told, though it cannot be written down"
        (mount / "filler").unlink()
        assert store.run(handle.id).state is State.FAILED
        assert {task.state for task in store.tasks(handle.id)} <= {State.FAILED, State.CANCELED}
        store.close()
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)


def test_ringing_never_waits_for_a_listener() -> None:
    reader, writer = os.pipe()
    ring = _bell(writer)
    for _ in range(200_000):  # more than a pipe holds
        ring()
    os.close(reader)
    ring()
    os.close(writer)
