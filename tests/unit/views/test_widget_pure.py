"""The parts of the widget that are functions of values: pictures, sections, one line about a run, HTML of a step."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.runs import StepRun
from jupyter_kfp.store.records import (
    ArtifactRecord,
    AttemptRecord,
    Failure,
    Origin,
    RunRecord,
    State,
    TaskRecord,
)
from jupyter_kfp.views.folding import folded
from jupyter_kfp.views.graph import Edge, Graph, Group, GroupKind, Node
from jupyter_kfp.views.ordering import topological
from jupyter_kfp.views.widget import details
from jupyter_kfp.views.widget.picture import iterations, looks, picture
from jupyter_kfp.views.widget.sections import first_look, sectioned, shown
from jupyter_kfp.views.widget.story import progress, told

BEGAN = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
LOOP = Graph(
    "looped",
    nodes=(Node("load", "load"), Node("loop.train", "train", parent="loop"), Node("report", "report")),
    edges=(Edge("load", "loop.train", ("data",)), Edge("loop.train", "report", ("model",))),
    groups=(Group("loop", "loop", GroupKind.LOOP, "for x in xs"),),
)
NESTED = Graph(
    "nested",
    nodes=(Node("a.b.c", "c", parent="a.b"),),
    groups=(
        Group("a", "a", GroupKind.LOOP, "for x in xs"),
        Group("a.b", "b", GroupKind.LOOP, "for y in ys", "a"),
    ),
)


def grid(count: int, width: int = 5) -> Graph:
    """Steps in a grid without boxes, each after the one above."""
    nodes = tuple(Node(f"s{number}", f"s{number}") for number in range(count))
    edges = tuple(Edge(f"s{number - width}", f"s{number}") for number in range(width, count))
    return Graph("grid", nodes, edges)


def run(state: State, failure: str | None = None, ended: float | None = 65.0, **more: Any) -> RunRecord:
    return RunRecord(
        id="r1", name="n", pipeline="p", state=state, root="", parameters={}, origin=Origin(), options={},
        created_at=BEGAN, started_at=BEGAN, ended_at=None if ended is None else BEGAN + timedelta(seconds=ended),
        cancel_requested_at=None, failure=Failure(failure) if failure else None, host=None, pid=None, pid_started=None,
        **more,
    )  # fmt: skip


def task(**fields: Any) -> TaskRecord:
    known: dict[str, Any] = {
        "run_id": "r1", "path": "train", "key": "train", "display_name": "train", "component": "c",
        "state": State.SUCCEEDED, "started_at": BEGAN, "ended_at": BEGAN + timedelta(seconds=2), "failure": None,
    }  # fmt: skip
    return TaskRecord(**(known | fields))


def test_every_node_and_edge_of_the_graph_is_in_the_picture() -> None:
    drawn = picture(LOOP, {})
    assert {shape.id: shape.parent for shape in drawn.shapes} == {
        "loop": None,
        "load": None,
        "loop.train": "loop",
        "report": None,
    }
    assert [(wire.source, wire.target) for wire in drawn.wires] == [
        ("load", "loop.train"),
        ("loop.train", "report"),
    ]
    known = set()
    for shape in drawn.shapes:  # Cytoscape adds an element only to a box that is there
        assert shape.parent is None or shape.parent in known
        known.add(shape.id)


def test_bends_are_where_the_static_picture_has_them() -> None:
    from jupyter_kfp.views.layout import layout

    graph = grid(12, 3)
    plan = layout(graph, labels=False)
    for wire, route in zip(picture(graph, {}).wires, plan.routes, strict=True):
        start, end = plan.nodes[wire.source], plan.nodes[wire.target]
        x, y = start.x + start.width / 2, start.y + start.height / 2
        across, down = end.x + end.width / 2 - x, end.y + end.height / 2 - y
        length = (across**2 + down**2) ** 0.5
        # As Cytoscape computes them: along the line, then to its left-hand normal.
        found = [
            (x + weight * across - down / length * distance, y + weight * down + across / length * distance)
            for weight, distance in zip(wire.weights, wire.distances, strict=True)
        ]
        assert len(found) == len(route.points) - 2
        for point, expected in zip(found, route.points[1:-1], strict=True):
            assert point == pytest.approx(expected, abs=0.5)


def test_states_change_the_look_alone() -> None:
    from jupyter_kfp.views.graph import with_states

    states = {"load": "SUCCEEDED", "loop.train[0]": "SUCCEEDED", "loop.train[1]": "RUNNING"}
    graph = with_states(LOOP, states)
    found = looks(graph, iterations(LOOP, states))
    assert found["load"].label == "✓ load"
    assert found["load"].classes == "task SUCCEEDED"
    assert found["loop.train"].label == "◐ train\n◐ 1  ✓ 1"
    assert found["loop"].label == "◐ for x in xs · 2 iterations"
    assert [shape.position for shape in picture(graph, {}).shapes] == [
        shape.position for shape in picture(LOOP, {}).shapes
    ]


@pytest.mark.parametrize(
    ("graph", "paths", "counts"),
    [
        (LOOP, ["load", "loop.train"], {}),
        (LOOP, ["loop.train[0]", "loop.train[1]"], {"loop": 2}),
        (NESTED, ["a", "a.b[0]", "a.b[1]"], {"a": 2}),
        (NESTED, ["a.b[0]", "a.b[1]", "a.b.c[0][0]", "a.b.c[0][1]", "a.b.c[1][0]"], {"a": 2, "a.b": 3}),
    ],
)
def test_iterations_are_counted(graph: Graph, paths: list[str], counts: dict[str, int]) -> None:
    assert iterations(graph, dict.fromkeys(paths, "RUNNING")) == counts


def test_a_closed_loop_still_counts_its_iterations() -> None:
    states = {"loop.train[0]": "SUCCEEDED"}
    assert looks(folded(LOOP, {"loop"}), iterations(LOOP, states))["loop"].label.endswith("1 iteration")


def test_many_steps_without_boxes_get_sections_that_depend_one_way() -> None:
    graph = sectioned(grid(300))
    closed = first_look(graph)
    few = shown(graph, closed)
    assert len(few.nodes) == len(graph.groups) == 17
    assert {node.id for node in sectioned(grid(300)).nodes} == {f"s{number}" for number in range(300)}
    assert {node.id for node in shown(graph, ()).nodes} == {node.id for node in graph.nodes}, (
        "nothing is lost"
    )
    assert len(shown(graph, ()).edges) == 295
    topological([node.id for node in few.nodes], {few.lifted(edge)[1:] for edge in few.edges})  # no circle
    assert picture(few, {}).wires


def test_small_pipelines_and_their_boxes_stay_as_they_are() -> None:
    assert sectioned(LOOP) is LOOP
    assert first_look(LOOP) == frozenset()


def test_progress_counts_iterations_one_by_one_in_the_order_of_the_pipeline() -> None:
    states = {"loop": "RUNNING", "loop.train[1]": "RUNNING", "loop.train[0]": "SUCCEEDED", "load": "CACHED"}
    now = progress(LOOP, states)
    assert list(now.states) == ["load", "loop.train[0]", "loop.train[1]", "report"]
    assert (now.done, now.total) == (2, 4)


@pytest.mark.parametrize(
    ("record", "states", "line"),
    [
        (run(State.PENDING, ended=None), {}, "The run waits to begin."),
        (run(State.RUNNING, ended=None), {"load": "RUNNING"}, "Running: load. 0 of 3 steps ended."),
        (run(State.SUCCEEDED), {"load": "CACHED", "loop.train[0]": "SUCCEEDED", "report": "SKIPPED"}, "Succeeded in 1 min 05 s: 3 steps, 1 from the cache, 1 skipped."),
        (run(State.FAILED, "cell 2, line 3:\nKeyError: 'a'"), {"loop.train[1]": "FAILED"}, "Failed after 1 min 05 s: loop.train[1]: cell 2, line 3: KeyError: 'a'"),
        (run(State.FAILED, "load failed: no."), {"load": "FAILED"}, "Failed after 1 min 05 s: load failed: no."),
        (run(State.CANCELED), {"load": "SUCCEEDED", "report": "CANCELED"}, "Canceled after 1 min 05 s: 1 of 3 steps had ended."),
    ],
)  # fmt: skip
def test_a_run_is_told_in_one_line(record: RunRecord, states: dict[str, str], line: str) -> None:
    assert told(record, progress(LOOP, states), BEGAN) == line


def test_nothing_that_a_run_made_is_html_of_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    log = tmp_path / "log.txt"
    log.write_text(evil)
    attempt = AttemptRecord(1, State.FAILED, "", str(log), BEGAN, failure=Failure(evil))
    page = tmp_path / "page"
    page.write_text(f"<html>{evil}")
    table = ArtifactRecord("t", "system.Metrics", "x", {evil: evil}, run_id="r", task="train", port=evil)
    record = task(
        path=evil, attempts=(attempt,), failure=Failure(evil, traceback=evil), input_parameters={evil: evil},
        output_artifacts={evil: (table,), "page": (ArtifactRecord("p", "system.HTML", str(page), id=1),)},
    )  # fmt: skip
    step = StepRun(record)
    for text in (
        details.head(evil, record), details.code(details.Written((evil,), {evil: evil})), details.log(step),
        details.ports(record), details.results(step), details.executed(step), details.failed(evil, JupyterKfpError(evil)),
    ):  # fmt: skip
        assert "<script" not in text
    assert evil in unescape(details.log(step))


def test_pages_are_framed_without_an_origin() -> None:
    frame = details.framed('<p onclick="x">"quoted"</p>')
    assert 'sandbox="allow-scripts"' in frame, "allow-same-origin would give them the page's rights"
    inner = unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])  # type: ignore[index]  # there is one
    assert inner.startswith('<meta http-equiv="Content-Security-Policy" content="default-src \'none\'')
    assert inner.endswith('<p onclick="x">"quoted"</p>')


def test_the_end_of_a_long_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("first " + "x" * details.LOG_TAIL + " last")
    shown_ = details.log(StepRun(task(attempts=(AttemptRecord(1, State.SUCCEEDED, "", str(log), BEGAN),))))
    assert "last" in shown_
    assert "first" not in shown_
    assert f"of {details.LOG_TAIL + 11} characters" in shown_


def test_an_executed_notebook_is_a_link_to_itself(tmp_path: Path) -> None:
    import base64

    book = tmp_path / "executed_notebook"
    book.write_text('{"cells": []}')
    record = task(
        output_artifacts={"executed_notebook": (ArtifactRecord("n", "system.Artifact", str(book)),)}
    )
    found = re.search(
        r'download="train.ipynb" href="data:application/x-ipynb\+json;base64,([^"]*)"',
        details.executed(StepRun(record)),
    )
    assert found
    assert base64.b64decode(found[1]) == b'{"cells": []}'


def test_a_result_that_is_gone_says_so(tmp_path: Path) -> None:
    gone = ArtifactRecord("m", "system.Dataset", str(tmp_path / "gone"), run_id="r", id=1)
    assert "is gone" in details.results(StepRun(task(output_artifacts={"m": (gone,)})))
