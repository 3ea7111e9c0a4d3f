"""Argo's names of nodes."""

from jupyter_kfp.remote.argo import Level, Workflow, node_id

LOOP = (
    Level("outer", is_loop=True),
    Level("branch", is_loop=False),
    Level("inner", is_loop=True),
    Level("work", is_loop=False),
)


def test_an_id_is_a_name_and_a_hash() -> None:
    """The test vector of the hash's own description (RFC 9923)."""
    assert node_id("small-x2b4", "foobar") == f"small-x2b4-{0xBF9CF968}"


def test_places_in_nested_loops() -> None:
    places = Workflow("wf", frozenset(), 2).places(LOOP)
    assert sorted(places) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert places[1, 0] == (
        "wf.root.outer.iteration-iterations(1:1).iteration-item"
        ".branch.inner.iteration-iterations(0:0).iteration-item.work"
    )


def test_a_task_outside_of_loops_is_in_one_place() -> None:
    assert Workflow("wf", frozenset(), 0).places(LOOP[1:2]) == {(): "wf.root.branch"}


def test_more_places_than_can_be_tried_are_none() -> None:
    assert Workflow("wf", frozenset(), 1000).places(LOOP) == {}


def test_tries_are_counted_by_their_ids() -> None:
    executors = [node_id("wf", f"wf.root.a.executor({number})") for number in (0, 1, 3)]
    found = Workflow("wf", frozenset({*executors, node_id("wf", "wf.root.b.executor")}), 0)
    assert found.tries("wf.root.a") == executors[:2]
    assert found.tries("wf.root.b") == [node_id("wf", "wf.root.b.executor")]
    assert found.tries("wf.root.c") == []
