"""Lineage as graph, table and answers."""

from __future__ import annotations

from datetime import datetime, timezone

from jupyter_kfp.pipeline import Json
from jupyter_kfp.store.lineage.approvals import Approval
from jupyter_kfp.store.lineage.audit import answers
from jupyter_kfp.store.lineage.model import (
    ArtifactNode,
    Edge,
    FileNode,
    Lineage,
    Link,
    RunFacts,
    TaskNode,
    Way,
)
from jupyter_kfp.views.lineage import answers_view, lineage_graph, lineage_table, size_text
from jupyter_kfp.views.mermaid import to_mermaid
from jupyter_kfp.views.model import EdgeKind, NodeKind
from jupyter_kfp.views.svg import to_svg
from jupyter_kfp.views.tables import plain

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def run(run_id: str) -> RunFacts:
    origin: dict[str, Json] = {
        "commit": "c0ffee",
        "branch": "main",
        "dirty": True,
        "diff": "d" * 64,
        "user": "ann",
        "version": "1.0",
    }
    return RunFacts(
        run_id,
        run_id,
        "credit",
        "SUCCEEDED",
        NOON,
        NOON,
        "host",
        {"depth": 2},
        "/nb/a.ipynb",
        "b" * 64,
        origin,
    )


def artifact(number: int, run_id: str, name: str, kind: str) -> ArtifactNode:
    sha256 = f"{number}" * 64
    return ArtifactNode(
        f"artifact:{number}", number, run_id, name, kind, f"/r/{name}", sha256, 1234, NOON, {"rows": 3}
    )


FACTS: dict[str, Json] = {
    "cells": [{"cell": 4, "sha256": "e" * 64}],
    "image": "img:1",
    "image_digest": "sha256:9",
    "environment": "f" * 64,
}
FOUND = Lineage(
    "run new (credit)",
    Way.UP,
    ("task:2", "artifact:3", "artifact:4"),
    (
        FileNode("file:/raw.csv@1", "raw.csv", "/raw.csv", "7" * 64, 9, {"md5": "abc"}),
        TaskNode("task:1", "old", "prepare", "prepare", "SUCCEEDED"),
        artifact(1, "old", "data", "system.Dataset"),
        TaskNode("task:2", "new", "train", "train", "SUCCEEDED", provenance=FACTS),
        TaskNode("task:3", "new", "split", "split", "CACHED"),
        artifact(3, "new", "model", "system.Model"),
        artifact(4, "new", "executed_html", "system.HTML"),
    ),
    (
        Edge("file:/raw.csv@1", "task:1", Link.READ, "path"),
        Edge("task:1", "artifact:1", Link.MADE, "data"),
        Edge("task:3", "artifact:1", Link.REUSED, "data"),
        Edge("artifact:1", "task:2", Link.READ, "table"),
        Edge("task:2", "artifact:3", Link.MADE, "model"),
        Edge("task:2", "artifact:4", Link.MADE, "executed_html"),
    ),
    {"old": run("old"), "new": run("new")},
)


def test_the_graph_has_a_box_for_each_run_and_no_reports() -> None:
    graph = lineage_graph(FOUND)
    assert [group.label for group in graph.groups] == ["credit · run old", "credit · run new"]
    assert {node.name: node.parent for node in graph.nodes} == {
        "raw.csv": None, "prepare": "run:old", "data": "run:old", "train": "run:new", "split": "run:new", "model": "run:new",
    }  # fmt: skip
    assert {node.kind for node in graph.nodes if node.name in {"raw.csv", "data"}} == {NodeKind.ARTIFACT}
    # Reuse leads from the artifact to who took it out of the cache, so that boxes have no circle.
    (reuse,) = [edge for edge in graph.edges if edge.labels == ("reused",)]
    assert (reuse.source, reuse.target, reuse.kind) == ("artifact:1", "task:3", EdgeKind.DATA)
    assert '(["data"])' in to_mermaid(graph)
    svg = to_svg(graph)
    assert all(f">{name}<" in svg for name in ("raw.csv", "prepare", "data", "train", "model"))


def test_the_table_says_what_each_came_from() -> None:
    lines = [line.split() for line in plain(lineage_table(FOUND)).splitlines()]
    assert ["Dataset", "old", "data", "1" * 12, "1.2", "KB", "prepare,", "split"] in lines
    assert not [line for line in lines if "executed_html" in line]


def test_the_answers_are_on_one_screen() -> None:
    approval = Approval(
        1, 3, "new", "model", "/r/model", "3" * 64, "Ann", "fine", "2026-01-02", "0" * 64, "a" * 64
    )
    node = FOUND.by_id["artifact:3"]
    assert isinstance(node, ArtifactNode)
    view = answers_view(
        answers(FOUND, node, [approval], {"artifact:3": 2}),
        {"python": "3.12.1", "distributions": {"numpy": "2", "pandas": "2"}},
    )
    text = plain(view)
    for words in (
        "model (Model), version 2, 1.2 KB",
        "run new of credit, step train, SUCCEEDED",
        "ann@host",
        "depth = 2",
        "raw.csv: SHA-256 777777777777, 9 B, md5 abc (/raw.csv)",
        "data: SHA-256 111111111111, 1.2 KB, 3 rows (run old, artifact 1)",
        "git commit c0ffee on main, with changes (SHA-256 dddddddddddd)",
        "notebook /nb/a.ipynb, SHA-256 bbbbbbbbbbbb",
        "cell 5 (eeeeeeeeeeee)",
        "image img:1, sha256:9",
        "Python 3.12.1, 2 distributions (ffffffffffff), jupyter_kfp 1.0",
        "by Ann on 2026-01-02: fine (approval 1, aaaaaaaaaaaa)",
    ):
        assert words in text
    assert len(text.splitlines()) < 24
    assert "by nobody" in plain(answers_view(answers(FOUND, node, [])))


def test_sizes() -> None:
    assert [size_text(size) for size in (None, 0, 999, 1000, 1_500_000)] == [
        "",
        "0 B",
        "999 B",
        "1.0 KB",
        "1.5 MB",
    ]
