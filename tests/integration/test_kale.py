"""Notebooks made for Kale run through the engine as they are, and give what Run All gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.api import Run, load

NOTEBOOKS = Path(__file__).parents[1] / "data" / "kale"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))


def run_all(document: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """The names that the notebook's cells leave, executed from top to bottom, with these parameters."""
    names: dict[str, Any] = {}
    for cell in document["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and "skip" not in tags:
            exec("".join(cell["source"]), names)
            names.update({k: v for k, v in parameters.items() if k in names})
    return names


def metrics(run: Run) -> dict[str, Any]:
    """Everything that the steps logged as metrics."""
    assert run.state == "SUCCEEDED", run.error
    found: dict[str, Any] = {}
    for step in run.as_dict()["tasks"]:
        found |= step["outputs"].get("step_metrics", {}).get("metadata", {})
    return found


def document(name: str) -> tuple[Path, dict[str, Any]]:
    path = NOTEBOOKS / f"{name}.ipynb"
    return path, json.loads(path.read_text("utf-8"))


def test_kale_2() -> None:
    path, written = document("iris_of_kale_2")
    expected = run_all(written)
    assert metrics(load(path).run()) == {name: expected[name] for name in ("accuracy", "importance")}


def test_the_legacy_format() -> None:
    path, written = document("candies_of_kale_0_5")
    assert metrics(load(path).run(CANDIES=30)) == {"left": run_all(written, CANDIES=30)["left"]}
