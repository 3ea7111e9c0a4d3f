"""From a clean checkout to an installation: built without a system's node, installed without any."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
UV = [sys.executable, "-m", "uv"]
NODE = ("node", "npm", "npx", "yarn", "jlpm", "corepack")


def run(*command: str | Path, cwd: Path, path: str | None = None) -> str:
    """Its output. ``path``: PATH, instead of this process's."""
    unwanted = ("JUPYTER", "PYTHONPATH", "VIRTUAL_ENV", "SKIP_JUPYTER_BUILDER")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    ended = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**environment, "PATH": path or os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-5000:]
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def no_node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH whose node, and all that comes with it, fails."""
    place = tmp_path_factory.mktemp("programs")
    for name in NODE:
        program = place / name
        program.write_text(f"#!/bin/sh\necho '{name} was called' >&2\nexit 1\n")
        program.chmod(0o755)
    return os.pathsep.join((str(place), "/usr/local/bin", "/usr/bin", "/bin"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory, no_node: str) -> Path:
    """Built from what git has, in an environment of its own, which brings the node it needs."""
    place = tmp_path_factory.mktemp("sdist")
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    run("git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), "checkout", cwd=place)
    build = ["build", "--sdist", "--build-constraint", CONSTRAINTS, "--out-dir", place]
    run(*UV, *build, cwd=place / "checkout", path=no_node)
    (made,) = place.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, sdist: Path, no_node: str) -> Path:
    """Built from the sdist where node cannot be called."""
    place = tmp_path_factory.mktemp("wheel")
    how = ["--no-build-isolation", "--no-deps", "--quiet", "--wheel-dir", place]
    run(sys.executable, "-m", "pip", "wheel", *how, sdist, cwd=place, path=no_node)
    (made,) = place.glob("*.whl")
    return made


def test_the_sdist_carries_the_labextension(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert any(name.startswith("jupyter_kfp/labextension/static/remoteEntry.") for name in names)
    assert not [name for name in names if "node_modules" in name]
    assert {"binder/requirements.txt", "binder/postBuild", "binder/runtime.txt"} <= set(names)


def test_an_installation_has_both_extensions_enabled(wheel: Path, tmp_path: Path, no_node: str) -> None:
    run(*UV, "venv", "--quiet", "--python", sys.executable, "fresh", cwd=tmp_path)
    programs = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin")
    install = ["pip", "install", "--quiet", "--python", programs / "python", "-c", CONSTRAINTS]
    run(*UV, *install, f"{wheel}[lab]", cwd=tmp_path)
    path = os.pathsep.join((str(programs), no_node))
    listed = run(programs / "jupyter", "labextension", "list", cwd=tmp_path, path=path)
    (line,) = [line for line in listed.splitlines() if "jupyter-kfp v" in line]
    assert "enabled" in line
    assert "OK" in line
    listed = run(programs / "jupyter", "server", "extension", "list", cwd=tmp_path, path=path)
    switch, validated = [
        line for line in listed.splitlines() if line.strip().startswith("jupyter_kfp.server ")
    ]
    assert "enabled" in switch
    assert "OK" in validated
