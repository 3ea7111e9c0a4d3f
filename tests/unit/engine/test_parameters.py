import pytest

from jupyter_kfp.engine.parameters import parse_texts, validate
from jupyter_kfp.engine.plan import ParameterKind, ParameterSpec
from jupyter_kfp.errors import UsageError
from tests.planted import credentials

PLANTED = credentials()
SPECS = {
    "n": ParameterSpec(ParameterKind.NUMBER_INTEGER),
    "x": ParameterSpec(ParameterKind.NUMBER_DOUBLE, optional=True, has_default=True, default=0.5),
    "s": ParameterSpec(ParameterKind.STRING, optional=True),
    "b": ParameterSpec(ParameterKind.BOOLEAN, optional=True, has_default=True, default=False),
    "l": ParameterSpec(ParameterKind.LIST, optional=True),
    "d": ParameterSpec(ParameterKind.STRUCT, optional=True),
    "mode": ParameterSpec(ParameterKind.STRING, optional=True, literals=("fast", "slow")),
}


def test_defaults_are_filled_in_and_optional_ones_left_out() -> None:
    assert validate(SPECS, {"n": 1}) == {"n": 1, "x": 0.5, "b": False}


def test_none_for_an_optional_parameter_means_that_it_is_not_there() -> None:
    assert validate(SPECS, {"n": 1, "s": None, "x": None}) == {"n": 1, "b": False}


def test_numbers_get_the_declared_type() -> None:
    values = validate(SPECS, {"n": 3.0, "x": 2, "l": [1, 2.0]})
    assert [repr(values[name]) for name in "nxl"] == ["3", "2.0", "[1, 2.0]"]


def test_an_unknown_parameter_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no parameter 'm'\. Its parameters: n \(int\), x \(float\)"):
        validate(SPECS, {"n": 1, "m": 2})


def test_a_missing_parameter_is_named_with_its_type() -> None:
    with pytest.raises(UsageError, match=r"'n' \(int\) has no value\. Give one with -p n=VALUE"):
        validate(SPECS, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", "3"), ("n", 3.5), ("n", True), ("x", False), ("x", "0.1"), ("s", 1), ("b", 1), ("b", "true"), ("l", "[]"),
     ("l", (1,)), ("d", []), ("n", None)],
)  # fmt: skip
def test_a_value_of_another_type_is_named_with_both_types(name: str, value: object) -> None:
    kind = SPECS[name].kind.python_name
    with pytest.raises(
        UsageError, match=rf"'{name}' is of type {kind}, but got .*\({type(value).__name__}\)"
    ):
        validate(SPECS, {"n": 1, name: value})


def test_what_json_cannot_carry_is_refused() -> None:
    with pytest.raises(UsageError, match="'l' holds something that JSON cannot carry"):
        validate(SPECS, {"n": 1, "l": [{1, 2}]})


def test_a_value_outside_the_literals_is_answered_with_them() -> None:
    assert validate(SPECS, {"n": 1, "mode": "fast"})["mode"] == "fast"
    with pytest.raises(UsageError, match="It is one of 'fast', 'slow'"):
        validate(SPECS, {"n": 1, "mode": "medium"})


def test_typed_texts_become_values_by_type() -> None:
    texts = {"n": "3", "x": "1e-3", "s": "3", "b": "True", "l": "[1, 2.5]", "d": '{"a": null}'}
    assert parse_texts(SPECS, texts) == {
        "n": 3,
        "x": 0.001,
        "s": "3",
        "b": True,
        "l": [1, 2.5],
        "d": {"a": None},
    }
    assert parse_texts(SPECS, {"n": "many", "unknown": "x"}) == {"n": "many", "unknown": "x"}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_secret_is_no_parameter(kind: str) -> None:
    value = PLANTED[kind]
    for given in ({"s": value}, {"l": [1, value]}, {"d": {"a": {"b": value}}}):
        with pytest.raises(
            UsageError, match=r"parameter '[sld]' seems to be a secret .*option `secret:"
        ) as refused:
            validate(SPECS, {"n": 1, **given})
        assert not any(line in str(refused.value) for line in value.split("\n"))


def test_a_secret_of_another_type_is_not_repeated() -> None:
    for given in ({"n": PLANTED["github"]}, {"n": 1, "mode": PLANTED["github"]}):
        with pytest.raises(UsageError, match="what seems to be a secret") as refused:
            validate(SPECS, given)
        assert PLANTED["github"] not in str(refused.value)


def test_what_seems_to_be_a_secret_may_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = {"db_password": ParameterSpec(ParameterKind.STRING, has_default=True, default="hunter2")}
    assert validate(specs, {"db_password": "hunter2"}), (
        "the default, of which the notebook's check has its own opinion"
    )
    with pytest.raises(UsageError, match="JUPYTER_KFP_ALLOW_SECRETS='db_password=the reason why'"):
        validate(specs, {"db_password": "hunter3"})
    monkeypatch.setenv("JUPYTER_KFP_ALLOW_SECRETS", "db_password=of the local database")
    assert validate(specs, {"db_password": "hunter3"}) == {"db_password": "hunter3"}
