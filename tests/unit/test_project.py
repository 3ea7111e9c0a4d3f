"""The project around the code: what is built, how it is set up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import jupyter_kfp

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel and an sdist, built with the hatchling that is installed."""
    directory = tmp_path_factory.mktemp("dist")
    # jlpm and node, for the labextension, are beside this Python.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": path},
        timeout=280,
    )
    return directory


def tracked(*paths: str) -> set[str]:
    """What git tracks under ``paths``, as far as it is there; everything there is where git does not know."""
    listed = subprocess.run(
        ["git", "ls-files", *paths], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_is_the_package_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert tracked("jupyter_kfp") <= inside
    assert {name.partition("/")[0] for name in inside} == {"jupyter_kfp"}
    assert {"jupyter_kfp/py.typed", "jupyter_kfp/store/migrations/versions/0001_runs.py"} <= inside
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in inside if "__pycache__" in name]
    shared = {name.partition(".data/data/")[2] for name in names if ".data/" in name}
    assert "etc/jupyter/jupyter_server_config.d/jupyter_kfp.json" in shared
    lab = {name for name in shared if name.startswith("share/jupyter/labextensions/jupyter-kfp/")}
    assert {name.rpartition("/")[2] for name in lab} >= {"package.json", "plugin.json", "style.js"}
    assert shared - lab == {"etc/jupyter/jupyter_server_config.d/jupyter_kfp.json"}


def test_the_sdist_can_be_built_and_tested(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    # Prebuilt: an installation from it needs no node.
    needed = {
        "jupyter_kfp/labextension/package.json",
        "labextension/yarn.lock",
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "dev.sh",
    }
    assert needed <= names
    assert tracked("jupyter_kfp", "jupyter-config", "labextension", "tests", "notebooks") <= names


def test_one_version() -> None:
    assert PROJECT["project"]["version"] == jupyter_kfp.__version__


def test_constraints_pin_all_that_is_asked_for() -> None:
    text = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8")
    pinned = {name.lower() for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = {
        re.split(r"[\[<>=; ]", line)[0].lower()
        for lines in (PROJECT["project"]["dependencies"], *extras)
        for line in lines
    }
    assert asked - {"jupyter-kfp"} <= pinned
    assert "://" not in text, "pins hold for any package index"


def test_hooks_need_no_network() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}


# ----------------------------------------------------------------- dev.sh


def dev(tmp_path: Path, *arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run dev.sh in a bare copy of the checkout, where ``programs`` are found first."""
    for name in ("dev.sh", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "constraints.txt").touch()
    found = tmp_path / "programs"
    found.mkdir()
    for name, script in programs.items():
        program = found / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHON", "JUPYTER_KFP_VENV"}}
    return subprocess.run(
        ["bash", "dev.sh", *arguments],
        cwd=tmp_path,
        env={**environment, "PATH": f"{found}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


OLD = "exit 1"
NO_ENSUREPIP = 'case "$*" in *ensurepip*) exit 1;; *) exit 0;; esac'


def test_without_a_new_enough_python_it_says_so(tmp_path: Path) -> None:
    pythons = {"python3": OLD, "python3.10": OLD, "python3.11": OLD, "python3.12": OLD, "python3.13": OLD}
    done = dev(tmp_path, "setup", **pythons)
    assert done.returncode == 1
    assert "Python 3.10 or newer is needed" in done.stderr


def test_a_python_that_cannot_make_environments_is_helped(tmp_path: Path) -> None:
    as_root = 'echo "$*" >>asked; case "$*" in *install*) exit 1;; esac'
    done = dev(
        tmp_path, "setup", python3=NO_ENSUREPIP, apt_get=as_root, sudo='[ "$1" = -n ] && shift; exec "$@"'
    )
    assert (tmp_path / "asked").read_text(encoding="utf-8").endswith("install -q -y python3-venv\n")
    assert done.returncode == 1
    assert "as root: apt-get install python3-venv" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("help",), 0, "bash dev.sh test SUITE"),
        (("nonsense",), 2, "bash dev.sh quickstart"),
        (("test", "nonsense"), 1, "no suite 'nonsense'"),
    ],
)
def test_it_explains_itself(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = dev(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_continuous_integration_runs_the_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert 'dev.sh" test' in script.read_text(encoding="utf-8")
