"""A run that fails, and one whose engine is killed: who hears of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import jupyter_kfp
from jupyter_kfp.engine import launch
from jupyter_kfp.observe import tracing
from jupyter_kfp.observe.start import LOG
from jupyter_kfp.runs import Run
from jupyter_kfp.store.location import run_directory
from tests.e2e.conftest import document
from tests.receivers import Receiver, receiving
from tests.unit.engine.building import pipeline, shell, task


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def eventually(condition: Callable[[], bool], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def told(run_id: str) -> str:
    log = run_directory(run_id) / LOG
    return log.read_text() if log.exists() else ""


def spans_of(body: bytes) -> dict[str, Any]:
    """The spans of a request, by name; with the service they are of."""
    request = ExportTraceServiceRequest.FromString(body)
    (resource,) = request.resource_spans
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    found = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    return {"service": named["service.name"], **found}


def test_everybody_hears_of_a_run_that_fails(
    web: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_KFP_NOTIFY_WEBHOOK", f"{web.url}/hook")
    monkeypatch.setenv("JUPYTER_KFP_METRICS_FILE", str(tmp_path / "kfp.prom"))
    monkeypatch.setenv("JUPYTER_KFP_PUSHGATEWAY", web.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", web.url)
    cells = (
        ("x = 1", "step:make"),
        ("y = x + 1", "step:make"),
        ("print(y)\nraise ValueError('no')", "step:fail"),
    )
    notebook = tmp_path / "small.ipynb"
    notebook.write_text(json.dumps(document(*cells)), encoding="utf-8")
    run = jupyter_kfp.load(notebook).run()
    assert run.state.value == "FAILED"
    eventually(lambda: "webhook: done" in told(run.id), lambda: told(run.id))
    assert [line.partition(" ")[2] for line in told(run.id).splitlines()] == [
        "metrics file: done", "Pushgateway: done", "spans: done", "webhook: done"
    ]  # fmt: skip
    asked = {request.path: request for request in web.requests}

    report = json.loads(asked["/hook"].body)
    assert (report["run_id"], report["state"]) == (run.id, "FAILED")
    assert [(each["task"], each["cell"]) for each in report["failed_tasks"]] == [("fail", 2)]
    assert "ValueError: no" in report["text"]

    found = spans_of(asked["/v1/traces"].body)
    assert found.pop("service") == "jupyter-kfp"
    root = found["run small"]
    assert int.from_bytes(root.trace_id, "big") == tracing.trace_id(run.id)
    assert {span.trace_id for span in found.values()} == {root.trace_id}
    assert (root.parent_span_id, root.status.code) == (b"", 2)
    make, fail = found["task make"], found["task fail"]
    assert make.parent_span_id == fail.parent_span_id == root.span_id
    assert (make.status.code, fail.status.code) == (0, 2)
    within = [span for name, span in found.items() if name.startswith("cell ")]
    assert {span.parent_span_id for span in within} == {make.span_id, fail.span_id}
    for span, outer in [(make, root), (fail, root)]:
        assert outer.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= outer.end_time_unix_nano
    failed = [span for span in within if span.status.code == 2]
    assert [span.parent_span_id for span in failed] == [fail.span_id]

    file = (tmp_path / "kfp.prom").read_text()
    pushed = asked["/metrics/job/jupyter_kfp/pipeline/small"]
    assert pushed.method == "PUT"
    for text in (file, pushed.body.decode()):
        assert 'jupyter_kfp_runs{pipeline="small",state="FAILED"} 1.0' in text


def test_a_run_whose_engine_was_killed_is_told_of_and_one_that_went_well_is_not(
    web: Receiver, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_KFP_NOTIFY_WEBHOOK", f"{web.url}/hook")
    web.answers = [(503, None)]
    fine = launch.wait(launch.start(pipeline({"a": task(shell("true"))})))
    handle = launch.start(pipeline({"a": task(shell('touch "$JUPYTER_KFP_HOME/here"; sleep 600'))}))
    eventually((home / "here").exists, lambda: Run(handle.id).as_dict())
    os.kill(handle.pid, signal.SIGKILL)
    eventually(lambda: "webhook: done" in told(handle.id), lambda: told(handle.id))
    reports = [json.loads(request.body) for request in web.requests]
    assert [(report["run_id"], report["state"]) for report in reports] == [(handle.id, "FAILED")] * 2
    assert reports[0]["error"].startswith("The engine ended unexpectedly.")
    assert "webhook" not in told(fine.id)


def test_a_sink_that_fails_neither_delays_nor_fails_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_METRICS_FILE", "/proc/nowhere/kfp.prom")
    monkeypatch.setenv("JUPYTER_KFP_NOTIFY_ON", "NONSENSE")
    run = launch.wait(launch.start(pipeline({"a": task(shell("true"))})))
    assert run.state.value == "SUCCEEDED"
    eventually(lambda: "NONSENSE" in told(run.id), lambda: told(run.id))


def test_where_nobody_is_to_be_told_nothing_is_started_or_loaded() -> None:
    run = launch.wait(launch.start(pipeline({"a": task(shell("true"))})))
    assert not (run_directory(run.id) / LOG).exists()
    code = (
        "import sys, jupyter_kfp.engine.execute, jupyter_kfp.observe.start as s; s.start('none');"
        "print([m for m in ('opentelemetry', 'prometheus_client', 'requests', 'smtplib', 'tomlkit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_secret_is_told(web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_NOTIFY_WEBHOOK", f"{web.url}/hook")
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")
    secret = {"secretName": "s", "keyToEnv": [{"secretKey": "k", "envVar": "TOKEN"}]}
    failing = {"a": task(shell("echo the token is $TOKEN; exit 1"))}
    run = launch.wait(launch.start(pipeline(failing, kubernetes={"exec-a": {"secretAsEnv": [secret]}})))
    eventually(lambda: "webhook: done" in told(run.id), lambda: told(run.id))
    (request,) = web.requests
    assert b"the token is ****" in request.body
    assert b"hunter2" not in request.body
