"""What changed between two versions."""

from jupyter_kfp.remote import package
from jupyter_kfp.remote.changes import changes
from tests.unit.compiler.cases import compiled, one_step, training_pipeline
from tests.unit.engine.building import pipeline, python, task


def told(before: str, after: str) -> list[str]:
    return [str(change) for change in changes(package.read(before), package.read(after))]


def test_the_same_has_no_changes() -> None:
    text = compiled(training_pipeline()).text
    assert told(text, text) == []


def test_tasks_parameters_and_outputs_that_came_and_went() -> None:
    before = pipeline({"a": task(python("pass"))}, parameters={"n": "STRING", "old": "STRING"})
    after = pipeline({"b": task(python("pass"))}, parameters={"n": "BOOLEAN", "new": "STRING"})
    found = told(before, after)
    assert set(found) == {
        'parameter n: type "STRING" → "BOOLEAN"',
        "parameter old removed",
        "parameter new added",
        "task a removed",
        "task b added",
    }


def test_code_and_options_of_a_task() -> None:
    assert any(line.startswith("task a: code") for line in told(
        pipeline({"a": task(python("pass"))}), pipeline({"a": task(python("pass # more"))})
    ))  # fmt: skip
    found = told(
        compiled(one_step(memory="1Gi")).text, compiled(one_step(memory="2Gi", node_selector={"a": "b"})).text
    )
    assert any("resources" in line for line in found)
    assert any("nodeSelector" in line for line in found)


def test_lines_of_code_where_they_are_known() -> None:
    given = package.read(pipeline({"a": task(python("pass"))}))
    (change,) = changes(given, given, ({"a": "x = 1\ny = 2"}, {"a": "x = 1\ny = 3"}))
    assert change.lines[-2:] == ("-y = 2", "+y = 3")
