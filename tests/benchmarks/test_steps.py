"""Figures of steps: what one more of them costs, against the same work done by others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Figures
from .notebooks import write_elyra, write_notebook, write_steps
from .ours import Ours
from .peers import Peer
from .timing import Sample, alternate, per_unit, printed, process, seconds

pytestmark = pytest.mark.timeout(3600)

TRIVIAL = "value_{number} = {before} + 1\nprint(value_{number})"
LIBRARIES = (
    "import pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
    "frame_{number} = pd.DataFrame({{'x': [1.0, 2.0, 3.0], 'y': [2.0, 4.0, 6.0]}})\n"
    "fitted = LinearRegression().fit(frame_{number}[['x']], frame_{number}.y)\n"
    "value_{number} = {before} + float(fitted.coef_[0])\nprint(value_{number})"
)
IN_ONE_PROCESS = """
import sys
from time import perf_counter
import papermill
notebook, count = sys.argv[1], 3
papermill.execute_notebook(notebook, "out.ipynb", progress_bar=False)
began = perf_counter()
for _ in range(count):
    papermill.execute_notebook(notebook, "out.ipynb", progress_bar=False)
print((perf_counter() - began) / count)
"""
COMPONENTS = """
import sys
from time import perf_counter
from kfp import dsl, local

@dsl.component(install_kfp_package=False)
def add(a: int) -> int:
    return a + 1

def chain(steps):
    @dsl.pipeline(name="chain")
    def pipeline() -> int:
        value = add(a=0).output
        for _ in range(steps - 1):
            value = add(a=value).output
        return value
    return pipeline

if sys.argv[1] == "compile":
    from kfp import compiler
    compiler.Compiler().compile(chain(int(sys.argv[2])), sys.argv[3])
else:
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root="local")
    taken = []
    for steps in (2, 12):
        began = perf_counter()
        assert chain(steps)().output == steps
        taken.append(perf_counter() - began)
    print((taken[1] - taken[0]) / 10)
"""
CONTAINER = ["python3", "-c", "print(sum(range(1000)))"]


@pytest.mark.parametrize(
    ("what", "body", "limit"),
    [("trivial step", TRIVIAL, 0.35), ("step that imports pandas and scikit-learn", LIBRARIES, 0.5)],
    ids=["trivial", "libraries"],
)
def test_one_more_step(
    tmp_path: Path,
    figures: Figures,
    rounds: int,
    peers: Callable[[str], Peer],
    ours: Ours,
    what: str,
    body: str,
    limit: float,
) -> None:
    """One more step of a chain: what a run of ten takes more than one of two, divided by eight."""
    notebooks = {steps: write_steps(tmp_path / f"n{steps}.ipynb", steps, body) for steps in (2, 10)}
    alone = str(write_notebook(tmp_path / "alone.ipynb", [body.format(number=0, before=0)]))
    pipelines = {steps: write_elyra(tmp_path, steps, body) for steps in (1, 3)}
    papermill, elyra = peers("papermill"), peers("elyra")

    def with_elyra(steps: int) -> Sample:
        command = [elyra.program("elyra-pipeline"), "run", pipelines[steps].name]
        return process(command, tmp_path, elyra.environment)

    contenders: dict[str, Callable[[], Sample]] = {
        "two": lambda: ours.run(notebooks[2], "--max-parallel", "1"),
        "ten": lambda: ours.run(notebooks[10], "--max-parallel", "1"),
    }
    if not papermill.missing:
        python, command = papermill.program("python"), papermill.program("papermill")
        contenders["command"] = lambda: process(
            [command, alone, "out.ipynb"], tmp_path, papermill.environment
        )
        contenders["inside"] = lambda: printed(
            [python, "-c", IN_ONE_PROCESS, alone], tmp_path, papermill.environment
        )
    if not elyra.missing:
        contenders |= {"one node": lambda: with_elyra(1), "three nodes": lambda: with_elyra(3)}
    found = alternate(contenders, max(1, rounds // 2))
    mine = per_unit(found["two"], found["ten"], 8)
    told = []
    if papermill.missing:
        told.append(f"papermill {papermill.missing}")
    else:
        told.append(f"`papermill`, a process each: {found['command'].wall:.2f} s")
        told.append(f"papermill in one process: {found['inside'].wall:.2f} s")
    if elyra.missing:
        told.append(f"Elyra {elyra.missing}")
    else:
        node = per_unit(found["one node"], found["three nodes"], 2)
        told.append(f"Elyra's local run: {node.wall:.2f} s")
    figures.add(f"one more {what}, one at a time", seconds(mine), "; ".join(told), f"target < {limit} s idle")


def test_one_more_component(
    tmp_path: Path, figures: Figures, rounds: int, peers: Callable[[str], Peer], ours: Ours
) -> None:
    """Lightweight components in a chain; and as many beside each other as there are cores."""
    kfp = peers("kfp")
    python = kfp.program("python")
    script = tmp_path / "components.py"
    script.write_text(COMPONENTS)
    for steps in (2, 12):
        process([python, str(script), "compile", str(steps), f"c{steps}.yaml"], tmp_path, kfp.environment)
    found = alternate(
        {
            "two": lambda: ours.run(tmp_path / "c2.yaml"),
            "twelve": lambda: ours.run(tmp_path / "c12.yaml"),
            "local": lambda: printed([python, str(script), "run"], tmp_path, kfp.environment),
        },
        rounds,
    )
    mine = per_unit(found["two"], found["twelve"], 10)
    figures.add(
        "one more lightweight component in a chain",
        seconds(mine),
        f"`kfp.local`: {found['local'].wall:.2f} s",
        f"{mine.wall / found['local'].wall:.2f} times as long",
    )


def test_one_more_container(tmp_path: Path, figures: Figures, rounds: int, ours: Ours, podman: str) -> None:
    from tests.integration.containers.conftest import BASE, PLACE
    from tests.unit.engine.building import pipeline, task

    def chain(steps: int) -> Path:
        tasks = {
            f"s{number}": task(
                {"image": BASE, "command": CONTAINER}, after=(f"s{number - 1}",) if number else ()
            )
            for number in range(steps)
        }
        path = tmp_path / f"containers{steps}.yaml"
        path.write_text(pipeline(tasks))
        return path

    texts = {steps: chain(steps) for steps in (1, 4)}
    podman_run = ["podman", "--root", f"{PLACE}/store", "--runroot", f"{PLACE}/run", "run", "--rm", BASE]
    bare = {"CONTAINERS_CONF": f"{PLACE}/containers.conf"}
    options = ("--runner", "container")
    found = alternate(
        {
            "one": lambda: ours.run(texts[1], *options, DOCKER_HOST=podman),
            "four": lambda: ours.run(texts[4], *options, DOCKER_HOST=podman),
            "podman": lambda: process([*podman_run, *CONTAINER], tmp_path, bare),
        },
        rounds,
    )
    mine = per_unit(found["one"], found["four"], 3)
    figures.add(
        "one more step in a container",
        seconds(mine),
        f"`podman run`: {found['podman'].wall:.2f} s",
        f"{mine.wall / found['podman'].wall:.2f} times as long (target 1.5)",
    )
