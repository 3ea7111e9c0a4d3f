"""The widget in a real kernel, spoken to as a front end does: by comm messages alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from tests.e2e.conftest import document

PATIENCE = 240.0  # seconds; the machine may be busy
SMALL = document(
    ("n: int = 2", "parameters"),
    "%%component one\nxs = [n] * 3\nprint('said by one')",
    "%%component two --for i in [1, 2] --collect ts=t\nt: int = sum(xs) * i",
    "%%component three --memory 1G\ntotal: int = sum(ts)",
    ("total", "outputs"),
)
SLOW = document("%%component slow\nimport time\nprint('begun', flush=True)\ntime.sleep(600)\nx = 1")


@dataclass
class FrontEnd:
    """What a page knows of a kernel's widgets: the state of every open comm, from messages alone."""

    client: BlockingKernelClient
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    shown: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""

    def execute(self, code: str) -> str:
        """Execute a cell to its end; gives what it printed."""
        self.said = ""
        request = self.client.execute(code)
        self.until(lambda: self._idle == request)
        return self.said

    _idle: str = ""

    def until(self, holds: Callable[[], Any]) -> Any:
        """Take in messages until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not (found := holds()):
            if time.monotonic() > deadline:
                pytest.fail(
                    "\n".join([self.said, *(str(s["value"]) for s in self.states.values() if "value" in s)])
                )
            try:
                self._take(self.client.get_iopub_msg(timeout=1))
            except Empty:
                continue
        return found

    def _take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        match message["msg_type"]:
            case "comm_open":
                self.states[content["comm_id"]] = dict(content["data"]["state"])
            case "comm_msg" if content["data"].get("method") == "update":
                self.states[content["comm_id"]] |= content["data"]["state"]
            case "comm_close":
                self.closed.add(content["comm_id"])
                self.states.pop(content["comm_id"], None)
            case "execute_result" | "display_data":
                self.shown.append(content["data"])
            case "stream":
                self.said += content["text"]
            case "error":
                self.said += "\n".join(content["traceback"])
            case "status" if content["execution_state"] == "idle":
                self._idle = message["parent_header"].get("msg_id", "")

    def find(self, **fields: Any) -> str:
        """The comm of the only widget with these fields."""
        found = [
            comm for comm, state in self.states.items() if all(state.get(k) == v for k, v in fields.items())
        ]
        assert len(found) == 1, (fields, found)
        return found[0]

    def send(self, comm: str, data: dict[str, Any]) -> None:
        """Send what the page sends."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)

    def click(self, button: str) -> None:
        self.send(
            self.find(_model_name="ButtonModel", description=button),
            {"method": "custom", "content": {"event": "click"}},
        )

    def html(self, text: str) -> bool:
        """Whether some text of the page holds this."""
        return any(text in str(state.get("value", "")) for state in self.states.values())

    def element(self, item: str) -> dict[str, Any]:
        """A node of the graph."""
        found = [
            state
            for state in self.states.values()
            if state.get("_model_name") == "NodeModel" and state["data"].get("id") == item
        ]
        assert len(found) == 1
        return found[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    directory = tmp_path_factory.mktemp("widget")
    for name, content in {"small": SMALL, "slow": SLOW}.items():
        (directory / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    environment = {**os.environ, "JUPYTER_KFP_HOME": str(directory / "home")}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(directory), env=environment)
    try:
        yield FrontEnd(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_pipeline_is_run_looked_at_and_closed(page: FrontEnd) -> None:
    page.execute("%load_ext jupyter_kfp\nimport jupyter_kfp, sys, threading")
    assert (
        page.execute("print('ipywidgets' in sys.modules, 'ipycytoscape' in sys.modules)") == "False False\n"
    )
    page.execute("w = jupyter_kfp.load('small.ipynb').preview()\nw")
    bundle = page.shown[-1]
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] in page.states
    assert page.element("one")["classes"] == "task"
    assert page.html("3 steps; not run yet.")

    page.send(page.find(tooltip="n: int"), {"method": "update", "state": {"value": 5}, "buffer_paths": []})
    page.click("Run here")
    page.until(lambda: page.html("Succeeded in"))
    assert page.element("one")["classes"] == "task SUCCEEDED"
    assert page.element("for-loop-2")["data"]["label"] == "✓ for i in [1, 2] · 2 iterations"
    bar = page.states[page.find(_model_name="IntProgressModel")]
    assert (bar["value"], bar["max"], bar["bar_style"]) == (4, 4, "success")
    assert page.execute("print(w.run.outputs['total'])") == "45\n", "the value of the form was used"

    graph = page.find(_model_name="CytoscapeModel")
    clicked = {"event": "click", "widget": "node", "data": {"data": {"id": "three"}}}
    page.send(graph, {"method": "custom", "content": clicked})
    page.until(lambda: page.html("Attempts"))
    assert page.html("memoryLimit"), "its options"
    page.until(lambda: page.element("three")["classes"].endswith("chosen"))
    clicked["data"] = {"data": {"id": "one"}}
    page.send(graph, {"method": "custom", "content": clicked})
    page.until(lambda: page.html("said by one"))

    clicked["data"] = {"data": {"id": "for-loop-2"}}
    page.send(graph, {"method": "custom", "content": clicked})  # a box: it is closed
    page.until(lambda: graph not in page.states)
    assert "1 task: for i in [1, 2]" in page.element("for-loop-2")["data"]["label"].replace("\n", " ")

    opened = set(page.states)
    page.execute("w.close()")
    assert opened <= page.closed, "no comm stays open"
    page.execute("for thread in threading.enumerate():\n    if 'widget' in thread.name: thread.join(60)")


def test_a_wrong_parameter_starts_nothing(page: FrontEnd) -> None:
    page.execute("%load_ext jupyter_kfp\nimport jupyter_kfp\nw = jupyter_kfp.load('small.ipynb').preview()")
    assert page.execute("w.parameters.field('n').value = 3\nw._source.parameters") == ""
    page.execute("from unittest import mock\nw.parameters._fields['n'] = mock.Mock(value='three')")
    page.click("Run here")
    page.until(lambda: page.html("is of type int, but got"))
    assert page.execute("print(w.run, w.run_button.disabled)\nw.close()") == "None False\n"


def test_a_run_is_attached_to_and_stopped(page: FrontEnd) -> None:
    page.execute("%load_ext jupyter_kfp\nimport jupyter_kfp\nrun = jupyter_kfp.load('slow.ipynb').start()")
    page.execute("w = get_ipython().run_line_magic('kfp', f'preview {run.id}')\nw")
    assert page.shown[-1]["image/svg+xml"].startswith("<svg")
    page.until(lambda: page.html("Running: slow."))
    page.execute("w.step.choose('slow')")
    page.until(lambda: page.html("begun"))  # the log grows while it runs
    page.click("Stop")
    page.until(lambda: page.html("Canceled after"))
    assert page.element("slow")["classes"].startswith("task CANCELED")
    assert (
        page.execute("w.wait(60)\nprint(run.state.value, w._follower.is_alive)\nw.close()")
        == "CANCELED False\n"
    )


def test_closing_ends_the_following_and_not_the_run(page: FrontEnd) -> None:
    page.execute("%load_ext jupyter_kfp\nimport jupyter_kfp\nrun = jupyter_kfp.load('slow.ipynb').start()")
    page.execute("w = run.preview()")
    page.until(lambda: page.html("Running: slow."))
    said = page.execute("w.close()\nw.wait(60)\nprint(w._follower.is_alive, run.state.value)\nrun.cancel()")
    assert said == "False RUNNING\n"
    page.execute("run.wait()")
