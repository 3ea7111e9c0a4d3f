"""An engine that is killed at any moment: the run goes on, and nothing that is finished is done again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kfp import dsl
from kfp.dsl import Dataset, Input, Output, OutputPath

from tests.unit.engine.pipelines import compiled

KILLS = 200

# Every execution leaves a line; an artifact is written in two parts, with time to be killed in between.
NOTE = 'echo "$0" >> "$JUPYTER_KFP_HOME/executed"; '


@dsl.container_component
def add(name: str, x: int, y: int, total: OutputPath(int)):  # type: ignore[no-untyped-def,valid-type]
    return dsl.ContainerSpec(
        image="python:3.11", command=["sh", "-c", NOTE + 'echo $(($1 + $2)) > "$3"'], args=[name, x, y, total]
    )


@dsl.container_component
def write(name: str, text: int, data: Output[Dataset]):  # type: ignore[no-untyped-def]
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["sh", "-c", NOTE + 'echo "$1" > "$2"; sleep 0.02; echo "$1" >> "$2"'],
        args=[name, text, data.path],
    )


@dsl.container_component
def measure(name: str, data: Input[Dataset], lines: OutputPath(int)):  # type: ignore[no-untyped-def,valid-type]
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["sh", "-c", NOTE + 'grep -c . "$1" > "$2"'],
        args=[name, data.path, lines],
    )


@dsl.container_component
def flaky(name: str, run: str, total: OutputPath(int)):  # type: ignore[no-untyped-def,valid-type]
    """Fails unless it has been tried before in its run."""
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["sh", "-c", NOTE + 'mkdir "$JUPYTER_KFP_HOME/$1" && exit 1; echo 5 > "$2"'],
        args=[name, run, total],
    )


@dsl.container_component
def count(name: str, found: list, total: OutputPath(int)):  # type: ignore[no-untyped-def,valid-type,type-arg]
    return dsl.ContainerSpec(
        image="python:3.11",
        command=["sh", "-c", NOTE + 'echo "$1" | tr -cd 0-9 > "$2"'],
        args=[name, found, total],
    )


@dsl.pipeline
def part(x: int) -> int:
    return add(name="part.second", x=add(name="part.first", x=x, y=1).output, y=1).output


@dsl.pipeline
def everything(n: int = 3) -> int:
    """A loop with a branch in it, a nested pipeline, a step that fails once, an artifact, and what cleans up."""
    with dsl.ExitHandler(add(name="exit", x=0, y=0)):
        add(name="guarded", x=add(name="before", x=n, y=1).output, y=0)
    first = add(name="first", x=n, y=1)
    data = write(name="write", text=first.output)
    lines = measure(name="measure", data=data.output)
    with dsl.ParallelFor([1, 2, 3, 4], parallelism=2) as item:
        each = add(name="each", x=item, y=lines.output)
        with dsl.If(each.output > 4):
            add(name="branch", x=each.output, y=0)
    inner = part(x=lines.output)
    tried = flaky(name="flaky", run=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    tried.set_retry(3)
    with dsl.If(first.output == 0):
        add(name="never", x=0, y=0)
    gathered = count(name="count", found=dsl.Collected(each.output))
    last = add(name="last", x=gathered.output, y=inner.output)
    return add(name="end", x=last.output, y=tried.output).output


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="engines are forked")
def test_killed_again_and_again_a_run_ends_as_if_it_had_not_been(home: Path, tmp_path: Path) -> None:
    # As JSON, which is read in no time: it is, twice for every kill.
    (tmp_path / "ir.json").write_text(json.dumps(yaml.safe_load(compiled(everything))))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.engine.crashing",
            str(tmp_path / "ir.json"),
            "7",
            str(KILLS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    calm, *killed = told["runs"]
    assert calm["outputs"]["Output"] == 3456 + 4 + 5, "3456 is what the loop gathered"
    assert sum(run["kills"] for run in killed) >= KILLS
    for run in killed:
        assert run["states"] == calm["states"]
        assert run["outputs"] == calm["outputs"]
        assert all(run["artifacts"]), "every artifact is whole"
        for path, attempts in run["attempts"].items():
            # Attempts that an engine took with it have no exit code; all others are those of the calm run. (What
            # fails once may have been taken at the very moment it would have failed.)
            ended = [attempt for attempt in attempts if attempt != ["FAILED", None]]
            assert ended == calm["attempts"][path] or ended == calm["attempts"][path][1:] != [], path
    assert told["orphans"] == []
