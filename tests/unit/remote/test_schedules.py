"""Times of schedules."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote.schedules import When, checked, next_times

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("given_", "sent"),
    [("0 3 * * *", "0 0 3 * * *"), ("15 0 3 * * 1-5", "15 0 3 * * 1-5"), ("@daily", "0 0 0 * * *")],
)
def test_five_fields_become_six(given_: str, sent: str) -> None:
    """KFP would read the first of five as the second."""
    assert checked(When(cron=given_)).cron == sent


@pytest.mark.parametrize(
    "when",
    [
        When(),
        When(cron="* * * * *", interval=5),
        When(cron="often"),
        When(cron="61 * * * *"),
        When(cron="0 0 30 2 *"),
        When(interval=0),
        When(interval=5, concurrency=11),
        When(interval=5, start=NOW, end=NOW),
    ],
)
def test_what_never_comes_is_refused(when: When) -> None:
    with pytest.raises(UsageError):
        checked(when)


def test_next_times_of_a_cron_expression() -> None:
    when = checked(When(cron="0 3 * * *", end=datetime(2026, 3, 3, 4, tzinfo=timezone.utc)))
    found = next_times(when, NOW, NOW, 3)
    assert [f"{moment:%d %H:%M:%S}" for moment in found] == ["02 03:00:00", "03 03:00:00"]


@given(st.integers(1, 10**6), st.integers(0, 10**7), st.integers(1, 5))
def test_next_times_of_an_interval_are_after_now_and_on_its_grid(step: int, passed: int, count: int) -> None:
    start = NOW - timedelta(seconds=passed)
    found = next_times(When(interval=step), start, NOW, count)
    assert len(found) == count
    assert found[0] > NOW >= found[0] - timedelta(seconds=step)
    assert all((moment - start).total_seconds() % step == 0 for moment in found)
