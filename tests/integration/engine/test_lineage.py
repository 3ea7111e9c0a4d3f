"""What runs record of where their results come from, and what the commands make of it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

import jupyter_kfp
from jupyter_kfp.cli import main
from jupyter_kfp.engine import emitting
from jupyter_kfp.store import location
from jupyter_kfp.store.store import Store
from tests.integration.engine.inline import Engine, engines_inline
from tests.integration.engine.openlineage_server import Received, check, receiving
from tests.unit.engine.building import pipeline, python, task
from tests.unit.store.lineages import digest

ON: dict[str, Any] = {"cachingOptions": {"enableCache": True}}
PREPARE = pipeline(
    {
        "prepare": task(
            python("pathlib.Path(path('data')).write_text('a,b')"), outputs={"data": "system.Dataset"}, **ON
        )
    },
    outputs={"data": "prepare:data"},
)
TRAIN = pipeline(
    {
        "train": task(
            python("pathlib.Path(path('model')).write_text('model of ' + open(p['where']).read())"),
            inputs={"where": "$where"},
            outputs={"model": "system.Model"},
            **ON,
        ),
        "score": task(
            python("open(source('model')).read(); leave(parameterValues={'accuracy': 0.9})"),
            inputs={"model": "train:model"},
            outputs={"accuracy": "NUMBER_DOUBLE"},
            **ON,
        ),
    },
    parameters={"where": "STRING"},
    outputs={"model": "train:model"},
)
FAILS = pipeline({"bad": task(python("sys.exit('it broke')")), "never": task(python("pass"), after=("bad",))})
NOTEBOOK = """\
# %% tags=["step:count"]
rows: int = len(open("data.csv").readlines())
"""


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engines_inline(monkeypatch):
        yield Engine(store)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_story_of_a_model_over_two_runs(engine: Engine, tmp_path: Path) -> None:
    prepared = engine.run(PREPARE)
    data = prepared.document["outputs"]["data"]["uri"]
    trained = engine.run(TRAIN, {"where": data})
    again = engine.run(TRAIN, {"where": data})
    assert again.states == {"train": "CACHED", "score": "CACHED"}

    approved = command("approve", f"{trained.id}:model", "--by", "Ann", "--note", "reviewed", "--json")
    assert approved.exit_code == 0, approved.output
    for run in (trained.id, again.id):
        shown = command("lineage", run)
        assert shown.exit_code == 0, shown.output
        words = [
            "model (Model), version 1",
            f"run {trained.id} of small, step train, SUCCEEDED",
            f"data: SHA-256 {digest(Path(data))[:12]}",
            "component, SHA-256",
            "distributions",
            "by Ann on",
            "reviewed",
        ]
        assert [word for word in words if word not in shown.output] == []
    down = json.loads(command("lineage", data, "--down", "--format", "json").stdout)
    assert set(down["runs"]) >= {prepared.id, trained.id}
    mermaid = command("lineage", again.id, "--format", "mermaid").stdout
    assert mermaid.count("subgraph") == 3
    command("lineage", again.id, "--format", "svg", "-o", str(tmp_path / "lineage.svg"))
    assert (tmp_path / "lineage.svg").read_text(encoding="utf-8").startswith("<svg")

    assert command("lineage", again.id, "--verify").exit_code == 0
    Path(data).write_text("forged", encoding="utf-8")
    verified = command("lineage", again.id, "--verify")
    assert verified.exit_code == 1
    assert "data" in verified.output
    assert command("lineage").exit_code == 2


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Zoe", "-c", "user.email=z@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


def test_provenance_is_recorded_and_in_no_cache_key(engine: Engine, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "data.csv").write_text("1\n2\n", encoding="utf-8")
    (project / "count.py").write_text(NOTEBOOK, encoding="utf-8")
    git(project, "init", "-q", "-b", "trunk")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")
    first = jupyter_kfp.run(project / "count.py", runner="process")
    assert first.state == "SUCCEEDED", first.error
    text = jupyter_kfp.load(project / "count.py").compile()
    git(project, "commit", "-q", "--allow-empty", "-m", "second")
    second = jupyter_kfp.run(project / "count.py", runner="process")
    assert jupyter_kfp.load(project / "count.py").compile() == text
    assert {name: step.state.value for name, step in second.steps.items()} == {"count": "CACHED"}
    commits = [run.record.origin.provenance["commit"] for run in (first, second)]
    assert commits[0] != commits[1]

    known = first.record.origin.provenance
    assert (known["branch"], known["dirty"], known["host"]) == ("trunk", False, socket.gethostname())
    origin = engine.store.origins(first.id)["count"]
    assert [cell["cell"] for cell in cast("Any", origin.facts["cells"])] == [0]
    environment = engine.store.environment(str(origin.facts["environment"]))
    assert environment is not None
    assert "papermill" in environment["distributions"]
    (file,) = origin.files
    assert (file.name, file.uri, file.size) == ("data.csv", str(project / "data.csv"), 4)
    assert [node.name for node in first.lineage().nodes if node.kind == "file"] == ["data.csv"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with receiving() as received:
        monkeypatch.setenv("OPENLINEAGE_URL", received.url)
        yield received


def wait_for(received: Received, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(received.events) < count and time.monotonic() < deadline:
        time.sleep(0.05)


def test_events_reach_a_server_while_runs_go(engine: Engine, server: Received) -> None:
    data = engine.run(PREPARE).document["outputs"]["data"]["uri"]
    wait_for(server, 4)
    trained = engine.run(TRAIN, {"where": data})
    wait_for(server, 10)
    engine.run(FAILS)
    wait_for(server, 14)
    assert server.told() == [
        ("START", "small"), ("START", "small.prepare"), ("COMPLETE", "small.prepare"), ("COMPLETE", "small"),
        ("START", "small"), ("START", "small.train"), ("COMPLETE", "small.train"),
        ("START", "small.score"), ("COMPLETE", "small.score"), ("COMPLETE", "small"),
        ("START", "small"), ("START", "small.bad"), ("FAIL", "small.bad"), ("FAIL", "small"),
    ]  # fmt: skip
    for event in server.events:
        check(event)
    prepare, train, failed = server.events[2], server.events[6], server.events[12]
    (made,), (read,) = prepare["outputs"], train["inputs"]
    assert (made["namespace"], made["name"]) == (read["namespace"], read["name"]) == ("file", data)
    assert made["facets"]["version"]["datasetVersion"] == read["facets"]["version"]["datasetVersion"]
    parent = train["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]["name"]) == (server.events[4]["run"]["runId"], "small")
    assert train["run"]["runId"] == server.events[5]["run"]["runId"]
    assert "it broke" in failed["run"]["facets"]["errorMessage"]["message"]
    after = json.loads(command("lineage", trained.id, "--format", "openlineage").stdout)
    (told,) = [
        event for event in after if (event["eventType"], event["job"]["name"]) == ("COMPLETE", "small.train")
    ]
    for key in ("eventTime", "inputs", "outputs", "job"):
        assert told[key] == train[key]
    assert told["run"]["runId"] == train["run"]["runId"]


def test_a_server_that_refuses_fails_no_run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def emit(self, event: object) -> None:
            raise ConnectionError("refused")

    run = engine.run(PREPARE)
    assert emitting._send(engine.store, Refusing(), run.id, 0) == 1  # type: ignore[arg-type]  # it has what is used of a client
    (note,) = [event.message for event in engine.store.events(run.id) if event.kind == "warning"]
    assert note.startswith("Not all OpenLineage events could be sent (ConnectionError: refused).")
    assert f"jupyter kfp lineage {run.id} --format openlineage" in note


def test_events_go_to_a_file(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, log = tmp_path / "openlineage.yml", tmp_path / "events.json"
    config.write_text(json.dumps({"transport": {"type": "file", "log_file_path": str(log), "append": True}}))
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))
    run = engine.run(PREPARE)
    monkeypatch.delenv("OPENLINEAGE_CONFIG")
    deadline = time.monotonic() + 120
    while not (log.exists() and len(log.read_text().splitlines()) == 4) and time.monotonic() < deadline:
        time.sleep(0.05)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "START", "COMPLETE", "COMPLETE"]
    for event in events:
        check(event)
    assert (location.run_directory(run.id) / emitting.LOG).exists()
