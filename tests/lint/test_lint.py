"""The static checks, as tests: one run of pytest tells all that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
CHECKS = {
    "ruff check": [PYTHON, "-m", "ruff", "check", "--output-format=concise", "."],
    "ruff format": [PYTHON, "-m", "ruff", "format", "--diff", "--quiet", "."],
    "mypy": [PYTHON, "-m", "mypy"],
    "import-linter": [str(Path(PYTHON).with_name("lint-imports")), "--no-cache", "--no-logo"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_is_clean(check: str) -> None:
    done = subprocess.run(CHECKS[check], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode != 0:
        pytest.fail(f"{check}:\n{done.stdout}{done.stderr}", pytrace=False)


def test_the_labextension_is_clean() -> None:
    """ESLint, Prettier and the TypeScript compiler, as `jlpm lint` in its folder runs them."""
    folder = ROOT / "labextension"
    if not (folder / "node_modules").is_dir():
        pytest.skip("the labextension's tools are not installed (cd labextension; jlpm install)")
    beside = Path(PYTHON).parent  # jlpm, and node
    path = os.pathsep.join((str(beside), os.environ["PATH"]))
    done = subprocess.run(
        [str(beside / "jlpm"), "lint"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if done.returncode != 0:
        pytest.fail(f"labextension:\n{done.stdout}{done.stderr}", pytrace=False)
