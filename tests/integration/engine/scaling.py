"""Pipelines of any size, of steps that cost next to nothing; what a run of them must have left is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.unit.engine.building import pipeline, shell, task

ADD = shell(
    'echo $(($1 + 1)) > "$0"', "{{$.outputs.parameters['y'].output_file}}", "{{$.inputs.parameters['x']}}"
)
SUM = shell('out="$0"; s=0; for x; do s=$((s + x)); done; echo $s > "$out"')
Y = {"y": "NUMBER_INTEGER"}


def chain(length: int) -> str:
    """Steps one after the other; the output is their number."""
    tasks = {f"t{n}": task(ADD, inputs={"x": f"t{n - 1}.y" if n else 0}, outputs=Y) for n in range(length)}
    return pipeline(tasks, outputs={"y": f"t{length - 1}.y"})


def fan_in(width: int) -> str:
    """Steps beside each other, and one that takes all of their outputs; the output is twice their number."""
    tasks = {f"t{n}": task(ADD, inputs={"x": 1}, outputs=Y) for n in range(width)}
    words = [f"{{{{$.inputs.parameters['x{n}']}}}}" for n in range(width)]
    gather = {**SUM, "args": ["{{$.outputs.parameters['y'].output_file}}", *words]}
    tasks["sum"] = task(gather, inputs={f"x{n}": f"t{n}.y" for n in range(width)}, outputs=Y)
    return pipeline(tasks, outputs={"y": "sum.y"})


def loop(items: int) -> str:
    """A loop over 0, 1, ...; the output is the list of what each iteration made: 1, 2, ..."""
    import yaml

    spec = yaml.safe_load(pipeline({"add": task(ADD, inputs={"x": 0}, outputs=Y)}))
    dag = spec["root"].pop("dag")
    inner: dict[str, Any] = dag["tasks"]["add"]
    inner["inputs"]["parameters"]["x"] = {"componentInputParameter": "item"}
    made = {"valueFromParameter": {"producerSubtask": "add", "outputParameterKey": "y"}}
    spec["components"]["comp-loop"] = {
        "dag": {"tasks": {"add": inner}, "outputs": {"parameters": {"all": made}}},
        "inputDefinitions": {"parameters": {"item": {"parameterType": "NUMBER_INTEGER"}}},
        "outputDefinitions": {"parameters": {"all": {"parameterType": "LIST"}}},
    }
    iterator = {"itemInput": "item", "items": {"raw": json.dumps(list(range(items)))}}
    outer = {
        "componentRef": {"name": "comp-loop"},
        "taskInfo": {"name": "loop"},
        "parameterIterator": iterator,
    }
    output = {"valueFromParameter": {"producerSubtask": "loop", "outputParameterKey": "all"}}
    spec["root"]["dag"] = {"tasks": {"loop": outer}, "outputs": {"parameters": {"all": output}}}
    spec["root"]["outputDefinitions"] = {"parameters": {"all": {"parameterType": "LIST"}}}
    return yaml.safe_dump(spec)


def expected(kind: str, size: int) -> Mapping[str, Any]:
    """The outputs of a pipeline of this kind and size."""
    return {
        "chain": {"y": size},
        "fan_in": {"y": 2 * size},
        "loop": {"all": [n + 1 for n in range(size)]},
    }[kind]


KINDS = {"chain": chain, "fan_in": fan_in, "loop": loop}
