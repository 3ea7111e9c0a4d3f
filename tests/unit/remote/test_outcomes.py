"""`jupyter kfp diff` of two runs: code, parameters, data, metrics."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

import jupyter_kfp
from jupyter_kfp.cli import main
from jupyter_kfp.store.records import NewArtifact, NewRun, NewTask, State
from jupyter_kfp.store.store import Store, open_store


def compiled(path: Path, depth: int) -> str:
    cells = [
        ("lr: float = 0.1", "parameters"),
        ("%%component make --for i in [1, 2] --collect rows=row\nrow = [i * lr]", ""),
        (f"%%component fit\ndepth = {depth}\naccuracy: float = 1 - lr", ""),
        ("accuracy", "outputs"),
    ]
    made = [nbformat.v4.new_code_cell(s, metadata={"tags": [tag] if tag else []}) for s, tag in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return jupyter_kfp.load(path).compile()


def add(
    store: Store, run_id: str, ir: str, lr: float, *, content: str, ends: State = State.SUCCEEDED
) -> None:
    paths = ("for-loop-1.make[0]", "for-loop-1.make[1]", "fit")
    tasks = [NewTask(path, path.split(".")[-1].split("[")[0], path, "c", position=path) for path in paths]
    store.create_run(NewRun(run_id, run_id, "nb", ir, "/", {"lr": lr}), tasks)
    recorder = store.recorder(run_id)
    with recorder.batch():
        for number, path in enumerate(paths[:2]):
            row = NewArtifact(
                "row", "system.Dataset", f"/{run_id}/{number}", {"rows": 3}, f"{content}{number}"
            )
            report = NewArtifact("executed_notebook", "system.Artifact", f"/{run_id}/nb", {}, run_id)
            artifacts = {"row": [row], "executed_notebook": [report]}
            recorder.end_task(path, State.SUCCEEDED, parameters={"seen": number}, artifacts=artifacts)
        recorder.end_task("fit", ends, parameters={"accuracy": 1 - lr})
        recorder.end_run(ends, values={"accuracy": 1 - lr, "kind": content})


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    shallow = compiled(tmp_path / "nb.ipynb", 1)
    store = open_store()
    add(store, "one", shallow, 0.25, content="aaaa")
    add(store, "again", shallow, 0.25, content="aaaa")
    add(store, "other", compiled(tmp_path / "nb.ipynb", 2), 0.5, content="bbbb", ends=State.FAILED)
    store.close()


@pytest.mark.usefixtures("runs")
def test_two_runs() -> None:
    def said(*arguments: str) -> str:
        return CliRunner().invoke(main, ["diff", *arguments], catch_exceptions=False).stdout

    assert said("one", "again") == ""
    assert said("one", "other").splitlines() == [
        "parameter lr: value 0.25 → 0.5",
        "task fit: code changed",
        "    @@ -1,2 +1,2 @@",
        "    -depth = 1",
        "    +depth = 2",
        "     accuracy: float = 1 - lr",
        'run: state "SUCCEEDED" → "FAILED"',
        "metric accuracy: value 0.75 → 0.5 (-0.25)",
        'result kind: value "aaaa" → "bbbb"',
        'data make[0].row: content "aaaa0" → "bbbb0"',
        'data make[1].row: content "aaaa1" → "bbbb1"',
    ]
    found = {change["where"]: change for change in json.loads(said("one", "other", "--json"))}
    assert (found["metric accuracy"]["before"], found["metric accuracy"]["after"]) == (0.75, 0.5)
    assert found["task fit"]["diff"][1:3] == ["-depth = 1", "+depth = 2"]
