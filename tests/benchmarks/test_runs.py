"""Figures of whole runs: branches, loops, caching, large data, memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Figures
from .notebooks import write_notebook, write_steps, write_two_branches
from .ours import Ours
from .peers import Peer
from .test_steps import TRIVIAL
from .timing import Sample, alternate, per_unit, printed, process, seconds

pytestmark = pytest.mark.timeout(7200)

LOOP = """
import sys
from kfp import compiler, dsl

@dsl.component(install_kfp_package=False)
def twice(x: int) -> int:
    return 2 * x

@dsl.pipeline(name="loop")
def loop():
    with dsl.ParallelFor(list(range(int(sys.argv[1])))) as item:
        twice(x=item)

compiler.Compiler().compile(loop, sys.argv[2])
"""
ROWS = 16_000_000  # of 8 doubles: 1 GB
MAKE = (
    "import numpy as np, pandas as pd\n"
    f"frame = pd.DataFrame(np.random.default_rng(0).random(({ROWS}, 8)), columns=list('abcdefgh'))"
)
PARQUET = f"""
import sys
from time import perf_counter
{MAKE}
began = perf_counter()
frame.to_parquet("raw.parquet")
import pandas
pandas.read_parquet("raw.parquet")
print(perf_counter() - began)
"""


def test_two_branches(
    tmp_path: Path, figures: Figures, rounds: int, peers: Callable[[str], Peer], ours: Ours
) -> None:
    papermill = peers("papermill")
    notebook = write_two_branches(tmp_path / "branches.ipynb", 12)
    command = papermill.program("papermill")
    found = alternate(
        {
            "ours": lambda: ours.run(notebook),
            "papermill": lambda: process(
                [command, str(notebook), "out.ipynb"], tmp_path, papermill.environment
            ),
        },
        max(1, rounds // 2),
    )
    figures.add(
        "a notebook of 12 steps in two branches, 2 s of work each",
        seconds(found["ours"]),
        f"`papermill`, Run All: {found['papermill'].wall:.1f} s",
        f"{found['papermill'].wall / found['ours'].wall:.2f} times as fast (target 1.3)",
    )


def test_cached_steps(tmp_path: Path, figures: Figures, rounds: int, ours: Ours) -> None:
    notebook = write_steps(tmp_path / "n100.ipynb", 100, TRIVIAL)
    ours.run(notebook, cache=True)
    found = alternate({"ours": lambda: ours.run(notebook, cache=True)}, rounds)["ours"]
    figures.add(
        "100 steps again, all from the cache", seconds(found), "", "target < 2 s idle, process start included"
    )


@pytest.mark.parametrize("items", [100, 1000])
def test_loop(tmp_path: Path, figures: Figures, ours: Ours, items: int) -> None:
    """Without peers: `kfp.local` runs two iterations at a time, whatever the machine."""
    (tmp_path / "loop.py").write_text(LOOP)
    for count in (1, items):
        process([sys.executable, "loop.py", str(count), f"loop{count}.yaml"], tmp_path)
    found = alternate(
        {
            "alone": lambda: ours.run(tmp_path / "loop1.yaml"),
            "whole": lambda: ours.run(tmp_path / f"loop{items}.yaml"),
        },
        1,
    )
    item = per_unit(found["alone"], found["whole"], items - 1)
    figures.add(
        f"an item of a ParallelFor over {items} trivial items",
        f"{item.wall:.3f} s",
        "",
        "target < 0.1 s idle",
    )
    if items == 1000:
        figures.add(
            "memory of the engine, and its store, with 1,000 items",
            f"{ours.memory / 2**20:.0f} MiB; {ours.store_size / 2**20:.1f} MiB",
        )


def test_large_data(tmp_path: Path, figures: Figures, ours: Ours) -> None:
    """What two steps with a frame between them take more than with a number, against Parquet alone."""
    make = MAKE
    cells = [("step:make", make), ("step:use", "rows = len(frame)\nprint(rows)")]
    small = [("step:make", f"{make}\nframe = 1"), ("step:use", "rows = frame\nprint(rows)")]
    large_notebook = write_notebook(tmp_path / "large.ipynb", [c for _, c in cells], [t for t, _ in cells])
    small_notebook = write_notebook(tmp_path / "small.ipynb", [c for _, c in small], [t for t, _ in small])
    found = alternate(
        {
            "large": lambda: ours.run(large_notebook),
            "small": lambda: ours.run(small_notebook),
            "parquet": lambda: printed([sys.executable, "-c", PARQUET], tmp_path),
        },
        1,
    )
    moved = Sample(found["large"].wall - found["small"].wall)
    figures.add(
        "a DataFrame of 1 GB from step to step",
        seconds(moved),
        f"writing and reading the Parquet alone: {found['parquet'].wall:.1f} s",
        f"{found['parquet'].wall / moved.wall:.2f} of its speed (target 0.8)",
    )
