"""Sizes at which engines usually break: they end, nothing is lost, and memory stays bounded. Prints a table."""

import time
from pathlib import Path

import psutil
import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.launch import RunHandle, RunOptions
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import open_store
from tests.integration.engine.scaling import KINDS, chain, expected

BOUND = 250 << 20
"""Bytes that an engine may take; about 85 MB are Python and its libraries."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))


def start(text: str) -> RunHandle:
    return launch.start(text, options=RunOptions(runner=Runner.PROCESS))


def attended(handle: RunHandle) -> int:
    """Follow a run to its end; the most memory its engine was seen with (bytes)."""
    engine, most, seen = psutil.Process(handle.pid), 0, 0
    for seen, _event in enumerate(launch.follow(handle)):
        if seen % 20 == 0 and engine.is_running():
            try:
                most = max(most, engine.memory_info().rss)
            except psutil.Error:
                break
    assert launch.wait(handle).state is State.SUCCEEDED
    return most


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "size"), [("loop", 1000), ("chain", 500), ("fan_in", 200)])
def test_a_large_pipeline_ends(kind: str, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    handle = start(KINDS[kind](size))
    most = attended(handle)
    took = time.monotonic() - began
    store = open_store()
    assert store.outputs(handle.id) == expected(kind, size)
    store.close()
    with capsys.disabled():
        print(f"\n{kind} of {size}: {took:.1f} s, {took / size * 1000:.0f} ms a task, {most >> 20} MB")  # noqa: T201 (the table)
    assert most < BOUND


@pytest.mark.timeout(900)
def test_fifty_runs_at_once_end(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    text = chain(10)
    handles = [start(text) for _ in range(50)]
    for handle in handles:
        assert launch.wait(handle).state is State.SUCCEEDED
    store = open_store()
    assert all(store.outputs(handle.id) == {"y": 10} for handle in handles)
    store.close()
    with capsys.disabled():
        print(f"\n50 runs of 10 steps at once: {time.monotonic() - began:.1f} s")  # noqa: T201 (the table)
