"""The exported pipeline and the notebook's own, both by the engine: the same outputs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import jupyter_kfp
from jupyter_kfp.compiler.export.helpers import load_value
from jupyter_kfp.runs import Run, StoredArtifact
from jupyter_kfp.runtime import serializers

from .adapter import compiled_by_kfp

QUICKSTART = Path(__file__).parents[3] / "notebooks" / "quickstart.ipynb"

CONTROL = """\
# %% tags=["parameters"]
limit: float = 2.0
word: str = "it's {x} $HOME"

# %%
# %%component make
# Cells as text.
numbers = {"a": 1.5, "b": 2.5}

# %%
# %%component scale --for n in [1.0, 2.0, 3.0] --collect scaled=part
part: float = n * numbers["a"]

# %%
# %%component sum_up
total: float = sum(scaled)

# %%
# %%component high --if total > limit
grade: str = word + "!"

# %%
# %%component low --else
grade: str = "low"

# %%
# %%component report
result = (grade, numbers, scaled)

# %% tags=["outputs"]
total
grade
result
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))


def _read(value: Any) -> Any:
    if not isinstance(value, StoredArtifact):
        return value
    path, metadata = Path(value.path), dict(value.metadata)
    if "stored_as" in metadata:
        return load_value(SimpleNamespace(path=str(path), metadata=metadata))
    return serializers.load(path, metadata)


def both(notebook: Path, directory: Path, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs of the notebook's pipeline and of the exported one."""
    file = directory / "exported.py"
    jupyter_kfp.load(notebook).export(file)
    compiled = directory / "compiled.yaml"
    compiled.write_text(compiled_by_kfp(file))
    runs: list[Run] = [jupyter_kfp.load(path).run(**parameters) for path in (notebook, compiled)]
    for run in runs:
        assert run.state.is_success, (run.error, {name: step.log for name, step in run.steps.items()})
    own, exported = ({name: _read(value) for name, value in run.outputs.items()} for run in runs)
    return own, exported


@pytest.mark.parametrize("limit", [2.0, 100.0])
def test_branches_and_loops(limit: float, tmp_path: Path) -> None:
    notebook = tmp_path / "control.py"
    notebook.write_text(CONTROL)
    own, exported = both(notebook, tmp_path, limit=limit)
    assert own == exported
    assert exported["total"] == 9.0
    assert exported["grade"] == ("it's {x} $HOME!" if limit < 9 else "low")


def test_the_quickstart(tmp_path: Path) -> None:
    own, exported = both(QUICKSTART, tmp_path, trees=20)
    assert own.keys() == exported.keys()
    assert own["scores"].equals(exported["scores"])
    for name in ("winner", "accuracy", "auc"):
        assert own[name] == exported[name]
    assert type(own["best"]) is type(exported["best"])
    assert type(own["figure"]) is type(exported["figure"])


def test_a_step_that_runs_on_exit(tmp_path: Path) -> None:
    notebook = tmp_path / "leaving.py"
    notebook.write_text(
        "# %%\n# %%component fail\nraise ValueError('no')\n\n"
        "# %%\n# %%component tell --on-exit\nprint('ended', status.state)\n"
    )
    file = tmp_path / "exported.py"
    jupyter_kfp.load(notebook).export(file)
    compiled = tmp_path / "compiled.yaml"
    compiled.write_text(compiled_by_kfp(file))
    run = jupyter_kfp.load(compiled).run()
    assert not run.state.is_success
    assert "ended FAILED" in run["tell"].log
