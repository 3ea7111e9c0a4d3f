"""What was made of what, across runs; who approved it; whether it still is what it was."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text, update

from jupyter_kfp.errors import UsageError
from jupyter_kfp.pipeline import Json
from jupyter_kfp.store import schema
from jupyter_kfp.store.lineage import walk
from jupyter_kfp.store.lineage.approvals import broken
from jupyter_kfp.store.lineage.model import ArtifactNode, FileNode, Lineage, Link, TaskNode, Way
from jupyter_kfp.store.lineage.verify import verify
from jupyter_kfp.store.records import Direction, State, TaskKind
from jupyter_kfp.store.store import Store, open_store

from .lineages import Runs, digest


@pytest.fixture
def runs(store: Store, tmp_path: Path) -> Runs:
    return Runs(store, tmp_path / "artifacts")


def told(found: Lineage) -> list[str]:
    """The nodes in order: ``run.step``, ``run:port``, or the file's name."""
    words = []
    for node in found.nodes:
        match node:
            case TaskNode():
                words.append(f"{node.run_id}.{node.path}")
            case ArtifactNode():
                words.append(f"{node.run_id}:{node.name}")
            case FileNode():
                words.append(node.name)
    return words


def links(found: Lineage) -> set[Link]:
    return {edge.link for edge in found.edges}


def test_upstream_and_downstream_inside_and_across_runs(store: Store, runs: Runs) -> None:
    data = runs.add("prepare", makes={"data": "1,2"})["data"]
    runs.add("train", takes={"data": [data]}, makes={"model": "a model"})
    assert told(store.lineage("train:model")) == ["prepare.step", "prepare:data", "train.step", "train:model"]
    assert told(store.lineage("prepare/step", Way.DOWN)) == [
        "prepare.step",
        "prepare:data",
        "train.step",
        "train:model",
    ]
    assert told(store.lineage("prepare:data", Way.DOWN)) == ["prepare:data", "train.step", "train:model"]
    assert told(store.lineage("train/step", Way.UP)) == ["prepare.step", "prepare:data", "train.step"]
    assert told(store.lineage(str(data), Way.BOTH)) == [
        "prepare.step",
        "prepare:data",
        "train.step",
        "train:model",
    ]


@pytest.mark.parametrize("moved", [False, True], ids=["the same place", "another place, the same content"])
def test_a_file_that_another_run_imports_is_what_the_first_one_made(
    store: Store, runs: Runs, tmp_path: Path, *, moved: bool
) -> None:
    runs.add("prepare", makes={"data": "1,2"})
    path = tmp_path / "artifacts" / "prepare" / "data"
    runs.add("unrelated", makes={"data": "3,4"})
    if moved:
        path = path.rename(tmp_path / "copied.csv")
    runs.add("train", imports=path)
    found = store.lineage("train")
    assert told(found) == ["prepare.step", "prepare:data", "train.step", f"train:{path.name}"]
    assert Link.CONTENT in links(found)


@pytest.mark.parametrize("moved", [False, True])
def test_a_file_that_a_parameter_names_is_what_another_run_made(
    store: Store, runs: Runs, tmp_path: Path, *, moved: bool
) -> None:
    runs.add("prepare", makes={"data": "1,2"})
    path = tmp_path / "artifacts" / "prepare" / "data"
    if moved:
        path = path.rename(tmp_path / "data")
    runs.add("train", reads=[path], makes={"model": "a model"})
    assert told(store.lineage("train:model")) == [
        "prepare.step",
        "prepare:data",
        "data",
        "train.step",
        "train:model",
    ]


def test_what_was_written_over_is_not_what_was_read(store: Store, runs: Runs, tmp_path: Path) -> None:
    runs.add("prepare", makes={"data": "1,2"})
    path = tmp_path / "artifacts" / "prepare" / "data"
    path.write_text("by hand", encoding="utf-8")
    runs.add("train", reads=[path], makes={"model": "a model"})
    assert told(store.lineage("train:model")) == ["data", "train.step", "train:model"]


def test_equal_results_of_two_runs_are_not_made_of_each_other(store: Store, runs: Runs) -> None:
    runs.add("one", makes={"data": "1,2"})
    runs.add("two", makes={"data": "1,2"})
    assert told(store.lineage("two:data")) == ["two.step", "two:data"]


def test_empty_files_are_not_linked(store: Store, runs: Runs, tmp_path: Path) -> None:
    runs.add("one", makes={"data": ""})
    empty = tmp_path / "empty"
    empty.touch()
    runs.add("two", imports=empty)
    assert told(store.lineage("two")) == ["two.step", "two:empty"]


def test_what_came_out_of_the_cache_was_made_by_the_first_run(store: Store, runs: Runs) -> None:
    runs.add("first", makes={"model": "a model"}, facts={"code": "c" * 64})
    runs.reuse("again", "first")
    found = store.lineage("again")
    assert set(told(found)) == {"first.step", "first:model", "again.step"}
    (answers,) = store.audit(found)
    assert answers.run is not None
    assert answers.run.id == "first"
    reused = next(node for node in found.nodes if isinstance(node, TaskNode) and node.run_id == "again")
    assert reused.provenance["code"] == "c" * 64
    assert told(store.lineage("first:model")) == ["first.step", "first:model"]


def test_a_subject_is_a_path_by_what_it_holds(store: Store, runs: Runs, tmp_path: Path) -> None:
    runs.add("train", makes={"model": "a model"})
    copy = tmp_path / "deployed.bin"
    copy.write_text("a model", encoding="utf-8")
    path = tmp_path / "artifacts" / "train" / "model"
    for subject in (str(copy), str(path), path.as_uri()):
        assert told(store.lineage(subject)) == ["train.step", "train:model"]
    path.write_text("another", encoding="utf-8")
    with pytest.raises(UsageError, match="No run has made or read"):
        store.lineage(str(path))


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("nothing", "is no run, no step of one, no artifact and no file"),
        ("train/nothing", "has no step 'nothing'"),
        ("train:nothing", "has no artifact 'nothing'"),
        ("t", "Several runs"),
        ("s3://bucket/none", "No run has made or read"),
    ],
)
def test_what_is_not_there_is_said_so(store: Store, runs: Runs, subject: str, words: str) -> None:
    runs.add("train", makes={"model": "a model"})
    runs.add("tune")
    with pytest.raises(UsageError, match=words):
        store.lineage(subject)


def test_the_five_questions(store: Store, runs: Runs, tmp_path: Path) -> None:
    source = tmp_path / "raw.csv"
    source.write_text("raw", encoding="utf-8")
    data = runs.add("prepare", reads=[source], makes={"data": "1,2"})["data"]
    runs.add("early", takes={"data": [data]}, makes={"model": "a model"}, pipeline="credit")
    runs.add("same", takes={"data": [data]}, makes={"model": "a model"}, pipeline="credit")
    cells = [{"cell": 3, "sha256": "e" * 64}]
    runs.add(
        "train",
        takes={"data": [data]},
        makes={"model": "a better model"},
        pipeline="credit",
        facts={"cells": cells, "image": "img:1", "image_digest": "sha256:1"},
        notebook="/nb/train.ipynb",
        notebook_sha256="d" * 64,
        provenance={"commit": "c0ffee", "dirty": False},
    )
    store.approve("train", "Ann", "after review")
    (answers,) = store.audit(store.lineage("train"))
    assert answers.artifact.sha256 == digest(tmp_path / "artifacts" / "train" / "model")
    assert answers.version == 2
    assert (answers.run and answers.run.id, answers.task and answers.task.path) == ("train", "step")
    assert [node.name for node in answers.data] == ["raw.csv", "data"]
    assert answers.run is not None
    assert (answers.run.provenance["commit"], answers.run.notebook_sha256) == ("c0ffee", "d" * 64)
    assert answers.task is not None
    assert answers.task.provenance["cells"] == cells
    assert [(each.approved_by, each.note) for each in answers.approvals] == [("Ann", "after review")]


def test_an_approval_is_of_the_content(store: Store, runs: Runs) -> None:
    first = runs.add("one", makes={"model": "a model"})["model"]
    runs.add("two", makes={"model": "a model"})
    runs.add("three", makes={"model": "another"})
    store.approve(str(first), "Ann")
    approved = {run: bool(store.audit(store.lineage(run))[0].approvals) for run in ("one", "two", "three")}
    assert approved == {"one": True, "two": True, "three": False}


def test_what_cannot_be_approved(store: Store, runs: Runs, tmp_path: Path) -> None:
    runs.add("train", makes={"model": "a model", "data": "1"})
    with pytest.raises(UsageError, match="needs the name"):
        store.approve("train:model", " ")
    with pytest.raises(UsageError, match="is no artifact"):
        store.approve("train/step", "Ann")
    (tmp_path / "artifacts" / "train" / "model").write_text("changed", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be approved: model was changed"):
        store.approve("train:model", "Ann")
    (tmp_path / "artifacts" / "train" / "data").unlink()
    with pytest.raises(UsageError, match="is gone"):
        store.approve("train:data", "Ann")
    assert store.approvals() == []


TAMPERING = {
    "a name": (
        update(schema.Approval).where(schema.Approval.number == 2).values(approved_by="Eve"),
        "number|changed",
    ),
    "a content": (
        update(schema.Approval).where(schema.Approval.number == 1).values(sha256="0" * 64),
        "changed",
    ),
    "a removal": (delete(schema.Approval).where(schema.Approval.number == 2), "should be number 2"),
    "an order": (
        update(schema.Approval).where(schema.Approval.number == 3).values(number=9),
        "should be number 3",
    ),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_with_approvals_shows(store: Store, runs: Runs, how: str) -> None:
    model = runs.add("train", makes={"model": "a model"})["model"]
    for name in ("Ann", "Bob", "Cyd"):
        store.approve(str(model), name)
    assert broken(store.approvals()) == []
    statement, words = TAMPERING[how]
    with store._database.writing() as session:
        session.execute(statement)
    problems = broken(store.approvals())
    assert problems
    assert any(word in problem for problem in problems for word in words.split("|"))


def test_a_row_that_was_replaced_whole_shows(store: Store, runs: Runs) -> None:
    from dataclasses import asdict, replace

    from jupyter_kfp.store.lineage.approvals import digest as hash_of

    model = runs.add("train", makes={"model": "a model"})["model"]
    for name in ("Ann", "Bob"):
        store.approve(str(model), name)
    first, second = store.approvals()
    forged = replace(first, approved_by="Eve")
    forged = replace(forged, hash=hash_of(asdict(forged)))
    assert [problem for problem in broken([forged, second]) if "does not follow" in problem]


def test_verifying_reads_what_is_there(store: Store, runs: Runs, tmp_path: Path) -> None:
    raw = tmp_path / "raw.csv"
    raw.write_text("raw", encoding="utf-8")
    runs.add("train", reads=[raw], makes={"model": "a model", "data": "1"})
    store.approve("train:model", "Ann")
    verdict = verify(store.approvals(), store.lineage("train"))
    assert (verdict.approvals, verdict.checked, verdict.problems) == (1, 3, ())
    assert verdict.head == store.approvals()[-1].hash
    (tmp_path / "artifacts" / "train" / "model").write_text("changed", encoding="utf-8")
    (tmp_path / "artifacts" / "train" / "data").unlink()
    raw.write_text("later", encoding="utf-8")
    problems = "\n".join(verify(store.approvals(), store.lineage("train")).problems)
    for words in ("model (approval 1) was changed", "data (artifact:", "is gone", "raw.csv (file:"):
        assert words in problems
    assert len(verify(store.approvals()).problems) == 1


def test_an_environment_is_kept_once(store: Store) -> None:
    from jupyter_kfp.store.records import NewRun, NewTask, TaskOrigin

    content: dict[str, Json] = {"python": "3.12.1", "distributions": {"numpy": "2.0"}}
    for run_id in ("one", "two"):
        store.create_run(NewRun(run_id, run_id, "p", "", "/"), [NewTask("a", "a", "a", "c")])
        store.recorder(run_id).end_task(
            "a", State.SUCCEEDED, origin=TaskOrigin({"code": "x"}, content, environment_sha256="f" * 64)
        )
    assert store.environment("f" * 64) == content
    assert store.environment(None) is None
    with store._database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM environments")).scalar() == 1


# The walk alone ---------------------------------------------------------------------------------------

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_a_walk_up_is_a_walk_down_from_the_other_end(pairs: list[tuple[int, int]]) -> None:
    """A law: what is upstream of a node has that node downstream; and sources come first."""
    pairs = [(low, high) for low, high in pairs if low < high]
    numbers = sorted({number for pair in pairs for number in pair})
    tasks = [walk.TaskRow(n, "r", str(n), cached=False, imports=False) for n in numbers]
    artifacts = [walk.ArtifactRow(n, "r", f"/{n}", None, NOON) for n in numbers]
    events = [walk.EventRow(n, Direction.OUTPUT, n, "out") for n in numbers]
    events += [walk.EventRow(high, Direction.INPUT, low, "in") for low, high in set(pairs)]
    graph = walk.Graph(walk.Rows(tasks, artifacts, events))
    for number in numbers:
        start = walk.artifact_id(number)
        up, edges = graph.walk([start], Way.UP)
        assert all(start in graph.walk([node], Way.DOWN)[0] for node in up)
        places = {node: index for index, node in enumerate(up)}
        assert all(places[edge.source] < places[edge.target] for edge in edges)


def test_the_newest_origin_before_a_file_was_read_counts() -> None:
    def row(number: int, minutes: int) -> walk.ArtifactRow:
        return walk.ArtifactRow(number, f"r{number}", "/data", "a" * 64, NOON + timedelta(minutes=minutes))

    made = [row(1, 0), row(2, 10), row(3, 20)]
    tasks = [walk.TaskRow(each.id, each.run_id, "t", cached=False, imports=False) for each in made]
    tasks.append(walk.TaskRow(9, "reader", "t", cached=False, imports=False))
    events = [walk.EventRow(each.id, Direction.OUTPUT, each.id, "o") for each in made]
    read = walk.FileRow("reader", "t", "path", "file:///data", "a" * 64, NOON + timedelta(minutes=15))
    graph = walk.Graph(walk.Rows(tasks, made, events, [read]))
    nodes, _edges = graph.walk([walk.task_id(9)], Way.UP)
    assert [node for node in nodes if node.startswith("artifact")] == ["artifact:2"]


def test_thousands_of_runs(url: str) -> None:
    """Five thousand runs, each of them reading what the one before has made, and the first one's data, too."""
    count = 5000
    store = open_store(url)
    with store._database.writing() as session:
        session.execute(
            insert(schema.Run),
            [
                {
                    "id": f"run{n:05}", "name": "n", "pipeline": "p", "state": State.SUCCEEDED, "root": f"/r/{n}",
                    "parameters": {}, "provenance": {}, "options": {}, "ir": "", "created_at": NOON,
                }
                for n in range(count)
            ],
        )  # fmt: skip
        session.execute(
            insert(schema.Task),
            [
                {
                    "id": n, "run_id": f"run{n:05}", "path": "a", "key": "a", "display_name": "a", "component": "c",
                    "kind": TaskKind.TASK, "state": State.SUCCEEDED,
                }
                for n in range(count)
            ],
        )  # fmt: skip
        session.execute(
            insert(schema.Artifact),
            [
                {
                    "id": n, "run_id": f"run{n:05}", "name": "o", "type": "t", "uri": f"/r/{n}/o", "info": {},
                    "sha256": f"{n:064x}", "created_at": NOON + timedelta(seconds=n),
                }
                for n in range(count)
            ],
        )  # fmt: skip
        takes = [
            (n, port, source) for n in range(1, count) for port, source in (("last", n - 1), ("first", 0))
        ]
        session.execute(
            insert(schema.Event),
            [
                {"task_id": n, "direction": Direction.OUTPUT, "port": "o", "position": 0, "artifact_id": n, "time": NOON}
                for n in range(count)
            ]
            + [
                {"task_id": n, "direction": Direction.INPUT, "port": port, "position": 0, "artifact_id": source, "time": NOON}
                for n, port, source in takes
            ],
        )  # fmt: skip
    began = time.process_time()
    up = store.lineage(f"run{count - 1:05}")
    down = store.lineage("run00000:o", Way.DOWN)
    used = time.process_time() - began
    store.close()
    assert (len(up.nodes), len(down.nodes)) == (2 * count, 2 * count - 1)
    assert used < 20, "seconds of this process; some two on an idle machine"
