from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jupyter_kfp.options import PipelineOptions, StepOptions, merge, parse_duration

ODD: list[Any] = [
    3, -1, 1.5, True, None, float("inf"), float("nan"), 10**400, "9" * 5000, "9" * 5000 + "h", "", " ", "²", b"x",
    [1], [None], [[1]], [True], {}, {"a": 1}, {"a": None}, {1: 2}, [{"a": {}}], ("a", "b"), "a=b", "a:b",
]  # fmt: skip


@pytest.mark.parametrize("name", StepOptions.model_fields)
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_whatever_is_given_is_taken_or_refused_as_a_value(name: str, value: Any) -> None:
    try:
        StepOptions(**{name: value})
    except ValidationError as error:
        assert error.errors()[0]["msg"]  # noqa: PT017 - only this error is allowed, whichever value raises it


@pytest.mark.parametrize("name", ["packages", "image_pull_secret"])
@pytest.mark.parametrize("value", [3, None, {"a": 1}, [None], [["a"]], b"x"])
def test_what_is_no_list_of_texts(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=r"list of texts|quote it"):
        StepOptions(**{name: value})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(90, 90), (90.0, 90), ("90", 90), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), (" 2d ", 172800)],
)
def test_durations(value: Any, seconds: int) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        0,
        -3,
        "0s",
        0.5,
        "1.5s",
        "soon",
        "1 hour",
        "1m30",
        True,
        None,
        float("inf"),
        10**400,
        "9" * 400 + "h",
        "٣",
    ],
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@given(st.text())
def test_no_text_breaks_a_duration(text: str) -> None:
    try:
        assert parse_duration(text) > 0
    except ValueError as error:
        assert "duration" in str(error)  # noqa: PT017 - either is right


@given(
    days=st.integers(0, 99), hours=st.integers(0, 99), minutes=st.integers(0, 99), seconds=st.integers(1, 99)
)
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    expected = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == expected


def test_compact_and_mapping_forms_are_equal() -> None:
    compact = StepOptions(
        secret="creds:password=DB_PASSWORD", volume="data/raw=/mnt/raw:ro", empty_dir="/scratch:10Gi:Memory",
        tolerations="gpu=true:NoSchedule", env=["A=1", "B=x=y"], labels="team=ml", outputs="model:Model, n",
        packages="pandas>=2,<3 xgboost[gpu,cpu]",
    )  # fmt: skip
    mapping = StepOptions(
        secret={"name": "creds", "key": "password", "env": "DB_PASSWORD"},
        volume={"pvc": "data", "sub_path": "raw", "mount_path": "/mnt/raw", "read_only": True},
        empty_dir={"mount_path": "/scratch", "size": "10Gi", "medium": "Memory"},
        tolerations={"key": "gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
        env={"A": 1, "B": "x=y"}, labels={"team": "ml"}, outputs={"model": "Model", "n": None},
        packages=["pandas>=2,<3", "xgboost[gpu,cpu]"],
    )  # fmt: skip
    assert compact == mapping


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memory": "8 G"}, "Kubernetes quantity"),
        ({"env": {"1A": "x"}}, "environment variable"),
        ({"env": "A"}, "has no value"),
        ({"env": {"A": None}}, "quote it"),
        ({"secret": "creds"}, "NAME:KEY=VARIABLE"),
        ({"secret": {"name": "creds"}}, "env .* or mount_path"),
        ({"secret": {"name": "creds", "env": "A"}}, "needs the key"),
        ({"volume": "data=relative"}, "CLAIM"),
        ({"empty_dir": "scratch"}, "MOUNT/PATH"),
        ({"accelerator": "nvidia.com/gpu"}, "needs gpu"),
        ({"backoff": "3s"}, "needs retries"),
        ({"outputs": "1a"}, "not a Python name"),
        ({"memroy": "8G"}, "Extra inputs"),
        ({"retries": -1}, "greater than or equal to 0"),
    ],
)
def test_wrong_options_say_what_is_wrong(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        StepOptions(**options)


@pytest.mark.parametrize(
    ("value", "cache"), [("on", True), ("OFF", False), (True, True), (False, False), ("24h", 86400), (60, 60)]
)
def test_caching(value: Any, cache: bool | int) -> None:
    assert StepOptions(cache=value).cache == cache


def test_the_nearest_wins_and_lists_are_joined() -> None:
    merged = merge(
        StepOptions(memory="1G", env={"A": "1", "B": "1"}, packages="x y", cpu=1),
        StepOptions(memory="2G", env={"B": "2"}, packages="y z"),
        StepOptions(),
    )
    assert (merged.memory, merged.cpu) == ("2G", "1")
    assert merged.env == {"A": "1", "B": "2"}
    assert merged.packages == ("x", "y", "z")
    assert merged.model_fields_set == {"memory", "env", "packages", "cpu"}
    with pytest.raises(ValidationError):
        merge(StepOptions(retries=1, backoff=3), StepOptions(retries=0))


def test_every_option_is_described() -> None:
    for model in (StepOptions, PipelineOptions):
        assert all(field.description for field in model.model_fields.values())
