"""The items of loops, and the lists that come out of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine.dataflow import InputError, Produced, Values
from jupyter_kfp.engine.ir import integral
from jupyter_kfp.engine.plan import Component, Dag, Iterator, Plan, Task, TaskOutput

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json


def items(task: Task, component: Component, inputs: Values) -> list[Values]:
    """What goes into each iteration of a loop: the loop's own inputs, and its item.

    Raises InputError if what it is to go over is no list.
    """
    iterator = task.iterator
    assert iterator is not None, "only loops have items"
    if iterator.artifacts:
        found = inputs.artifacts.get(iterator.items, ())
        return [
            replace(inputs, artifacts={**inputs.artifacts, iterator.item_input: (each,)}) for each in found
        ]
    spec = component.input_parameters.get(iterator.item_input)
    values = [integral(item, spec.kind) if spec else item for item in _listed(task, iterator, inputs)]
    return [replace(inputs, parameters={**inputs.parameters, iterator.item_input: value}) for value in values]


def _listed(task: Task, iterator: Iterator, inputs: Values) -> list[Any]:
    value: Json = iterator.items if iterator.is_constant else inputs.parameters.get(iterator.items)
    if isinstance(value, str):  # in the IR, and where a component wrote its list as text
        try:
            value = json.loads(value)
        except ValueError:
            raise _no_list(task, value) from None
    if not isinstance(value, list):
        raise _no_list(task, value)
    return value


def _no_list(task: Task, value: Json) -> InputError:
    text = json.dumps(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return InputError(f"The loop {task.display_name!r} is to go over {shown}, which is no list.")


def collected(plan: Plan, dag: Dag, iterations: Sequence[Values]) -> Values:
    """The outputs of a loop: for each output of its DAG, the list of the iterations' values, in their order.

    As in KFP's backend, what a loop inside this one has collected joins one flat list; a list that a task made
    stays one item. Iterations in which an output was not made, as its branch was not taken, have no place in it.
    """
    parameters: dict[str, Json] = {}
    for name, sources in dag.parameter_outputs.items():
        made = [values.parameters[name] for values in iterations if name in values.parameters]
        if any(_is_collected(plan, dag, source) for source in sources):
            made = [item for each in made if isinstance(each, list) for item in each]
        parameters[name] = made
    artifacts: dict[str, tuple[Produced, ...]] = {
        name: tuple(each for values in iterations for each in values.artifacts.get(name, ()))
        for name in dag.artifact_outputs
    }
    return Values(parameters, artifacts)


def _is_collected(plan: Plan, dag: Dag, source: TaskOutput) -> bool:
    """Whether an output is the list that a loop left, however deep inside."""
    task = dag.tasks[source.task]
    inner = plan.inner(task)
    if inner is None:
        return False
    outputs = inner.parameter_outputs
    return task.iterator is not None or any(
        _is_collected(plan, inner, each) for each in outputs.get(source.name, ())
    )
