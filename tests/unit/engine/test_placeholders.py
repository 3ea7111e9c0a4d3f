import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.engine.placeholders import resolve_command, resolve_text

CONTEXT = {"pipeline_job_name": "pipe", "pipeline_task_uuid": "r/t/1"}


def message(**parameters: object) -> dict[str, object]:
    artifact = {"name": "d", "type": {}, "uri": "/in/d", "metadata": {"rows": 3}}
    made = {"name": "m", "type": {}, "uri": "/out/m", "metadata": {}}
    return {
        "inputs": {"parameterValues": parameters, "artifacts": {"d": {"artifacts": [artifact]}}},
        "outputs": {
            "parameters": {"p": {"outputFile": "/out/p"}},
            "artifacts": {"m": {"artifacts": [made]}},
            "outputFile": "/out/executor_output.json",
        },
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{$.inputs.parameters['s']}}", "it's"),
        ('{{$.inputs.parameters["s"]}}!', "it's!"),
        ("-n={{$.inputs.parameters['n']}}", "-n=3"),
        ("{{$.inputs.parameters['x']}}", "3.0"),
        ("{{$.inputs.parameters['l']}}", '[1, 2.0, "a"]'),
        ("{{$.inputs.parameters['none']}}", "null"),
        ("{{$.inputs.artifacts['d'].path}}:{{$.inputs.artifacts['d'].uri}}", "/in/d:/in/d"),
        ("{{$.inputs.artifacts['d'].metadata['rows']}}", "3"),
        ("{{$.outputs.artifacts['m'].path}}", "/out/m"),
        ("{{$.outputs.parameters['p'].output_file}}", "/out/p"),
        ("{{$.outputs.output_file}}", "/out/executor_output.json"),
        ("{{$.pipeline_job_name}}/{{$.pipeline_task_uuid}}", "pipe/r/t/1"),
        ("{{ $ }} {{$ and {{x}}", "{{ $ }} {{$ and {{x}}"),
    ],
)
def test_each_placeholder(text: str, expected: str) -> None:
    assert resolve_text(text, message(s="it's", n=3, x=3.0, l=[1, 2.0, "a"]), CONTEXT) == expected


def test_the_whole_executor_input_is_json() -> None:
    assert json.loads(resolve_text("{{$}}", message(s='"\n'), CONTEXT)) == message(s='"\n')


def test_json_escaping_puts_it_inside_json_strings() -> None:
    escaped = resolve_text('{"a": "{{$.json_escape[1]}}"}', message(s='"'), CONTEXT)
    assert json.loads(json.loads(escaped)["a"]) == message(s='"')
    value = resolve_text("\"{{$.inputs.parameters['s'].json_escape[1]}}\"", message(s='a"b\n'), CONTEXT)
    assert json.loads(value) == 'a"b\n'


@given(value=st.text() | st.just("{{$.inputs.parameters['t']}}") | st.just("{{$}}"))
def test_a_value_is_never_taken_for_a_placeholder(value: str) -> None:
    found = resolve_text("{{$.inputs.parameters['s']}}", message(s=value, t="secret"), CONTEXT)
    assert found == value


@pytest.mark.parametrize(
    "text", ["{{$.nothing}}", "{{$.outputs.artifacts['z'].path}}", "{{$.inputs.artifacts['z'].uri}}"]
)
def test_a_placeholder_without_a_value_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"the placeholder .* has no value here"):
        resolve_text(text, message(), CONTEXT)


def test_the_value_of_an_artifact_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("inside")
    given_ = message()
    given_["inputs"]["artifacts"]["d"]["artifacts"][0]["uri"] = str(tmp_path / "d")  # type: ignore[index]
    assert resolve_text("{{$.inputs.artifacts['d'].value}}", given_, CONTEXT) == "inside"


def test_concat_and_if_present() -> None:
    x = "{{$.inputs.parameters['x']}}"
    words = [
        "cmd",
        json.dumps({"Concat": ["a", x, "b", {"IfPresent": {"InputName": "gone", "Then": "c"}}]}),
        json.dumps({"IfPresent": {"InputName": "x", "Then": ["--x", x], "Else": ["no"]}}),
        json.dumps(
            {"IfPresent": {"InputName": "gone", "Then": ["--y"], "Else": ["--z", {"Concat": ["1", "2"]}]}}
        ),
        json.dumps({"IfPresent": {"InputName": "gone", "Then": ["--y"]}}),
        json.dumps({"IfPresent": {"InputName": "d", "Then": "artifact"}}),
    ]
    resolved = resolve_command(words, message(x='q"}'), CONTEXT)
    assert resolved == ["cmd", 'aq"}b', "--x", 'q"}', "--z", "12", "artifact"]
