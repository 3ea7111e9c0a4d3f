"""Which of the things under a pipeline root is whose."""

from datetime import datetime, timezone
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.remote.leftovers import Leftovers, _nearest, matched
from jupyter_kfp.store.mirror import SeenAttempt, SeenTask
from jupyter_kfp.store.records import NewTask, State

_moments = st.lists(st.integers(0, 20).map(float), max_size=5).map(sorted)


@given(_moments, _moments)
def test_the_nearest_pairs_are_as_near_as_can_be(some: list[float], others: list[float]) -> None:
    """As near as the best of all ways to pair them in their order."""
    pairs = _nearest(some, others)
    count = min(len(some), len(others))
    assert len(pairs) == count
    assert pairs == sorted(pairs)
    assert all(len(set(side)) == count for side in zip(*pairs, strict=True))
    ways = [
        sum(abs(one - other) for one, other in zip(chosen, taken, strict=True))
        for chosen in combinations(some, count)
        for taken in combinations(others, count)
    ]
    assert sum(abs(some[one] - others[other]) for one, other in pairs) == min(ways)


def test_what_was_executed_again_left_something_later() -> None:
    assert _nearest([50.0], [10.0, 49.0]) == [(0, 1)]


def test_what_was_reused_left_nothing() -> None:
    assert _nearest([10.0, 20.0, 30.0], [21.0]) == [(1, 0)]


def test_what_was_tried_as_often_belongs_together() -> None:
    """Whatever the times say: KFP's are to the second."""
    moment = datetime(2026, 3, 1, tzinfo=timezone.utc)
    lefts = [
        Leftovers("two", {"executor-logs-0": 1, "executor-logs-1": 1}, 1.0),
        Leftovers("one", {"executor-logs-0": 1}, 2.0),
    ]
    tasks = [
        SeenTask(
            NewTask(f"a[{tries}]", "a", "a", "c"),
            State.SUCCEEDED,
            ended_at=moment,
            attempts=tuple(SeenAttempt(n + 1, State.FAILED, moment) for n in range(tries)),
        )
        for tries in (1, 2)
    ]
    assert {path: left.uri for path, left in matched(tasks, {"a": lefts}).items()} == {
        "a[1]": "one",
        "a[2]": "two",
    }


def test_logs_by_their_tries() -> None:
    numbered = Leftovers(
        "s3://b/t/s", {"executor-logs-0": 1, "executor-logs-10": 1, "model/executor-logs": 2}
    )
    assert numbered.logs(11) == {0: "s3://b/t/s/executor-logs-0", 10: "s3://b/t/s/executor-logs-10"}
    # Before KFP numbered them, every try wrote over the one before.
    assert Leftovers("u", {"executor-logs": 1}).logs(3) == {2: "u/executor-logs"}
