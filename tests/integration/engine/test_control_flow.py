"""Branches, loops, exit tasks and importers, executed: what `tests/unit/engine/test_control_flow` plays."""

import functools
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.result import document
from jupyter_kfp.store.records import State, TaskKind
from jupyter_kfp.store.store import Store
from tests.integration.engine.conftest import Runner
from tests.unit.engine.building import pipeline, python, shell, task


@functools.cache
def text_of(name: str) -> str:
    from tests.unit.engine import pipelines

    return pipelines.compiled(getattr(pipelines, name))


def states(told: dict[str, Any]) -> dict[str, str]:
    return {task["path"]: task["state"] for task in told["tasks"]}


def boxed(tasks: dict[str, Any], box: str = "box", kubernetes: Any = None, **more: Any) -> str:
    """A pipeline of one task that holds these; ``more`` goes into that task."""
    first, *rest = yaml.safe_load_all(pipeline(tasks, kubernetes=kubernetes))
    first["components"]["comp-box"] = {"dag": first["root"]["dag"]}
    iterator = more.get("parameterIterator")
    if iterator:
        item = {iterator["itemInput"]: {"parameterType": "NUMBER_INTEGER"}}
        first["components"]["comp-box"]["inputDefinitions"] = {"parameters": item}
    first["root"]["dag"] = {"tasks": {box: {"componentRef": {"name": "comp-box"}, **more}}}
    return yaml.safe_dump_all([first, *rest])


def loop(tasks: dict[str, Any], items: list[int], kubernetes: Any = None, **more: Any) -> str:
    iterator = {"itemInput": "item", "items": {"raw": json.dumps(items)}}
    return boxed(tasks, "loop", kubernetes, parameterIterator=iterator, **more)


def test_loops_in_loops(run: Runner, store: Store) -> None:
    record, told = run(text_of("nested_loops"))
    assert told["error"] is None
    assert told["outputs"] == {"Output": "['1a', '1b', '2a', '2b']"}
    paths = [task["path"] for task in told["tasks"]]
    assert [path for path in paths if ".pair" in path] == [
        f"for-loop-1.for-loop-3.pair[{x}][{y}]" for x in (0, 1) for y in (0, 1)
    ]
    assert paths.index("for-loop-1.for-loop-3.pair[0][0]") < paths.index("show-3"), "in the pipeline's order"
    made = store.task(record.id, "for-loop-1.for-loop-3.pair[1][0]")
    assert made.input_parameters == {"x": 2, "y": "a"}
    groups = {
        task.path: task.state for task in store.tasks(record.id, groups=True) if task.kind is TaskKind.GROUP
    }
    succeeded = dict.fromkeys(
        ["for-loop-1", "for-loop-1.for-loop-3[0]", "for-loop-1.for-loop-3[1]"], State.SUCCEEDED
    )
    assert groups == succeeded


def test_artifacts_out_of_branches_and_loops(run: Runner, store: Store) -> None:
    record, told = run(text_of("artifacts"), {"which": "y"})
    assert told["outputs"] == {"Output": "pp,qq,rr"}
    assert states(told)["condition-branches-1.condition-2.write"] == "SKIPPED"
    reason = store.task(record.id, "condition-branches-1.condition-2.write").failure
    assert str(reason) == "Skipped, because which == 'x' is false."
    assert [each.task for each in store.task(record.id, "read-all").input_artifacts["found"]] == [
        f"for-loop-5.write-3[{n}]" for n in range(3)
    ]


def test_artifacts_of_a_loop_as_an_output_are_a_list_however_many_there_are(run: Runner) -> None:
    write = task(python("pathlib.Path(path('o')).write_text('x')"), outputs={"o": "system.Dataset"})
    output = {
        "artifacts": {"o": {"artifactSelectors": [{"producerSubtask": "write", "outputArtifactKey": "o"}]}}
    }
    for items in ([], [1], [1, 2]):
        spec = yaml.safe_load(loop({"write": write}, items))
        spec["components"]["comp-box"]["dag"]["outputs"] = output
        selected = [{"producerSubtask": "loop", "outputArtifactKey": "o"}]
        spec["root"]["dag"]["outputs"] = {"artifacts": {"all": {"artifactSelectors": selected}}}
        dataset = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
        spec["root"]["outputDefinitions"] = {"artifacts": {"all": {**dataset, "isArtifactList": True}}}
        _, told = run(yaml.safe_dump(spec))
        assert [Path(each["uri"]).parts[-3] for each in told["outputs"]["all"]] == [
            f"loop.write[{n}]" for n in range(len(items))
        ]


def test_the_exit_task_knows_how_the_rest_ended(run: Runner, tmp_path: Path) -> None:
    _, told = run(text_of("exits"), {"path": str(tmp_path / "report")})
    assert told["state"] == "FAILED"
    assert states(told)["report"] == "SUCCEEDED"
    status = json.loads((tmp_path / "report").read_text())
    assert (status["state"], status["pipeline_task_name"]) == ("FAILED", "exit-handler-1")
    assert status["pipeline_job_resource_name"] == f"exits-{told['run_id']}"
    assert status["error_message"].startswith("exit-handler-1.fail: ")
    assert "broken" in status["error_message"]


def waiting_with_exit_task(tmp_path: Path) -> str:
    clean = python(
        f"pathlib.Path({str(tmp_path / 'cleaned')!r}).write_text(json.dumps(p['status']))\n"
        "time.sleep(p['seconds'])"
    )
    tasks = {
        "main": task(python(f"pathlib.Path({str(tmp_path / 'began')!r}).touch(); time.sleep(600)")),
        "clean": task(
            clean,
            inputs={"seconds": "$seconds", "status": {}},
            after=("main",),
            triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        ),
    }
    spec = yaml.safe_load(pipeline(tasks, parameters={"seconds": "NUMBER_INTEGER"}))
    final = {"taskFinalStatus": {"producerTask": "main"}}
    spec["root"]["dag"]["tasks"]["clean"]["inputs"]["parameters"]["status"] = final
    spec["components"]["comp-clean"]["inputDefinitions"]["parameters"]["status"] = {
        "parameterType": "TASK_FINAL_STATUS"
    }
    return yaml.safe_dump(spec)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()


def test_the_exit_task_runs_after_a_cancel_too(store: Store, tmp_path: Path) -> None:
    handle = launch.start(waiting_with_exit_task(tmp_path), {"seconds": 0})
    wait_for(tmp_path / "began")
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED
    assert states(document(store, handle.id)) == {"main": "CANCELED", "clean": "SUCCEEDED"}
    assert json.loads((tmp_path / "cleaned").read_text())["state"] == "CANCELLED"


def test_a_second_cancel_ends_the_exit_task(store: Store, tmp_path: Path) -> None:
    handle = launch.start(waiting_with_exit_task(tmp_path), {"seconds": 600})
    wait_for(tmp_path / "began")
    launch.cancel(handle.id)
    wait_for(tmp_path / "cleaned")
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED
    assert states(document(store, handle.id)) == {"main": "CANCELED", "clean": "CANCELED"}


def test_a_canceled_loop_leaves_nothing_pending(store: Store, tmp_path: Path) -> None:
    step = shell(f"touch {tmp_path}/began; sleep 600")
    text = loop(
        {"a": task(step), "b": task(step, after=("a",))}, [1, 2], iteratorPolicy={"parallelismLimit": 1}
    )
    handle = launch.start(text)
    wait_for(tmp_path / "began")
    launch.cancel(handle.id)
    assert launch.wait(handle).state is State.CANCELED
    told = states(document(store, handle.id))
    assert told == dict.fromkeys(["loop.a[0]", "loop.b[0]", "loop.a[1]", "loop.b[1]"], "CANCELED")


def test_retries_and_timeouts_inside_loops_and_nested_pipelines(run: Runner, tmp_path: Path) -> None:
    flaky = task(
        python(
            f"c = pathlib.Path({str(tmp_path)!r}, str(p['n'])); c.open('a').write('x'); assert len(c.read_text()) == 2"
        ),
        inputs={"n": 0},
        retryPolicy={"maxRetryCount": 1},
    )
    spec = yaml.safe_load(loop({"flaky": flaky}, [7, 8]))
    inputs = spec["components"]["comp-box"]["dag"]["tasks"]["flaky"]["inputs"]
    inputs["parameters"]["n"] = {"componentInputParameter": "item"}
    record, told = run(yaml.safe_dump(spec))
    assert record.state is State.SUCCEEDED, told["error"]
    assert [(entry["path"], entry["attempts"]) for entry in told["tasks"]] == [
        ("loop.flaky[0]", 2),
        ("loop.flaky[1]", 2),
    ]
    slow = {"slow": task(shell("sleep 60"))}
    _, told = run(boxed(slow, kubernetes={"exec-slow": {"activeDeadlineSeconds": "1"}}))
    assert told["error"] == "box.slow: It ran longer than its timeout of 1 seconds and was ended."


def test_a_condition_that_fails_is_told_and_what_is_inside_is_skipped(run: Runner, store: Store) -> None:
    tasks = {"a": task(shell("true")), "b": task(shell("true"))}
    record, told = run(boxed(tasks, triggerPolicy={"condition": "inputs.parameter_values['x'] == 1"}))
    words = "Its condition x == 1 cannot be evaluated: there is no 'x'."
    assert told["error"] == f"box: {words}"
    found = {entry["path"]: (entry["state"], entry["error"]) for entry in told["tasks"]}
    skipped = ("SKIPPED", "Skipped, because 'box' did not succeed.")
    assert found == {"box": ("FAILED", words), "box.a": skipped, "box.b": skipped}
    heard = [(event.task, event.state) for event in store.events(record.id) if event.kind == "task"]
    assert heard == [("box", State.FAILED), ("box.a", State.SKIPPED), ("box.b", State.SKIPPED)]


def test_a_loop_that_never_began_still_shows_its_tasks(run: Runner) -> None:
    spec = yaml.safe_load(loop({"a": task(shell("true"))}, [1]))
    spec["components"]["comp-first"] = {"executorLabel": "exec-first"}
    spec["deploymentSpec"]["executors"]["exec-first"] = {"container": shell("exit 1")}
    spec["root"]["dag"]["tasks"]["first"] = {"componentRef": {"name": "comp-first"}}
    spec["root"]["dag"]["tasks"]["loop"]["dependentTasks"] = ["first"]
    _, told = run(yaml.safe_dump(spec))
    assert states(told) == {"first": "FAILED", "loop.a": "SKIPPED"}


def test_a_pickle_is_not_imported_without_consent(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").write_bytes(b"whatever")
    spec = yaml.safe_load(text_of("imported"))
    executors = spec["deploymentSpec"]["executors"]
    given = {"uri": str(tmp_path / "model")}
    (importer,) = [executor["importer"] for executor in executors.values() if "importer" in executor]
    importer["metadata"] = {"serializer": "cloudpickle"}
    record, told = run(yaml.safe_dump(spec), given)
    assert record.state is State.FAILED
    assert f"{tmp_path}/model is a pickle; a step that loads it runs code of whoever made it" in told["error"]
    assert "JUPYTER_KFP_ALLOW_PICKLE=1" in told["error"]
    monkeypatch.setenv("JUPYTER_KFP_ALLOW_PICKLE", "1")
    record, _told = run(yaml.safe_dump(spec), given)
    assert record.state is State.SUCCEEDED


def test_an_artifact_of_this_machine_is_imported(run: Runner, store: Store, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    for uri in (str(tmp_path / "data.csv"), (tmp_path / "data.csv").as_uri()):
        record, told = run(text_of("imported"), {"uri": uri, "text": "why"})
        assert told["outputs"] == {"Output": "1,2 {'given': 'why', 'name': 'n'}"}
        artifact = store.task(record.id, "importer").output_artifacts["artifact"][0]
        assert (artifact.uri, artifact.type, artifact.size) == (uri, "system.Dataset", 3)
    entry = {"md5": "66e0c3a5c5c0c9b0b3e7c8c4c9f0d0a1", "size": 3, "hash": "md5", "path": "data.csv"}
    (tmp_path / "data.csv.dvc").write_text(yaml.safe_dump({"outs": [entry]}))
    record, _ = run(text_of("imported"), {"uri": str(tmp_path / "data.csv"), "text": "why"})
    version = store.task(record.id, "importer").output_artifacts["artifact"][0].metadata["dvc"]
    assert (version["md5"], version["modified"]) == (entry["md5"], True)
    _, told = run(text_of("imported"), {"uri": str(tmp_path / "nothing")})
    assert told["error"] == f"importer: There is nothing at {tmp_path}/nothing to import."


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server with one file, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            found = self.path == "/data.csv"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(b"remote" if found else b"")

        do_HEAD = do_GET

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}", asked
        made.shutdown()


def test_a_remote_artifact_is_fetched_once_and_keeps_its_uri(
    run: Runner, store: Store, server: tuple[str, list[str]]
) -> None:
    pytest.importorskip("aiohttp", reason="what fsspec needs for http")
    url, asked = server
    record, told = run(text_of("imported"), {"uri": f"{url}/data.csv"})
    assert told["error"] is None
    assert told["outputs"]["Output"].startswith("remote")
    assert store.task(record.id, "importer").output_artifacts["artifact"][0].uri == f"{url}/data.csv"
    before = len(asked)
    run(text_of("imported"), {"uri": f"{url}/data.csv"})
    assert len(asked) == before
    _, told = run(text_of("imported"), {"uri": f"{url}/none"})
    assert told["error"].startswith(f"importer: {url}/none cannot be imported: ")
