"""Notebooks over HTTP: previewed as they are edited, compiled, run, with real workers and engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from jupyter_kfp.server.live import SCHEMA
from tests.e2e.conftest import document
from tests.integration.server.conftest import Ask, ended

STEPS = [
    ("size = 3", "parameters"),
    ("rows = list(range(size))", "step:make"),
    ("total: int = sum(rows)", "step:add"),
    ("total", "outputs"),
]


async def test_a_notebook_is_previewed_as_it_is_edited(ask: Ask, write: Callable[..., str]) -> None:
    path = write(*STEPS)
    status, saved = await ask("POST", "preview", {"path": path})
    assert status == 200
    assert [(c["cell"], c["role"], c["step"]) for c in saved["cells"]][1:3] == [
        (1, "step", "make"),
        (2, "step", "add"),
    ]
    assert saved["parameters"] == [{"name": "size", "type": "int", "required": False, "default": 3}]
    assert 'data-id="add"' in saved["svg"]
    assert [(step["path"], step["code"]) for step in saved["steps"]] == [
        ("make", "rows = list(range(size))"),
        ("add", "total: int = sum(rows)"),
    ]
    assert [port["name"] for port in saved["steps"][1]["inputs"]] == ["rows"]
    edited = document(*STEPS[:3], ("missing + total", "step:last"))
    status, broken = await ask("POST", "preview", {"path": path, "content": edited})
    assert status == 200
    assert [(f["severity"], f["cell"], f["line"]) for f in broken["findings"]] == [("error", 3, 1)]
    assert broken["svg"] is None
    assert "missing" in broken["findings"][0]["message"]


async def test_a_notebook_runs_and_shows_all_it_leaves(
    ask: Ask, write: Callable[..., str], jp_serverapp: Any, jp_root_dir: Path
) -> None:
    heard: list[dict[str, Any]] = []
    told = asyncio.Event()

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.append(data)
        if data["kind"] == "run" and data["state"] == "SUCCEEDED":
            told.set()

    jp_serverapp.event_logger.add_listener(schema_id=SCHEMA, listener=listen)
    path = write(*STEPS)
    status, written = await ask("POST", "compile", {"path": path})
    assert (status, written["path"]) == (201, "notebook.yaml")
    assert next(yaml.safe_load_all((jp_root_dir / "notebook.yaml").read_text()))["root"]
    status, refused = await ask("POST", "compile", {"path": path})
    assert (status, refused["code"]) == (409, "exists")

    status, run = await ask("POST", "runs", {"path": path, "parameters": {"size": 4}})
    assert status == 201, run
    assert run["notebook"] == path
    details = await ended(ask, run["run_id"])
    assert (details["state"], details["outputs"]) == ("SUCCEEDED", {"total": 6})
    task = f"runs/{run['run_id']}/tasks/make"
    status, made = await ask("GET", task)
    assert status == 200
    assert "rows = list(range(size))" in made["code"]
    assert made["input_parameters"] == {"size": 4}
    assert "image" in made["options"]
    assert made["has_notebook"]
    listed = (await ask("GET", f"runs/{run['run_id']}/artifacts"))[1]["artifacts"]
    assert [(one["task"], one["port"]) for one in listed] == [("make", "rows")]
    assert listed[0]["size"] > 0
    status, lineage = await ask("GET", f"{task}/artifacts/rows/lineage")
    assert (status, all(name in lineage["svg"] for name in ("make", "rows", "add"))) == (200, True)
    status, executed = await ask("GET", f"{task}/notebook")
    assert (status, executed["nbformat"]) == (200, 4)
    assert (await ask("GET", f"{task}/log"))[1]["size"] >= 0
    status, picture = await ask("GET", f"runs/{run['run_id']}/picture")
    assert "node task SUCCEEDED" in picture["svg"]
    listed = (await ask("GET", "runs", params={"notebook": path, "state": "SUCCEEDED"}))[1]["runs"]
    assert [one["run_id"] for one in listed] == [run["run_id"]]
    assert (await ask("GET", "runs", params={"state": "FAILED"}))[1]["runs"] == []
    assert len((await ask("GET", "runs", params={"text": "NOTEBOOK.ipy"}))[1]["runs"]) == 1
    assert (await ask("GET", "runs", params={"text": "another"}))[1]["runs"] == []

    await asyncio.wait_for(told.wait(), 60)
    states = [e["state"] for e in heard if e["kind"] == "task" and e["task"] == "add"]
    assert states[-2:] == ["RUNNING", "SUCCEEDED"]
    assert [e["id"] for e in heard] == sorted({e["id"] for e in heard})


async def test_a_run_is_canceled_and_a_failed_one_says_where(ask: Ask, write: Callable[..., str]) -> None:
    path = write(("import time\ntime.sleep(600)", "step:wait"))
    _, run = await ask("POST", "runs", {"path": path})
    status, _ = await ask("POST", f"runs/{run['run_id']}/cancel")
    assert status == 202
    assert (await ended(ask, run["run_id"]))["state"] == "CANCELED"
    status, again = await ask("POST", f"runs/{run['run_id']}/cancel")
    assert (status, again["code"]) == (400, "wrong_use")

    path = write("x = 1", ("1 / 0", "step:bad"))
    _, run = await ask("POST", "runs", {"path": path})
    failed = await ended(ask, run["run_id"])
    (task,) = failed["tasks"]
    assert (failed["state"], task["cell"]) == ("FAILED", 1)
    assert "ZeroDivisionError" in (await ask("GET", f"runs/{run['run_id']}/tasks/bad"))[1]["traceback"]


async def test_a_box_is_drawn_as_one_node_where_that_is_asked_for(
    ask: Ask, write: Callable[..., str]
) -> None:
    path = write("xs = [1, 2]", "%%component double --for x in xs --collect ys=y\ny: int = 2 * x")
    status, seen = await ask("POST", "preview", {"path": path})
    (box,) = seen["boxes"]
    assert (status, box["folded"], "double" in seen["svg"]) == (200, False, True)
    _, closed = await ask("POST", "preview", {"path": path, "folded": [box["id"]]})
    assert (closed["boxes"][0]["folded"], "1 task: " in closed["svg"]) == (True, True)


SCORES = """%%component train
from kfp.dsl import Metrics
scores = Metrics()
scores.log_metric("loss", 1 / rate)
"""


async def test_two_runs_are_compared_and_a_failed_one_is_tried_again(
    ask: Ask, write: Callable[..., str], jp_root_dir: Path
) -> None:
    gate = jp_root_dir / "gate"
    path = write(
        ("rate = 0.5\nkind = 'a'", "parameters"),
        SCORES,
        (f"open({str(gate)!r}).close()", "step:check"),
        ("scores", "outputs"),
    )
    _, failed = await ask("POST", "runs", {"path": path})
    ended_badly = await ended(ask, failed["run_id"])
    assert (ended_badly["state"], ended_badly["interrupted"]) == ("FAILED", False)
    status, executed = await ask("GET", f"runs/{failed['run_id']}/tasks/check/notebook")
    assert status == 200
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", ())]
    assert "FileNotFoundError" in [one.get("ename") for one in outputs]
    status, refused = await ask("POST", f"runs/{failed['run_id']}/resume")
    assert (status, "retry" in refused["message"]) == (400, True)
    gate.touch()
    status, _ = await ask("POST", f"runs/{failed['run_id']}/retry")
    assert status == 202
    assert (await ended(ask, failed["run_id"]))["state"] == "SUCCEEDED"

    _, other = await ask("POST", "runs", {"path": path, "parameters": {"rate": 0.25}})
    await ended(ask, other["run_id"])
    both = {"before": failed["run_id"], "after": other["run_id"]}
    status, seen = await ask("GET", "compare", params=both)
    assert status == 200
    assert seen["parameters"] == [
        {"name": "kind", "before": "a", "after": "a", "differs": False},
        {"name": "rate", "before": 0.5, "after": 0.25, "differs": True},
    ]
    assert seen["metrics"] == [{"name": "train.loss", "before": 2.0, "after": 4.0, "differs": True}]


async def test_a_canceled_run_goes_on(ask: Ask, write: Callable[..., str], jp_root_dir: Path) -> None:
    started, gate = jp_root_dir / "started", jp_root_dir / "gate"
    wait = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(.05)"
    _, run = await ask("POST", "runs", {"path": write((wait, "step:wait"))})
    while True:
        if started.exists():
            break
        await asyncio.sleep(0.1)
    await ask("POST", f"runs/{run['run_id']}/cancel")
    assert (await ended(ask, run["run_id"]))["state"] == "CANCELED"
    gate.touch()
    status, _ = await ask("POST", f"runs/{run['run_id']}/resume")
    assert status == 202
    assert (await ended(ask, run["run_id"]))["state"] == "SUCCEEDED"


async def test_a_notebook_with_errors_starts_nothing(ask: Ask, write: Callable[..., str]) -> None:
    status, answer = await ask("POST", "runs", {"path": write(("missing", "step:a"))})
    assert (status, answer["code"]) == (422, "notebook_has_errors")
    assert answer["diagnostics"][0]["cell"] == 0
    status, answer = await ask("POST", "runs", {"path": write(*STEPS), "parameters": {"no": 1}})
    assert (status, answer["code"]) == (400, "wrong_use")
    assert (await ask("GET", "runs"))[1]["runs"] == []


async def test_the_server_goes_on_when_its_worker_is_killed(
    ask: Ask, write: Callable[..., str], jp_serverapp: Any
) -> None:
    path = write(*STEPS)
    await ask("POST", "preview", {"path": path})
    extension = jp_serverapp.extension_manager.extension_apps["jupyter_kfp.server"]
    (app,) = extension
    for process in app.context._worker._processes.values():
        process.kill()
        process.join()
    status, _ = await ask("POST", "preview", {"path": path})
    assert status == 200
