"""Where a pipeline comes from, and that it changes nothing."""

from __future__ import annotations

import hashlib
import json
import platform
import socket
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from jupyter_kfp.compiler import Provenance, caller, gather, provenance
from jupyter_kfp.pipeline import Pipeline

from .cases import compiled

FULL = Provenance("c0ffee", True, "dir/it's $HOME.ipynb", "ab", "Zoë <z@example.org>", "0.1.0")


def notebook(path: Path, source: str = "x = 1", output: str = "") -> Path:
    cell = {
        "cell_type": "code",
        "id": output or "a",
        "source": [source],
        "outputs": [output],
        "execution_count": None,
    }
    path.write_text(json.dumps({"cells": [cell], "nbformat": 4}), encoding="utf-8")
    return path


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Zoë", "-c", "user.email=z@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "sub").mkdir()
    notebook(tmp_path / "sub" / "train.ipynb")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_it_stands_in_the_environment_of_every_step_and_nowhere_else(
    training: Pipeline, plain_payload: None
) -> None:
    ir, plain = compiled(training, provenance=FULL), compiled(training)
    for task in plain.spec["root"]["dag"]["tasks"]:
        variable = ir.env(task)["JUPYTER_KFP_PROVENANCE"]
        assert json.loads(variable)["notebook"] == FULL.notebook
        assert "$" not in variable
        container = ir.container(task)
        container["env"] = [pair for pair in container["env"] if pair["name"] != "JUPYTER_KFP_PROVENANCE"]
        if not container["env"]:
            del container["env"]
    assert (ir.spec, ir.platform) == (plain.spec, plain.platform)
    assert "PROVENANCE" not in plain.text


def test_unknown_fields_are_left_out() -> None:
    assert Provenance(commit="c", dirty=False).as_json() == '{"commit":"c","dirty":false}'


def test_a_clean_notebook_in_a_repository(repository: Path) -> None:
    found = gather(repository / "sub" / "train.ipynb")
    head = subprocess.check_output(["git", "-C", str(repository), "rev-parse", "HEAD"], text=True).strip()
    assert replace(found, sha256=None) == Provenance(
        head, False, "sub/train.ipynb", None, "Zoë <z@example.org>", metadata.version("jupyter-kfp"), "trunk"
    )
    git(repository, "checkout", "-q", "--detach")
    assert gather(repository / "sub" / "train.ipynb").branch is None


def test_a_changed_or_untracked_notebook_is_dirty(repository: Path) -> None:
    assert gather(notebook(repository / "new.ipynb")).dirty is True
    assert gather(repository / "sub" / "train.ipynb").dirty is False
    notebook(repository / "sub" / "train.ipynb", "x = 2")
    assert gather(repository / "sub" / "train.ipynb").dirty is True


def test_the_same_changes_have_the_same_hash(repository: Path) -> None:
    path = repository / "sub" / "train.ipynb"
    original = path.read_text(encoding="utf-8")
    found = []
    for source in ("x = 2", "x = 3", "x = 2"):
        notebook(path, source)
        found.append(gather(path).diff)
    assert found[0] == found[2] != found[1]
    printed = subprocess.check_output(["git", "-C", str(repository), "diff", "--binary", "HEAD"])
    assert found[0] == hashlib.sha256(printed.rstrip()).hexdigest()
    path.write_text(original, encoding="utf-8")
    assert gather(path).diff is None


def test_who_starts_a_run() -> None:
    known = caller()
    assert known["python"] == platform.python_version()
    assert known["host"] == socket.gethostname()
    assert set(known) - {"user"} == {"python", "host"}


def test_outside_of_a_repository_and_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    path = notebook(tmp_path / "a.ipynb")
    found = gather(path)
    assert (found.commit, found.dirty, found.author, found.notebook) == (None, None, None, "a.ipynb")
    monkeypatch.setenv("PATH", "")
    assert gather(path) == found


def test_a_git_that_hangs_does_not_hold_things_up(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = repository / "bin"
    fake.mkdir()
    (fake / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (fake / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:/usr/bin:/bin")
    monkeypatch.setattr(provenance, "_GIT_TIMEOUT", 0.1)
    assert gather(repository / "sub" / "train.ipynb").commit is None


def test_the_digest_is_of_the_code(tmp_path: Path) -> None:
    first = provenance.notebook_digest(notebook(tmp_path / "a.ipynb", output="one"))
    assert provenance.notebook_digest(notebook(tmp_path / "b.ipynb", output="two")) == first
    assert provenance.notebook_digest(notebook(tmp_path / "c.ipynb", "x = 2")) != first
    (tmp_path / "d.ipynb").write_text("[]")
    assert provenance.notebook_digest(tmp_path / "d.ipynb") is None
    assert provenance.notebook_digest(tmp_path / "missing.ipynb") is None
