"""Runs in MLflow: a real server, told of runs of this machine and of a cluster."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
import requests
from click.testing import CliRunner

from jupyter_kfp.api import load
from jupyter_kfp.cli import main
from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import profiles
from jupyter_kfp.remote.profile import make
from jupyter_kfp.runs import Run
from jupyter_kfp.store.records import NewArtifact, NewRun, NewTask, State
from jupyter_kfp.store.store import open_store
from jupyter_kfp.tracking import __main__ as process
from jupyter_kfp.tracking import settings
from tests.kfp_server.process import Cluster

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LONG = 240

CELLS = [
    ("lr: float = 0.5\nepochs: int = 3", "parameters"),
    ("from jupyter_kfp import Metrics", ""),
    (
        "%%component train\nlosses: list = [lr / (n + 1) for n in range(epochs)]\n"
        "scores: Metrics = Metrics()\nscores.log_metric('accuracy', 0.75)\n"
        "scores.metadata['validation'] = [0.5, 0.75]\nmodel = {'weights': (1, 2)}",
        "",
    ),
    (
        "%%component test --for i in [1, 2] --collect trials=trial\n"
        "trial: Metrics = Metrics()\ntrial.log_metric('twice', 2 * i)",
        "",
    ),
    ("losses\nmodel\nscores\ntrials", "outputs"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    argv = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "kept")]  # fmt: skip
    with (home / "log").open("wb") as log:
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        started = subprocess.Popen(
            argv, cwd=home, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _LONG
        while not _answers(url):
            assert started.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(started.pid, 9)
        started.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def client(mlflow_server: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=mlflow_server)


def notebook(path: Path) -> Path:
    cells = [nbformat.v4.new_code_cell(s, metadata={"tags": [tag] if tag else []}) for s, tag in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def told(run: Run) -> Any:
    """Where MLflow has a run, once a process of its own has told it."""
    deadline = time.monotonic() + _LONG
    while run.mlflow is None:
        assert time.monotonic() < deadline, (
            Path(os.environ["JUPYTER_KFP_HOME"]) / "runs" / run.id / "mlflow.log"
        ).read_text()
        time.sleep(0.2)
    return run.mlflow


def test_a_run_of_this_machine(
    mlflow_server: str, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.TRACKING_URI, mlflow_server)
    monkeypatch.setenv(settings.REGISTER, "model=wine")
    run = load(notebook(tmp_path / "nb.ipynb")).run(lr=0.25)
    assert run.state is State.SUCCEEDED, run.error
    found = told(run)
    assert (
        found["url"]
        == run.as_dict()["mlflow"]
        == f"{mlflow_server}/#/experiments/{found['experiment_id']}/runs/{found['run_id']}"
    )
    assert (
        f"MLflow: {found['url']}" in CliRunner().invoke(main, ["show", run.id], catch_exceptions=False).stdout
    )
    there = client.get_run(found["run_id"])
    assert client.get_experiment(found["experiment_id"]).name == "nb"
    assert there.info.status == "FINISHED"
    assert there.data.params == {"lr": "0.25", "epochs": "3"}
    assert there.data.tags["jupyter_kfp.run_id"] == run.id
    assert there.data.tags["mlflow.source.name"].endswith("nb.ipynb")
    assert there.data.metrics["accuracy"] == 0.75
    losses = client.get_metric_history(found["run_id"], "losses")
    assert [(metric.step, metric.value) for metric in losses] == [(0, 0.25), (1, 0.125), (2, 0.25 / 3)]
    kept = [file.path for file in client.list_artifacts(found["run_id"], "outputs")]
    assert kept == ["outputs/model", "outputs/scores", "outputs/trials"]
    (version,) = client.search_model_versions("name = 'wine'")
    assert (version.run_id, version.tags["jupyter_kfp.run_id"]) == (found["run_id"], run.id)
    assert len(version.tags["sha256"]) == 64
    steps = children(client, found)
    assert sorted(steps) == ["test[0]", "test[1]", "train"]
    assert steps["test[1]"].data.metrics == {"twice": 4.0}
    assert steps["train"].data.params["lr"] == "0.25"
    history = client.get_metric_history(steps["train"].info.run_id, "validation")
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.5), (1, 0.75)]
    executed = [file.path for file in client.list_artifacts(steps["train"].info.run_id, "executed")]
    assert "executed/executed_notebook" in executed
    # Told again, it is the same run, the same metrics and the same version.
    result = CliRunner().invoke(main, ["mlflow", "sync", run.id, "--json"], catch_exceptions=False)
    (again,) = json.loads(result.stdout)
    assert (again["run_id"], again["mlflow"]) == (run.id, found)
    assert run.mlflow == found
    assert len(client.get_metric_history(found["run_id"], "losses")) == 3
    assert sorted(children(client, found)) == sorted(steps)
    assert len(client.search_model_versions("name = 'wine'")) == 1


def children(client: MlflowClient, found: Any) -> dict[str, Any]:
    below = client.search_runs([found["experiment_id"]], f"tags.`mlflow.parentRunId` = '{found['run_id']}'")
    assert len({run.info.run_name for run in below}) == len(below)
    return {run.info.run_name: run for run in below}


def test_a_run_of_a_cluster(
    mlflow_server: str, client: MlflowClient, cluster: Cluster, tmp_path: Path
) -> None:
    root = cluster.pipeline_root
    profiles.save(make("here", endpoint=cluster.url, pipeline_root=root, mlflow=mlflow_server))
    run = Run(load(notebook(tmp_path / "nb.ipynb")).submit({"lr": 1.0}).run_id).wait()
    assert run.state is State.SUCCEEDED, run.error
    there = client.get_run(told(run)["run_id"])
    assert there.data.params["lr"] == "1.0"
    assert there.data.metrics["accuracy"] == 0.75
    assert there.data.tags["jupyter_kfp.url"] == run.url
    assert str(run.url) in there.data.tags["mlflow.note.content"]


@pytest.fixture
def ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that failed, and that is to be told of to a server that is not there."""
    monkeypatch.setenv(settings.TRACKING_URI, f"http://127.0.0.1:{free_port()}")
    store = open_store()
    new = NewRun("r1", "first", "p", "", "/", {"lr": 1}, options=settings.wanted())
    store.create_run(new, [NewTask("a", "a", "a", "c")])
    file = home / "text"
    file.write_text("text")
    recorder = store.recorder("r1")
    with recorder.batch():
        recorder.end_task("a", State.FAILED, artifacts={"x": [NewArtifact("x", "system.Model", str(file))]})
        recorder.end_run(State.FAILED)
    store.close()
    return "r1"


def test_a_server_that_is_away(mlflow_server: str, client: MlflowClient, ended: str) -> None:
    pauses: list[float] = []
    assert process.main(ended, pauses.append) == 1
    assert len(pauses) > 3
    assert pauses == sorted(pauses)
    run = Run(ended)
    assert (run.state, run.mlflow) == (State.FAILED, None)
    store = open_store()
    (warning,) = (event.message for event in store.events(ended) if event.kind == "warning")
    store.close()
    assert "jupyter kfp mlflow sync" in warning
    # Later it is there.
    result = CliRunner().invoke(
        main, ["mlflow", "sync", "--tracking-uri", mlflow_server], catch_exceptions=False
    )
    assert result.exit_code == 0, result.stderr
    found = told(run)
    assert found["url"] in result.stdout
    assert client.get_run(found["run_id"]).info.status == "FAILED"
    result = CliRunner().invoke(main, ["mlflow", "sync"], catch_exceptions=False)
    assert "knows of all runs" in result.stderr


@pytest.mark.parametrize(
    ("make_it", "words"),
    [
        (lambda: settings.wanted("https://me:secret@mlflow.example"), "MLFLOW_TRACKING_PASSWORD"),
        (lambda: settings.registered("model"), "OUTPUT=MODEL"),
    ],
)
def test_wrong_settings(make_it: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_it()


def test_nothing_where_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(settings.TRACKING_URI, raising=False)
    assert settings.wanted() == {}
    monkeypatch.setenv(settings.TRACKING_URI, "")
    assert settings.wanted() == {}
