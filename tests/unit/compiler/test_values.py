"""Texts and numbers arrive exactly as written, or are refused."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_kfp.compiler import compile_pipeline, text
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.options import StepOptions
from jupyter_kfp.pipeline import Code, Json, Parameter, ParameterType, Pipeline, Step, ValueType

from .cases import FLOAT, STRING, Compiled, compiled, one_parameter, one_step, step_json

pytestmark = pytest.mark.usefixtures("plain_payload")

AWKWARD = [
    "",
    " ",
    "it's",
    'say "hi"',
    "$HOME ${x} $(y) $$",
    "{{ workflow.name }} {{x}} {{",
    "{% raw %}",
    "line\nbreak\n",
    "\n\n  indented\n\ttab\r\n",
    "trailing \nblank",
    "back\\slash \\n \\",
    "ünïcødé 数据 😀",
    "\u2028 \x85 \x00 \x07 \ufeff",
    "# not a comment",
    "---\n...\n",
    "key: value",
    "- item",
    "&anchor *alias !tag %dir @at `tick",
    *(
        "1e3",
        "0o17",
        "0x1F",
        "1_000",
        "12:30:45",
        ".5",
        "+1",
        "1.",
        "2026-01-01",
        "y",
        "No",
        "ON",
        "null",
        "~",
        "<<",
        "=",
    ),
    *("true", "NaN", ".inf", "Infinity", "'", '"', "''", "?", ":", "[]", "{}", ">", "|", "|-"),
    "x" * 5000,
]

# Hypothesis runs the function many times in one test; the payload is the same all along.
relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(max_size=60).filter(lambda s: "{{$" not in s)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def default_of(ir: Compiled) -> Json:
    return ir.spec["root"]["inputDefinitions"]["parameters"]["p"]["defaultValue"]


@pytest.mark.parametrize("value", AWKWARD)
def test_awkward_texts_survive_everywhere(value: str) -> None:
    step = Step(
        "s",
        (Code(value, 0),),
        options=StepOptions(env={"A": value}, annotations={"note": value}, display_name=value or "s"),
    )
    pipeline = Pipeline("p", (step,), (Parameter("p", STRING, value),), description=value)
    ir = compiled(pipeline)
    assert default_of(ir) == value
    assert ir.env("s") == {"A": value}
    assert ir.kubernetes("s")["podMetadata"]["annotations"] == {"note": value}
    assert ir.task("s")["taskInfo"]["name"] == (value or "s")
    assert step_json(ir, "s")["cells"][0]["source"] == value
    assert ir.spec["pipelineInfo"].get("description", "") == value


@given(value=json_values)
@relaxed
def test_any_default_survives(value: Json) -> None:
    kind = {dict: ParameterType.DICT, list: ParameterType.LIST, str: ParameterType.STRING}.get(type(value))
    wrapped = value if kind else {"value": value}
    default = default_of(
        compiled(one_parameter(Parameter("p", ValueType(kind or ParameterType.DICT), wrapped)))
    )
    assert default == wrapped


@given(value=texts, source=st.text(max_size=80))
@relaxed
def test_any_text_survives_in_environment_and_source(value: str, source: str) -> None:
    step = Step("s", (Code(source, 0),), options=StepOptions(env={"A": value}))
    ir = compiled(Pipeline("p", (step,)))
    assert ir.env("s") == {"A": value}
    assert step_json(ir, "s")["cells"][0]["source"] == source


# The one difference between the emitters is how they write keys that are empty or hold line breaks.
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60)


@given(document=st.dictionaries(printable, texts | numbers | st.lists(texts) | st.none(), max_size=6))
@relaxed
def test_yaml_is_the_same_with_and_without_libyaml(document: dict[str, Json]) -> None:
    class Pure(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    Pure.add_representer(str, text._represent_text)
    Pure.add_representer(dict, text._represent_mapping)
    options = {"sort_keys": True, "width": 1_000_000_000}
    assert yaml.dump(document, Dumper=Pure, **options) == yaml.dump(document, Dumper=text._Dumper, **options)


@pytest.mark.parametrize("value", ["1e3", "0o17", "y", "N", "12e03", "1.", "0b1"])
def test_texts_other_yaml_parsers_take_for_something_else_are_quoted(value: str) -> None:
    assert f'defaultValue: "{value}",' in compile_pipeline(one_parameter(Parameter("p", STRING, value)))


def test_the_header_cannot_break_out_of_its_comment() -> None:
    parameter = Parameter("p", STRING, "a\nroot: {}\u2028b\x07")
    pipeline = one_parameter(parameter)
    header = [line for line in compile_pipeline(pipeline).splitlines() if line.startswith("#")]
    assert header[-1] == r'#    p: str [Default: "a\nroot: {}\u2028b\u0007"]'


@pytest.mark.parametrize(
    "value",
    ["{{$.inputs.parameters['x']}}", "a {{$}} b", ["{{$.pipeline_job_name}}"], {"k": {"{{$.x}}": 1}}],
)
def test_placeholders_are_refused(value: Json) -> None:
    kind = {dict: ParameterType.DICT, list: ParameterType.LIST, str: ParameterType.STRING}[type(value)]
    with pytest.raises(DiagnosticsError, match=r"cell 3, line 2: .*'p'.*placeholder"):
        compile_pipeline(one_parameter(Parameter("p", ValueType(kind), value, cell=2, line=2)))


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (ParameterType.INTEGER, 2**53 + 1, "round"),
        (ParameterType.INTEGER, 10**400, "round"),
        (ParameterType.FLOAT, math.inf, "JSON"),
        (ParameterType.FLOAT, math.nan, "JSON"),
        (ParameterType.INTEGER, 1.5, "is a float, not int"),
        (ParameterType.INTEGER, True, "is a bool, not int"),
        (ParameterType.STRING, 3, "is a int, not str"),
        (ParameterType.DICT, {1: 2}, "keys are str"),
        (ParameterType.LIST, [b"x"], "bytes"),
        (ParameterType.STRING, "\ud800", "surrogate"),
    ],
)
def test_defaults_that_would_change_are_refused(kind: ParameterType, value: Json, why: str) -> None:
    with pytest.raises(DiagnosticsError, match=why):
        compile_pipeline(one_parameter(Parameter("p", ValueType(kind), value)))


def test_whole_numbers_are_good_defaults_of_a_float() -> None:
    assert default_of(compiled(one_parameter(Parameter("p", FLOAT, 1)))) == 1


def test_large_exact_integers_survive() -> None:
    parameter = Parameter("p", ValueType(ParameterType.INTEGER), 2**60)
    assert int(default_of(compiled(one_parameter(parameter)))) == 2**60  # type: ignore[arg-type]


def test_environment_keeps_its_order() -> None:
    assert list(compiled(one_step(env={"B": "1", "A": "2"})).env("train")) == ["B", "A"]
