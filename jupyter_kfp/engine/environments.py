"""Python environments for steps with packages: built once by uv, kept, and shared by all runs.

A step with packages sees the user's environment plus what it lacks. Nothing is ever installed into the
user's environment: an environment of its own, under ``<home>/environments``, holds only the difference,
and finds the rest through a ``.pth`` file. Versions the user has are preferred where the step's
requirements allow, as pip would do in the container. What is there already needs no environment at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.lock import file_lock

# What executing a notebook needs, whatever the step asks for.
RUNTIME_PACKAGES = ("papermill", "ipykernel", "nbconvert", "cloudpickle")
# How long a resolution of loose requirements is trusted before the index is asked again, in seconds.
_FRESH = 24 * 3600
_READY = "ready"


class PackagesError(JupyterKfpError):
    """The packages of a step cannot be installed."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python to run a step with; ``directory`` is its environment's, None for the user's own."""

    executable: str
    directory: Path | None = None


# Runs a command line and returns its exit code and its output. The caller's way, so that it can stop it.
Runner: TypeAlias = Callable[[Sequence[str]], tuple[int, str]]


def provide(
    packages: Sequence[str],
    root: Path,
    run: Runner,
    *,
    options: Sequence[str] = (),
    runtime: Sequence[str] = RUNTIME_PACKAGES,
) -> Interpreter:
    """An interpreter that can import ``packages`` (pip requirements); may take as long as installing does.

    ``options`` are uv's, such as indexes to install from; ``runtime`` is what the step needs besides. Raises
    PackagesError with the end of uv's output.
    """
    own = Interpreter(sys.executable)
    if all(is_satisfied(package) for package in packages):
        return own
    wanted = sorted({*packages, *runtime})
    root.mkdir(parents=True, exist_ok=True)
    installed = _installed()
    pins = _resolve(wanted, installed, root, run, options)
    missing = [pin for pin in pins if pin not in installed]
    if not missing:
        return own
    directory = root / _digest([*missing, *options, sys.executable, sys.version])
    with file_lock(root / f"{directory.name}.lock"):
        if not (directory / _READY).exists():
            _build(directory, missing, run, options)
    return Interpreter(str(_python(directory)), directory)


def is_satisfied(requirement: str) -> bool:
    """Whether the user's environment meets a requirement, its extras included."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return False  # a path or an option: uv will know
    if parsed.marker is not None and not parsed.marker.evaluate():
        return True
    if parsed.url is not None:
        return False
    try:
        distribution = metadata.distribution(parsed.name)
    except metadata.PackageNotFoundError:
        return False
    if not parsed.specifier.contains(distribution.version, prereleases=True):
        return False
    needed = map(Requirement, distribution.requires or ())
    return all(
        is_satisfied(_without_marker(need))
        for extra in parsed.extras
        for need in needed
        if need.marker is not None
        and not need.marker.evaluate({"extra": ""})
        and need.marker.evaluate({"extra": extra})
    )


def _without_marker(requirement: object) -> str:
    return str(requirement).partition(";")[0].strip()


def _installed() -> set[str]:
    """What the user's environment has, as pins."""
    return {
        f"{_normal(distribution.name)}=={distribution.version}"
        for distribution in metadata.distributions()
        if distribution.metadata["Name"]
    }


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _resolve(
    wanted: Sequence[str], installed: set[str], root: Path, run: Runner, options: Sequence[str]
) -> list[str]:
    """The exact versions to use. Asks the package index unless the same question was answered today."""
    answer = root / f"{_digest([*wanted, *options, *sorted(installed), sys.version])}.json"
    if answer.exists() and time.time() - answer.stat().st_mtime < _FRESH:
        pins: list[str] = json.loads(answer.read_text(encoding="utf-8"))
        return pins
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        # uv keeps to the versions an existing output file names where it can.
        output = Path(scratch, "pins.txt")
        output.write_text("\n".join(sorted(installed)) + "\n", encoding="utf-8")
        question = Path(scratch, "wanted.txt")
        question.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        quiet = ["--quiet", "--no-header", "--no-annotate", "--no-strip-extras", "--python", sys.executable]
        _uv(run, "pip", "compile", *quiet, *options, "--output-file", str(output), str(question))
        lines = (line.strip() for line in output.read_text(encoding="utf-8").splitlines())
        pins = [_without_marker(line) for line in lines if line and not line.startswith(("#", "-"))]
    written = answer.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps(pins), encoding="utf-8")
    written.replace(answer)
    return pins


def _build(directory: Path, pins: Sequence[str], run: Runner, options: Sequence[str]) -> None:
    _uv(run, "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, str(directory))
    python = _python(directory)
    _uv(run, "pip", "install", "--quiet", "--no-deps", *options, "--python", str(python), *pins)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    target = subprocess.run(
        [str(python), "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    user = [path for path in (*site.getsitepackages(), site.getusersitepackages()) if Path(path).is_dir()]
    # addsitedir appends, so what was just installed comes first; it also follows editable installs.
    lines = [f"import site; site.addsitedir({path!r})" for path in user]
    Path(target, "_jupyter_kfp_user_environment.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / _READY).touch()


def _uv(run: Runner, *arguments: str) -> None:
    from uv import find_uv_bin

    code, output = run([find_uv_bin(), *arguments])
    if code != 0:
        end = " ".join(output.split())[-600:]
        raise PackagesError(
            f"The step's packages cannot be installed: {end}", "Check their names and versions."
        )


def _python(directory: Path) -> Path:
    return directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _digest(items: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(items).encode()).hexdigest()[:24]
