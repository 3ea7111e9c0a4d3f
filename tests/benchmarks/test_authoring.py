"""The figures of README.md. Only ratios within one run are asserted, and only in this suite."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Figures
from .notebooks import write_chain
from .timing import Sample, alternate, printed, process

pytestmark = pytest.mark.timeout(3600)

CLI = str(Path(sys.executable).with_name("jupyter-kfp"))
PAPERMILL = str(Path(sys.executable).with_name("papermill"))

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


def seconds(sample: Sample) -> str:
    cpu = f" ({sample.cpu:.2f} s CPU)" if sample.cpu else ""
    return f"{sample.wall:.2f} s{cpu}"


def target(sample: Sample, limit: float) -> str:
    return f"target < {limit} s idle: {'met' if sample.wall < limit else 'missed'}"


def test_compile_against_kale(
    tmp_path: Path, figures: Figures, rounds: int, kale: Callable[[str], str]
) -> None:
    notebook = write_chain(tmp_path / "n100.ipynb", 100)
    found = alternate(
        {
            "kale": lambda: process([kale("kale"), "--nb", str(notebook)], tmp_path),
            "ours": lambda: process([CLI, "compile", str(notebook), "-o", "ours.yaml"], tmp_path),
        },
        rounds,
    )
    assert list(tmp_path.glob(".kale/*.yaml")), "Kale compiled, too"
    ratio = found["kale"].wall / found["ours"].wall
    figures.add(
        "compile a notebook of 100 steps, cold",
        seconds(found["ours"]),
        f"`kale` 2.3: {seconds(found['kale'])}",
        f"{ratio:.1f} times faster",
    )
    assert ratio >= 4


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


@pytest.mark.parametrize("steps", [10, 500])
def test_compile(tmp_path: Path, figures: Figures, rounds: int, steps: int) -> None:
    notebook = str(write_chain(tmp_path / "notebook.ipynb", steps))
    measure = lambda: process([CLI, "compile", notebook, "-o", "ours.yaml"], tmp_path)  # noqa: E731
    found = alternate({"ours": measure}, rounds)["ours"]
    size = (tmp_path / "ours.yaml").stat().st_size / steps / 1000
    figures.add(f"compile {steps} steps, cold", seconds(found), "", f"{size:.1f} kB of IR a step")


def test_overhead_of_a_step(tmp_path: Path, figures: Figures, rounds: int) -> None:
    """One more trivial step in a run, against papermill with a notebook of that one step."""
    runs = {steps: str(write_chain(tmp_path / f"n{steps}.ipynb", steps, trivial=True)) for steps in (2, 10)}
    alone = str(write_chain(tmp_path / "alone.ipynb", 1, trivial=True))
    home = {"JUPYTER_KFP_HOME": str(tmp_path / "home")}

    def run(steps: int) -> Sample:
        return process([CLI, "run", runs[steps], "--max-parallel", "1"], tmp_path, home)

    found = alternate(
        {
            "two": lambda: run(2),
            "ten": lambda: run(10),
            "papermill": lambda: process([PAPERMILL, alone, "alone-out.ipynb"], tmp_path),
        },
        max(1, rounds // 2),
    )
    step = Sample((found["ten"].wall - found["two"].wall) / 8)
    figures.add(
        "one more trivial step in a run, one at a time",
        seconds(step),
        f"`papermill` with its notebook: {seconds(Sample(found['papermill'].wall))}",
        f"{step.wall / found['papermill'].wall:.2f} times as long",
    )
