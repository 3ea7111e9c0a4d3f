"""What steps in loops, after them, on exit and beside foreign components get and leave."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.runtime.conftest import Outcome, Steps, make_step

ANY = {"type": "Artifact"}


def ran(steps: Steps, step: dict[str, Any], parameters: dict[str, Any] | None = None, **more: str) -> Outcome:
    outcome = steps.run(step, parameters, **more)
    assert outcome.status == 0, outcome.log
    return outcome


def collect(steps: Steps, name: str, made: str, *outcomes: Outcome) -> None:
    """The list of artifacts that a loop's iterations left, as the input ``name`` of the steps after it."""
    found = [outcome.output["artifacts"][made]["artifacts"][0] for outcome in outcomes]
    steps.artifacts[name] = {"artifacts": found}


def test_lists_of_artifacts_are_lists_of_values_and_stay_the_same_objects(steps):
    ran(steps, make_step("before", "base = {'k': [1]}", outputs={"base": ANY}))
    again = []
    for number in range(3):
        code = f"model = [{number}]\nsame = base"
        step = make_step(
            f"train{number}", code, inputs={"base": "Artifact"}, outputs={"model": ANY, "same": ANY}
        )
        again.append(ran(steps, step))
    collect(steps, "models", "model", *again)
    collect(steps, "bases", "same", *again)
    use = make_step(
        "use",
        "assert models == [[0], [1], [2]] and scores == [1.0, 2.5]\n"
        "assert all(b is base for b in bases)\nbest = models[1]",
        parameters={"scores": "list[float]"},
        inputs={"models": "list[Model]", "bases": "list[Artifact]", "base": "Artifact"},
        outputs={"best": ANY},
    )
    used = ran(steps, use, {"scores": [1, 2.5]})
    assert used.metadata("best")["object"] == again[1].output["artifacts"]["model"]["artifacts"][0]["uri"]


def test_an_item_is_picked_from_the_list_by_its_index(steps):
    ran(steps, make_step("make", "item_values = [{'lr': 0.1}, {1, 2}]", outputs={"item_values": ANY}))
    for index, check in enumerate(("assert item.lr == 0.1 and found == 0.1", "assert item == {1, 2}")):
        step = make_step(
            f"read{index}",
            check + "\nassert 'item_values' not in globals()",
            preamble="found = item.lr" if index == 0 else "",
            early=["item"] if index == 0 else [],
            parameters={"item": "int"},
            inputs={"item_values": "Artifact"},
            picks={"item": "item_values"},
        )
        ran(steps, step, {"item": float(index)})


def test_items_that_travel_as_json(steps):
    step = make_step(
        "read",
        "assert item.name == 'a' and item['n'] == [1, 2.0] and type(item['n'][0]) is int",
        "assert other is None and text == '[1]' and early == 'a'",
        preamble="early = item.name",
        early=["item"],
        parameters={"item": "str", "other": "str", "text": "str"},
        json=["item", "other"],
    )
    item = json.dumps({"name": "a", "n": [1, 2.0]})
    ran(steps, step, {"item": item, "other": "null", "text": "[1]"})


def test_the_exit_step_knows_the_status(steps):
    error = {"code": 9.0, "message": "it broke"}
    told = {
        "state": "FAILED",
        "error": error,
        "pipelineJobResourceName": "run-1",
        "pipelineTaskName": "exit-handler-1",
    }
    check = (
        "assert status.state == 'FAILED' and status.error_code == 9 and status.error_message == 'it broke'\n"
        "assert status.pipeline_job_resource_name == 'run-1' and status.pipeline_task_name == 'exit-handler-1'"
    )
    ran(steps, make_step("failed", check, status="status"), {"status": told})
    ran(steps, make_step("text", check, status="status"), {"status": json.dumps(told)})
    good = (
        "assert (status.state, status.error_code, status.error_message) == ('SUCCEEDED', None, None), status"
    )
    ran(steps, make_step("good", good, status="status"), {"status": {"state": "SUCCEEDED"}})


def test_files_of_foreign_components_are_artifact_objects(steps, tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    artifact = {"name": "table", "uri": str(file), "metadata": {"rows": 1, "source": "crm"}}
    steps.artifacts["table"] = {"artifacts": [artifact]}
    step = make_step(
        "read",
        "assert type(table).__name__ == 'Dataset' and table.name == 'table' and table.metadata == {'rows': 1, 'source': 'crm'}",
        f"assert open(table.path).read() == 'a\\n1\\n' and table.uri == {str(file)!r}\nsame = table",
        inputs={"table": "Dataset"},
        outputs={"same": {"type": "Dataset"}},
    )
    made = ran(steps, step)
    assert (made.place / "same").read_text() == "a\n1\n"


def test_a_step_without_code_hands_on_its_inputs_as_they_are(steps):
    values = {"df": {"type": "Dataset"}, "rows": ANY, "box": ANY, "maybe": {**ANY, "optional": True}}
    made = ran(
        steps,
        make_step(
            "make",
            "import pandas as pd\ndf = pd.DataFrame({'a': [1]})\nrows = [1]\nbox = {'rows': rows}",
            outputs=values,
            ports={"box": "box_1"},
        ),
    )
    steps.artifacts["was"] = steps.artifacts["rows"]
    carry = {
        "step": "carry",
        "parameters": {"n": "int", "note": "str"},
        "inputs": dict.fromkeys(values, "Artifact"),
        "outputs": {**values, "n": {"type": "int"}, "note": {"type": "str"}},
        "ports": {"box": "box_1"},
    }
    # Without papermill, and without looking inside.
    carried = ran(steps, carry, {"n": 3, "note": "x"}, PYTHONPATH=str(_without(steps.root, "papermill")))
    assert carried.output["parameterValues"] == {"n": 3, "note": "x"}
    for name in ("df", "rows", "box_1", "maybe"):
        assert carried.metadata(name) == {"object": str(made.place / name), **made.metadata(name)}
    check = "assert was is rows is box['rows'] and 'maybe' not in globals() and df.a.sum() == 1"
    reads = dict.fromkeys([*values, "was"], "Artifact")
    ran(steps, make_step("use", check, inputs=reads, ports={"box": "box_1"}))


def _without(root: Any, name: str) -> Any:
    place = root / "broken"
    place.mkdir()
    (place / f"{name}.py").write_text("raise ImportError")
    return place


def test_a_step_without_code_whose_value_changes_its_kind(steps):
    carry = {"step": "carry", "parameters": {"n": "int"}, "outputs": {"n": ANY}}
    assert ran(steps, carry, {"n": 3}).metadata("n")["serializer"] == "json"


def test_an_empty_loop_leaves_an_empty_list(steps):
    collect(steps, "models", "model")
    ran(steps, make_step("use", "assert models == []", inputs={"models": "list[Model]"}))


def test_a_step_without_code_makes_one_artifact_of_a_list(steps):
    made = [ran(steps, make_step(f"make{n}", f"part = [{n}]", outputs={"part": ANY})) for n in range(2)]
    collect(steps, "part", "part", *made)
    ran(steps, make_step("keep", inputs={"part": "list[Artifact]"}, outputs={"part": ANY}))
    ran(steps, make_step("use", "assert part == [[0], [1]]", inputs={"part": "Artifact"}))


def test_a_list_of_which_an_iteration_left_nothing(steps):
    made = [
        ran(steps, make_step(f"make{n}", f"if {n}: part = 1", outputs={"part": ANY | {"optional": True}}))
        for n in range(2)
    ]
    collect(steps, "parts", "part", *made)
    outcome = steps.run(make_step("use", "parts", inputs={"parts": "list[Artifact]"}), None)
    assert "Not every iteration bound what 'parts' collects" in outcome.output["error"]["message"]
