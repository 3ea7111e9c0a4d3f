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
