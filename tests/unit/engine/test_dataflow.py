from pathlib import Path

import pytest

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.dataflow import MissingInputError, Produced, Scope, Values
from jupyter_kfp.engine.plan import Plan
from jupyter_kfp.store.records import NewArtifact
from tests.unit.engine.building import pipeline, shell, task

MODEL = Produced(NewArtifact("m", "system.Model", "/m"), 7, Path("/m"))


def plan(**inputs: object) -> Plan:
    made = {"o": "NUMBER_INTEGER", "m": "system.Model"}
    tasks = {"a": task(shell("x"), outputs=made), "b": task(shell("x"), inputs=inputs)}
    return ir.read(
        pipeline(
            tasks, parameters={"n": "NUMBER_INTEGER", "s": ("STRING", "q")}, outputs={"r": "a.o", "t": "a:m"}
        )
    )


def inputs_of_b(plan: Plan, scope: Scope) -> Values:
    task = plan.dag.tasks["b"]
    return scope.inputs(task, plan.component(task), {"pipeline_job_name": "pipe"})


def test_values_come_from_parameters_tasks_and_constants() -> None:
    read = plan(x="$n", y="a.o", z=2, m="a:m")
    scope = Scope(Values({"n": 1}))
    scope.add("a", Values({"o": 5.0}, {"m": (MODEL,)}))
    values = inputs_of_b(read, scope)
    assert repr(dict(sorted(values.parameters.items()))) == "{'x': 1, 'y': 5, 'z': 2}"
    assert values.artifacts == {"m": (MODEL,)}


def test_texts_of_constants_may_refer_to_the_other_inputs_but_values_may_not() -> None:
    read = plan(x="$s", text="{{$.inputs.parameters['x']}} of {{$.pipeline_job_name}}")
    values = inputs_of_b(read, Scope(Values({"s": "{{$.pipeline_job_name}}"})))
    assert values.parameters["x"] == "{{$.pipeline_job_name}}"
    assert values.parameters["text"] == "{{$.pipeline_job_name}} of pipe"


def test_an_output_that_was_not_made_is_named() -> None:
    scope = Scope(Values())
    scope.add("a", Values())
    with pytest.raises(
        MissingInputError, match="'y' of 'b' has no value: the task 'a' did not produce its output 'o'"
    ):
        inputs_of_b(plan(y="a.o"), scope)
    with pytest.raises(MissingInputError, match="'m' of 'b' has no value: the task 'a' did not produce"):
        inputs_of_b(plan(m="a:m"), scope)
    with pytest.raises(MissingInputError, match="the pipeline's input 'n' was not given"):
        inputs_of_b(plan(x="$n"), scope)


def test_an_optional_input_without_a_value_is_left_out() -> None:
    assert inputs_of_b(plan(x="$s"), Scope(Values())).parameters == {}
    assert inputs_of_b(plan(x="$s"), Scope(Values({"s": None}))).parameters == {}


def test_outputs_of_the_pipeline_are_those_that_exist() -> None:
    read = plan()
    scope = Scope(Values())
    assert scope.outputs(read.dag) == Values()
    scope.add("a", Values({"o": 1}, {"m": (MODEL,)}))
    assert scope.outputs(read.dag) == Values({"r": 1}, {"t": (MODEL,)})
