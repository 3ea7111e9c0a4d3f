"""Which runs housekeeping would remove."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.store.retention import Candidate, Policy, choose

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


def run(
    name: str,
    days: float,
    *uses: str,
    size: int = 10,
    pipeline: str = "p",
    protected: str | None = None,
    ended: bool = True,
) -> Candidate:
    """A run of so many days ago."""
    then = NOW - timedelta(days=days)
    return Candidate(
        name, pipeline, "SUCCEEDED", then, then if ended else None, size, protected, frozenset(uses)
    )


def removed(runs: list[Candidate], **policy: object) -> list[str]:
    return [each.id for each in choose(runs, Policy(**policy), NOW).removed]  # type: ignore[arg-type]  # made by hypothesis


WEEK = timedelta(days=7)


def test_what_is_older_goes_oldest_first() -> None:
    runs = [run("new", 1), run("older", 9), run("oldest", 30), run("limit", 7)]
    assert removed(runs, older_than=WEEK) == ["oldest", "older"]


def test_so_many_of_each_pipeline_stay() -> None:
    runs = [run("a1", 1), run("b3", 2, pipeline="q"), run("a2", 3), run("a3", 4), run("b4", 5, pipeline="q")]
    assert removed(runs, keep=1) == ["b4", "a3", "a2"]
    assert removed(runs, keep=1, pipeline="q") == ["b4"]
    assert removed(runs, keep=0) == ["b4", "a3", "a2", "b3", "a1"]


def test_the_oldest_go_until_the_rest_fits() -> None:
    runs = [run("a", 4, size=50), run("b", 3, size=30), run("c", 2, size=20), run("d", 1, size=5)]
    assert removed(runs, max_size=105) == []
    assert removed(runs, max_size=104) == ["a"]
    assert removed(runs, max_size=25) == ["a", "b"]
    assert removed(runs, max_size=0) == ["a", "b", "c", "d"]
    assert removed(runs, max_size=25, older_than=timedelta(days=2.5)) == ["a", "b"], "what goes anyway counts"


def test_what_is_protected_stays_and_says_why() -> None:
    choice = choose([run("a", 30, protected="it is pinned"), run("b", 20)], Policy(older_than=WEEK), NOW)
    assert ([each.id for each in choice.removed], choice.kept) == (["b"], {"a": "it is pinned"})


def test_what_made_the_results_of_runs_that_stay_stays() -> None:
    runs = [
        run("first", 40),
        run("second", 30, "first"),
        run("third", 1, "second"),
        run("other", 30, "first"),
    ]
    choice = choose(runs, Policy(older_than=WEEK), NOW)
    assert [each.id for each in choice.removed] == ["other"]
    assert choice.kept == {
        "second": "run third uses what it has made",
        "first": "run second uses what it has made",
    }
    assert removed(runs, keep=0) == ["first", "other", "second", "third"], "nobody is left to use them"


names = st.integers(0, 11).map(str)
worlds = st.dictionaries(
    names, st.tuples(st.integers(0, 30), st.integers(0, 50), st.booleans(), st.sets(names, max_size=3))
).map(
    lambda found: [
        run(name, days, *(uses - {name}), size=size, protected="pinned" if pin else None)
        for name, (days, size, pin, uses) in found.items()
    ]
)


@given(
    worlds,
    st.none() | st.integers(0, 30).map(lambda days: timedelta(days=days)),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 300),
)
def test_nothing_that_stays_loses_what_it_uses(
    runs: list[Candidate], age: timedelta | None, keep: int | None, size: int | None
) -> None:
    choice = choose(runs, Policy(age, keep, size), NOW)
    gone = {each.id for each in choice.removed}
    left = [each for each in runs if each.id not in gone]
    assert not any(each.protected for each in choice.removed)
    assert all(not (each.uses & gone) for each in left)
    assert not gone & choice.kept.keys()
    if size is not None and sum(each.size for each in left) > size:
        assert all(each.protected or each.id in choice.kept for each in left), "no more could go"
