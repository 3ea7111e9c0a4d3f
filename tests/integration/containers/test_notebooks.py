"""Notebook steps in containers, papermill inside; and the image for them."""

import contextlib
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from jupyter_kfp.engine.containers.client import Engine
from tests.integration.containers.conftest import BASE

ROOT = Path(__file__).parents[3]


def jupyter_kfp(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "jupyter_kfp.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_quickstart_runs_in_containers(engine: Engine, home: Path) -> None:
    ended = jupyter_kfp(
        "run", "notebooks/quickstart.ipynb", "--runner", "container", "-p", "trees=10", "--json"
    )
    assert ended.stdout, ended.stderr
    document = json.loads(ended.stdout)
    assert document["state"] == "SUCCEEDED", document["error"]
    assert 0.9 < document["outputs"]["accuracy"] <= 1
    shown = Path(document["outputs"]["figure"]["uri"])
    assert shown.stat().st_uid == os.getuid()
    drawn = next(task for task in document["tasks"] if task["path"] == "draw")
    executed = json.loads(Path(drawn["outputs"]["executed_notebook"]["uri"]).read_text())
    assert executed["metadata"]["papermill"]["exception"] is None
    # The image's Python, not this machine's.
    assert executed["metadata"]["language_info"]["version"].startswith("3.")


def test_the_failing_cell_is_named(engine: Engine, home: Path, tmp_path: Path) -> None:
    notebook = tmp_path / "nb.py"
    notebook.write_text(
        "# %% tags=[\"step:first\"]\nimport os\nplace = os.getcwd()\nbeside = open('data.txt').read()\n"
        "inside = os.path.exists('/run/.containerenv')\n# %% tags=[\"step:second\"]\n"
        "assert inside, 'no container'\nraise ValueError(beside)\n"
    )
    (tmp_path / "data.txt").write_text("what is beside")
    ended = jupyter_kfp("run", str(notebook), "--runner", "container", "--json")
    assert ended.returncode == 1, ended.stderr
    document = json.loads(ended.stdout)
    assert "cell 2, line 2: ValueError: what is beside" in document["error"]


def test_the_image_is_built_and_tagged(engine: Engine) -> None:
    tag = "localhost/jupyter-kfp-test:1"
    packages = [
        word
        for name in ("pandas", "pyarrow", "scikit-learn", "skops", "matplotlib")
        for word in ("--package", f"{name}=={version(name)}")
    ]
    ended = jupyter_kfp("image", "build", "--base", BASE, "--tag", tag, *packages)
    assert ended.returncode == 0, ended.stderr
    assert f"--image {tag}" in ended.stderr
    with contextlib.closing(engine.client()) as client:
        built = client.inspect_image(tag)
        client.remove_image(tag)
    assert ended.stdout.split() == [tag, built["Id"]]
    assert built["Config"]["Labels"]["jupyter-kfp.version"] == version("jupyter-kfp")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--base", "localhost:1/no-such-base"), "localhost:1/no-such-base"),
        (("--base", BASE, "--package", "no-such-package-at-all==1"), "no-such-package-at-all"),
    ],
)
def test_a_build_that_fails_says_why(engine: Engine, words: tuple[str, ...], said: str) -> None:
    ended = jupyter_kfp("image", "build", "--tag", "localhost/jupyter-kfp-test:2", *words)
    assert ended.returncode == 1
    error = ended.stderr[ended.stderr.index("Error: ") :]
    assert said in error
