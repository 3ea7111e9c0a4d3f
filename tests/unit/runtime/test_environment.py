"""What is installed, and what is left alone."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from jupyter_kfp.runtime import environment


@pytest.fixture
def calls(monkeypatch):
    """The commands that were run; those that hold a word in ``failing`` fail. ``missing`` names packages."""
    seen = SimpleNamespace(commands=[], failing=(), missing={"uv"})

    def run(command, check):
        assert not check
        seen.commands.append(command)
        return subprocess.CompletedProcess(command, int(any(word in command for word in seen.failing)))

    monkeypatch.setattr(environment.subprocess, "run", run)
    monkeypatch.setattr(environment, "find_spec", lambda name: None if name in seen.missing else name)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.delenv("JUPYTER_KFP_ENVIRONMENT", raising=False)
    return seen


def test_nothing_is_run_where_nothing_is_missing(calls, tmp_path):
    environment.ensure([], tmp_path)
    assert calls.commands == []


def test_packages_and_missing_needs_are_installed_by_pip(calls, tmp_path):
    calls.missing |= {"papermill"}
    environment.ensure(["pandas<3", "six"], tmp_path)
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    assert calls.commands[0] == [*pip, "pandas<3", "six"]
    assert calls.commands[1] == [*pip, "papermill", "-c", str(tmp_path / "pins.txt")]
    assert f"pytest=={pytest.__version__}" in (tmp_path / "pins.txt").read_text().splitlines()


def test_uv_goes_first_and_pip_helps_out(calls, tmp_path):
    calls.missing.clear()
    environment.ensure(["six"], tmp_path)
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", sys.executable, "six"]
    assert calls.commands == [uv]
    calls.failing = ("uv",)
    environment.ensure(["six"], tmp_path)
    assert calls.commands[1:] == [uv, [sys.executable, "-m", "pip", "install", "-q", "six"]]


def test_uv_on_the_path(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda name: f"/bin/{name}")
    environment.ensure(["six"], tmp_path)
    assert calls.commands[0][:3] == ["/bin/uv", "pip", "install"]


def test_a_failed_installation_is_an_error(calls, tmp_path):
    calls.failing = ("pip",)
    with pytest.raises(RuntimeError, match="cannot install six"):
        environment.ensure(["six"], tmp_path)


def test_a_ready_environment_is_believed(calls, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_KFP_ENVIRONMENT", "ready")
    calls.missing |= {"papermill"}
    environment.ensure(["six"], tmp_path)
    assert calls.commands == []
