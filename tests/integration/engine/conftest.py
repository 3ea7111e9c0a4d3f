from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.engine.launch import RunOptions
from jupyter_kfp.engine.result import document
from jupyter_kfp.store.records import RunRecord
from jupyter_kfp.store.store import Store, open_store

Runner = Callable[..., tuple[RunRecord, dict[str, Any]]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own."""
    directory = tmp_path / "home"
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(directory))
    for name in ("JUPYTER_KFP_STORE_URL", launch.ROOT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def run(store: Store) -> Runner:
    """Runs a pipeline to its end; gives the record and the document of `run --json`."""

    def run_it(
        ir: str, values: dict[str, Any] | None = None, **options: Any
    ) -> tuple[RunRecord, dict[str, Any]]:
        record = launch.wait(launch.start(ir, values, options=RunOptions(**options)))
        return record, document(store, record.id)

    return run_it


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What became of every conformance pipeline, one line each."""
    lines = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "conformance" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("conformance pipelines")
        for line in sorted(lines):
            terminalreporter.write_line(line)
