"""How the runner is asked for: on the command line, in magics and in Python."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import jupyter_kfp
from jupyter_kfp import magics
from jupyter_kfp.cli import main
from jupyter_kfp.engine.containers import choice
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.store.records import NewRun
from jupyter_kfp.store.store import Store
from tests.unit.engine.building import pipeline, shell, task


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiled pipeline; there is no container engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path / "home"))
    path = tmp_path / "pipeline.yaml"
    path.write_text(pipeline({"a": task(shell("true"))}))
    return path


def test_the_command_line_says_that_there_is_no_engine(compiled: Path) -> None:
    ended = CliRunner().invoke(main, ["run", str(compiled), "--runner", "container", "--json"])
    assert ended.exit_code == 1
    document = json.loads(ended.stdout)
    assert document["error"].startswith("No container engine answers. Looked at unix://")
    assert "unset DOCKER_HOST" in document["remedy"]


def test_python_takes_a_runner(compiled: Path) -> None:
    with pytest.raises(JupyterKfpError, match="No container engine answers"):
        jupyter_kfp.run(compiled, runner="container")
    with pytest.raises(UsageError, match="no runner 'docker'"):
        jupyter_kfp.load(compiled).start(runner="docker")


@pytest.mark.parametrize("words", [["--runner", "container"], ["--runner=container"]])
def test_magics_take_a_runner(words: list[str]) -> None:
    assert magics._run_flags(["nb.ipynb", *words, "-p", "a=1"])[:2] == (["a=1"], {"runner": "container"})


def test_the_runner_and_the_image_are_kept_with_the_run(
    compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a run which is resumed goes on as it began."""
    kept: dict[str, object] = {}

    def created(_store: object, new: NewRun, *_more: object) -> None:
        kept.update(new.options)
        raise JupyterKfpError("enough")

    monkeypatch.setattr(choice, "decide", lambda _plan, wanted, image: (wanted, image))
    monkeypatch.setattr(Store, "create_run", created)
    with pytest.raises(JupyterKfpError, match="enough"):
        jupyter_kfp.load(compiled).start(runner="container", image="mine:1")
    assert (kept["runner"], kept["image"]) == ("container", "mine:1")


def test_the_containerfile_is_shown() -> None:
    ended = CliRunner().invoke(
        main, ["image", "build", "--print", "--base", "me/base:1", "--package", "polars>1"]
    )
    assert ended.exit_code == 0
    assert ended.stdout.startswith("FROM me/base:1\n")
    assert "'polars>1'" in ended.stdout
