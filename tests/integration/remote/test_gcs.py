"""What a run left in Google Cloud Storage, on a server that speaks its API."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_kfp.remote.leftovers import Root
from jupyter_kfp.store.artifacts import local_copy, upload

pytest.importorskip("gcsfs")
emulator = pytest.importorskip("gcp_storage_emulator.server")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a run has its artifacts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="pipelines")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    yield "gs://pipelines/v2/small/r1"
    server.stop()


def test_artifacts_and_logs_are_fetched(run: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("0.5")
    (tmp_path / "log").write_text("training\n")
    upload(tmp_path / "model", f"{run}/train/salt/model")
    upload(tmp_path / "log", f"{run}/train/salt/executor-logs-0")
    root = Root(run)
    (left,) = root.executions()["train"]
    assert (left.ports, left.size("model")) == (["executor-logs-0", "model"], 3)
    assert left.modified > 0
    assert root.text(left.logs(1)[0]) == "training\n"
    copy = local_copy(f"{left.uri}/model", tmp_path / "copies")
    assert (copy / "weights.txt").read_text() == "0.5"
