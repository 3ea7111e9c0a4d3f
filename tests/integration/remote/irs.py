"""Pipelines for tests: small enough to run in the time of a process."""

from typing import Any

import yaml

from tests.unit.engine.building import pipeline, python, task


def small_text() -> str:
    """One task that does nothing."""
    return pipeline({"a": task(python("pass"))})


def small_spec() -> dict[str, Any]:
    """The same as the API takes it."""
    spec: dict[str, Any] = yaml.safe_load(small_text())
    return spec


def in_loop(text: str, items: list[int]) -> str:
    """The tasks of a pipeline, whose only parameter is ``item``, once per item."""
    spec: dict[str, Any] = yaml.safe_load(text)
    body = spec["root"]
    spec["components"]["comp-loop"] = {"dag": body["dag"], "inputDefinitions": body["inputDefinitions"]}
    loop = {
        "componentRef": {"name": "comp-loop"},
        "parameterIterator": {"itemInput": "item", "items": {"raw": str(items)}},
        "taskInfo": {"name": "loop"},
    }
    spec["root"] = {"dag": {"tasks": {"loop": loop}}}
    return yaml.safe_dump(spec)
