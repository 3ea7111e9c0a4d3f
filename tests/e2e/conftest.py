"""The command line as its users have it: processes of its own, a home of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Cell = str | tuple[str, str]  # the source of a code cell, with its tags if it has any


@dataclass
class Cli:
    """``jupyter kfp`` in a directory, with an environment."""

    directory: Path
    environment: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "jupyter_kfp.cli"]

    def __call__(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=options.pop("cwd", self.directory),
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """The same in the background, with pipes, leading a process group of its own."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(
            [*self.command, *map(str, arguments)],
            cwd=self.directory,
            env=self.environment,
            start_new_session=True,
            **(streams | options),
        )

    def json(self, *arguments: str | Path) -> Any:
        """What a command that succeeds says with ``--json``."""
        ended = self(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of all processes: nobody's settings, and bytecode that is compiled once.

    An installation may come without bytecode (uv), and PYTHONDONTWRITEBYTECODE may keep it so; each of the
    hundred processes of these tests would then spend a second on compiling the same libraries.
    """
    unwanted = (
        "JUPYTER_KFP_",
        "JPY_",
        "PYTHONDONTWRITEBYTECODE",
        "COLUMNS",
        "LINES",
        "NO_COLOR",
        "FORCE_COLOR",
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    cache = getattr(request.config, "cache", None)
    bytecode = cache.mkdir("pycache") if cache else tmp_path_factory.mktemp("pycache")
    return {"PYTHONPYCACHEPREFIX": str(bytecode), **inherited, "PYTHONUTF8": "1"}


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Cli:
    return Cli(tmp_path, {**environment, "JUPYTER_KFP_HOME": str(tmp_path / "home")})


def document(*cells: Cell, **metadata: Any) -> dict[str, Any]:
    """A notebook as JSON."""
    pairs = [(cell, "") if isinstance(cell, str) else cell for cell in cells]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": metadata,
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags.split()},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, (source, tags) in enumerate(pairs)
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a notebook of code cells: ``write("x = 1", ("print(x)", "step:a after:b"), name="n.ipynb")``."""

    def write_it(*cells: Cell, name: str = "notebook.ipynb", **metadata: Any) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(document(*cells, **metadata)), encoding="utf-8")
        return path

    return write_it
