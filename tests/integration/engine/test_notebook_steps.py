"""Steps of notebooks: the engine and the runtime together, with real kernels."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.engine import launch
from jupyter_kfp.runtime import payload
from jupyter_kfp.store.records import State
from jupyter_kfp.store.store import Store
from tests.integration.engine.conftest import Runner
from tests.integration.engine.test_ending import all_gone, wait_for_pids
from tests.unit.engine.building import Spec, pipeline, task

REPORTS = {"executed_notebook": "system.Artifact", "executed_html": "system.HTML"}


def step(source: str, **step_json: Any) -> Spec:
    """A container as the compiler writes it, for a step of one cell."""
    described = {"step": "s", "cells": [{"source": source, "role": "step"}], **step_json}
    command = ["python3", "-c", payload.BOOT]
    return {
        "image": "python:3.11-slim",
        "command": command,
        "args": ["{{$}}", "[]", *payload.pack(described)],
    }


def test_values_flow_between_kernels(run: Runner, store: Store, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("def double(x): return 2 * x")
    make = step("xs = {'n': n, 'odd': (1, 2)}\nn2 = n * 2", parameters={"n": "int"},
                outputs={"xs": {"type": "Artifact"}, "n2": {"type": "int"}})  # fmt: skip
    use = step("import helpers\ntotal = helpers.double(xs['n']) + n2\nassert xs['odd'] == (1, 2)",
               inputs={"xs": "Artifact"}, parameters={"n2": "int"}, outputs={"total": {"type": "int"}})  # fmt: skip
    tasks = {
        "make": task(
            make, inputs={"n": "$n"}, outputs={"xs": "system.Artifact", "n2": "NUMBER_INTEGER", **REPORTS}
        ),
        "use": task(
            use, inputs={"xs": "make:xs", "n2": "make.n2"}, outputs={"total": "NUMBER_INTEGER", **REPORTS}
        ),
    }
    text = pipeline(tasks, parameters={"n": "NUMBER_INTEGER"}, outputs={"total": "use.total"})
    record, told = run(text, {"n": 5}, source_dir=tmp_path)
    assert told["outputs"] == {"total": 20}, told["error"]
    (made,) = store.task(record.id, "make").output_artifacts["xs"]
    assert made.sha256 == made.metadata["sha256"]
    assert Path(store.task(record.id, "use").output_artifacts["executed_html"][0].uri).stat().st_size > 1000


def test_a_failing_cell_is_the_failure(run: Runner, store: Store) -> None:
    """The step travels as a constant here, with a note that it comes from the notebook's fourth cell."""
    container = step("prices = {}\nprices['x']")
    packed = container["args"].pop()
    note = {payload.STEP_NOTEBOOK: "The code of the step, packed; from the cells 4"}
    failing = task(container, inputs={payload.STEP_NOTEBOOK: packed}, described=note, outputs=REPORTS)
    record, told = run(pipeline({"a": failing}))
    assert told["error"] == "a: cell 4, line 2: KeyError: 'x'"
    train = store.task(record.id, "a")
    assert train.failure is not None
    assert (train.failure.type, train.failure.cell) == ("KeyError", 3)
    assert "prices['x']" in (train.failure.traceback or "")
    assert "executed_notebook" in train.output_artifacts
    assert train.input_parameters == {}, "code is no parameter; it is in the IR"


KERNEL_WITH_CHILD = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open(os.environ["JUPYTER_KFP_HOME"] + "/pids", "a") as file:
    print(os.getpid(), file=file)
    print(child.pid, file=file)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["cancel", "kill -9"])
def test_no_kernel_is_left_behind(how: str, home: Path) -> None:
    handle = launch.start(pipeline({"a": task(step(KERNEL_WITH_CHILD), outputs=REPORTS)}))
    pids = wait_for_pids(home, 2)
    if how == "cancel":
        launch.cancel(handle.id)
        assert launch.wait(handle).state is State.CANCELED
    else:
        os.kill(handle.pid, signal.SIGKILL)
        assert launch.wait(handle).state is State.FAILED
    assert all_gone(pids)


def test_a_kernel_that_is_killed_fails_its_step_and_a_retry_makes_it_whole(home: Path, store: Store) -> None:
    once = (
        "import os, pathlib\nhome = pathlib.Path(os.environ['JUPYTER_KFP_HOME'])\n"
        "again = (home / 'pids').exists()\nx = 7"
    )
    cells = [
        {"source": once, "role": "step"},
        {"source": f"if not again:{indented(KERNEL_WITH_CHILD)}", "role": "step"},
    ]
    outputs = {"x": "NUMBER_INTEGER", **REPORTS}
    lonely = step("", cells=cells, outputs={"x": {"type": "int"}})
    handle = launch.start(pipeline({"a": task(lonely, outputs=outputs)}, outputs={"x": "a.x"}))
    pids = wait_for_pids(home, 2)
    os.kill(pids[0], signal.SIGKILL)
    failed = launch.wait(handle)
    assert failed.state is State.FAILED
    assert "Kernel died" in str(failed.failure)
    assert all_gone(pids)
    assert launch.wait(launch.resume(handle.id, failed_too=True)).state is State.SUCCEEDED
    assert store.task(handle.id, "a").output_parameters == {"x": 7}


def indented(source: str) -> str:
    return source.replace("\n", "\n    ")
