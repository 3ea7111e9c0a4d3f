from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.views.lanes import ASCII, UNICODE, rows
from jupyter_kfp.views.ordering import Link, chained, natural, reduced, topological

ITEMS = [f"i{index}" for index in range(9)]
links = st.sets(
    st.tuples(st.integers(0, 8), st.integers(0, 8))
    .filter(lambda pair: pair[0] < pair[1])
    .map(lambda pair: (ITEMS[pair[0]], ITEMS[pair[1]]))
)


def reachable(found: set[Link]) -> set[Link]:
    closed = set(found)
    while True:
        more = {(a, d) for a, b in closed for c, d in closed if b == c} - closed
        if not more:
            return closed
        closed |= more


@given(links)
def test_orders_put_upstream_first(found: set[Link]) -> None:
    for ordered in (topological(reversed(ITEMS), found), chained(ITEMS, found)):
        assert sorted(ordered) == sorted(ITEMS)
        assert all(ordered.index(source) < ordered.index(target) for source, target in found)


@given(links)
def test_reduced_links_keep_every_order_and_none_is_superfluous(found: set[Link]) -> None:
    kept = reduced(ITEMS, found)
    assert kept <= found
    assert reachable(kept) == reachable(found)
    assert all((reachable(kept - {link})) != reachable(found) for link in kept)


@given(links)
def test_every_item_has_one_row_and_a_lane_of_its_own(found: set[Link]) -> None:
    for signs in (UNICODE, ASCII):
        drawn = [row for row in rows(ITEMS, found, signs) if row.item]
        ordered = [row.item for row in drawn]
        assert sorted(ITEMS) == sorted(map(str, ordered))
        assert all(ordered.index(source) < ordered.index(target) for source, target in found)
        assert all(row.lanes[row.at] == signs.lane for row in drawn)


def test_a_branch_goes_to_its_end_before_the_next_begins() -> None:
    found = [("i0", "i1"), ("i1", "i2"), ("i0", "i3"), ("i3", "i4"), ("i2", "i5"), ("i4", "i5")]
    assert chained(ITEMS[:6], found) == ["i0", "i1", "i2", "i3", "i4", "i5"]


def test_numbers_in_names_count() -> None:
    names = ["step-1", "step-2", "step-10", "x"]
    assert all(natural(one) < natural(other) for one, other in pairwise(names))
