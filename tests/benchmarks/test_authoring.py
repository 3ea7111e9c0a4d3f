"""Figures of what happens before a run: starting, reading, compiling."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Figures
from .notebooks import write_chain
from .timing import Sample, alternate, printed, process, seconds

pytestmark = pytest.mark.timeout(3600)

CLI = str(Path(sys.executable).with_name("jupyter-kfp"))

LOAD_EXTENSION = """
from time import perf_counter
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = perf_counter()
shell.run_line_magic("load_ext", "jupyter_kfp")
print(perf_counter() - began)
"""
ANALYZE = """
import sys
from pathlib import Path
from time import perf_counter
from jupyter_kfp.notebook import analyze_file
began = perf_counter()
assert analyze_file(Path(sys.argv[1])).ok
print(perf_counter() - began)
"""


def target(sample: Sample, limit: float) -> str:
    return f"target < {limit} s idle: {'met' if sample.wall < limit else 'missed'}"


@pytest.mark.parametrize("steps", [10, 100, 500])
def test_compile_against_kale(
    tmp_path: Path, figures: Figures, rounds: int, kale: Callable[[str], str], steps: int
) -> None:
    notebook = write_chain(tmp_path / "notebook.ipynb", steps)
    found = alternate(
        {
            "kale": lambda: process([kale("kale"), "--nb", str(notebook)], tmp_path),
            "ours": lambda: process([CLI, "compile", str(notebook), "-o", "ours.yaml"], tmp_path),
        },
        rounds if steps <= 100 else 1,
    )
    assert list(tmp_path.glob(".kale/*.yaml")), "Kale compiled, too"
    size = (tmp_path / "ours.yaml").stat().st_size / steps / 1000
    figures.add(
        f"compile a notebook of {steps} steps, cold",
        seconds(found["ours"]),
        f"`kale` 2.3: {seconds(found['kale'])}",
        f"{found['kale'].wall / found['ours'].wall:.1f} times faster; {size:.1f} kB of IR a step",
    )


def test_help_against_kale_and_kfp(
    tmp_path: Path, figures: Figures, rounds: int, kale: Callable[[str], str]
) -> None:
    found = alternate(
        {
            "kale": lambda: process([kale("kale"), "--help"], tmp_path),
            "kfp": lambda: process([kale("kfp"), "--help"], tmp_path),
            "ours": lambda: process([CLI, "--help"], tmp_path),
        },
        rounds,
    )
    peers = f"`kale --help`: {seconds(found['kale'])}; `kfp --help`: {seconds(found['kfp'])}"
    figures.add("`jupyter kfp --help`, cold", seconds(found["ours"]), peers, target(found["ours"], 0.3))


def test_load_extension(tmp_path: Path, figures: Figures, rounds: int) -> None:
    measure = lambda: printed([sys.executable, "-c", LOAD_EXTENSION], tmp_path)  # noqa: E731
    found = alternate({"ours": measure}, rounds)["ours"]
    figures.add("`%load_ext jupyter_kfp`, after IPython's start", seconds(found), "", target(found, 0.15))


def test_analysis(tmp_path: Path, figures: Figures, rounds: int) -> None:
    notebook = str(write_chain(tmp_path / "n100.ipynb", 100))
    measure = lambda: printed([sys.executable, "-c", ANALYZE, notebook], tmp_path)  # noqa: E731
    found = alternate({"ours": measure}, rounds)["ours"]
    figures.add("analysis alone of 100 steps", seconds(found), "", target(found, 0.2))
