"""`%kfp load` in a real kernel: a run that fails, its inputs looked at, the cell fixed, all before it reused."""

from __future__ import annotations

from pathlib import Path

import pytest

from .executing import TIMEOUT, Look, execute, write

pytestmark = pytest.mark.timeout(TIMEOUT)

ABOVE = """\
import collections
class Point:
    def __init__(self, x):
        self.x = x
def double(x):
    return collections.Counter(n=2 * x)
"""
TRAIN = "%%component train\nmodel = Point(first.x)\ntotal: float = squares[INDEX]['n'] + n + len(points)"


def notebook(index: int) -> list[tuple[str, str]]:
    return [
        ("scale: float = 2.0", "parameters"),
        (ABOVE, ""),
        ("%%component make\npoints = [Point(1), Point(2)]\nfirst = points[0]\nn: int = 3", ""),
        (
            "%%component square --for i in [{'k': 5}, {'k': 7}] --collect squares=square\n"
            "square = double(i.k * first.x * scale)",
            "",
        ),
        (TRAIN.replace("INDEX", str(index)), ""),
        ("total\nmodel", "outputs"),
    ]


CELLS = {
    "extension": "%load_ext jupyter_kfp",
    "run": "run = %kfp run nb.ipynb",
    "load": "%kfp load {run.id} train",
    "inputs": "first is points[0], type(n), n, [dict(s) for s in squares], type(first) is Point",
    "iteration": "Point.kept = True\n%kfp load {run.id} square[1]",
    "item": "i.k, scale, double(1), Point.kept, run['square[1]'].inputs['scale'], sorted(run['square[1]'].inputs)",
    "outputs": "%kfp load {run.id} make --outputs",
    "made": "first is points[0], first.x",
    "failed outputs": "%kfp load {run.id} train --outputs",
    "no step": "%kfp load {run.id} square[2]",
    "no run": "%kfp load nothing train",
    "usage": "%kfp load {run.id}",
    "fix": "import shutil; _ = shutil.copy('fixed.ipynb', 'nb.ipynb')",
    "again": "again = %kfp run nb.ipynb --from train",
    "load again": "%kfp load {again.id} train",
    "loaded again": "first is points[0], [dict(s) for s in squares]",
    "reused": "{path: step.state.value for path, step in again.steps.items()}, again.outputs['total']",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Look:
    directory: Path = tmp_path_factory.mktemp("load")
    write(directory / "nb.ipynb", *notebook(9))
    write(directory / "fixed.ipynb", *notebook(1))
    return execute(directory, CELLS)


def test_inputs_of_a_failed_step_come_back_as_they_were(shown: Look) -> None:
    text = shown("load").text
    assert shown("load").error == ""
    assert "The inputs of train in run" in text
    assert "n = 3" in text
    assert shown("inputs").results == ("(True, int, 3, [{'n': 20.0}, {'n': 28.0}], True)",)


def test_what_the_kernel_lacks_of_the_code_above_is_executed(shown: Look) -> None:
    assert "Executed, as this kernel did not have it: Point" in shown("load").text
    # `Point` is there by now, and stays the class it is; what only `square` needs is not.
    assert "Executed, as this kernel did not have it: collections, double" in shown("iteration").text


def test_an_iteration_of_a_loop(shown: Look) -> None:
    (found,) = shown("item").results
    assert found == "(7, 2.0, Counter({'n': 2}), True, 2.0, ['first', 'i', 'scale'])"


def test_outputs(shown: Look) -> None:
    assert "The outputs of make in run" in shown("outputs").text
    assert shown("made").results == ("(True, 1)",)
    assert "it has left nothing" in shown("failed outputs").text


def test_it_says_what_failed_and_what_comes_next(shown: Look) -> None:
    assert "It failed in cell 5: IndexError" in shown("load").text
    assert "%kfp run --from train" in shown("load").text
    states = "{'make': 'CACHED', 'for-loop-2.square[0]': 'CACHED', 'for-loop-2.square[1]': 'CACHED', 'train': 'SUCCEEDED'}"
    assert " ".join("".join(shown("reused").results).split()) == f"({states}, 33.0)"


def test_what_the_run_has_from_another_one(shown: Look) -> None:
    assert "(SUCCEEDED)" in shown("load again").text
    assert shown("loaded again").results == ("(True, [{'n': 20.0}, {'n': 28.0}])",)


def test_wrong_use(shown: Look) -> None:
    assert "no step 'square[2]'; the run has make, " in shown("no step").text
    assert "There is no run 'nothing'" in shown("no run").text
    assert "write: %kfp load RUN STEP" in shown("usage").text
