"""Components and pipelines as other people have them. KFP reads annotations at run time, hence no future import."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

V1 = """
name: Add
inputs: [{name: a, type: Integer}, {name: b, type: Integer, default: '1'}]
outputs: [{name: total, type: Integer}, {name: log, type: Artifact}]
implementation:
  container:
    image: python:3.11
    command: [add, {inputValue: a}, {inputValue: b}, {outputPath: total}, {outputPath: log}]
"""


@cache
def component_yaml() -> str:
    """What ``@dsl.component`` is compiled to."""
    from kfp import dsl

    def add(a: int, note: str = "", scale: float = 1.0) -> int:
        """Add."""
        return a

    return _text(dsl.component(add, base_image="python:3.11"))


@cache
def pipeline_yaml() -> str:
    """A foreign pipeline that is called like one of its own components."""
    from kfp import components, dsl

    add = components.load_component_from_text(component_yaml())

    def define(a: int, note: str = "x") -> int:
        first = add(a=a, note=note)
        return add(a=first.output).output

    return _text(dsl.pipeline(define, name="add"))


def _text(component: Any) -> str:
    from kfp import compiler

    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.yaml")
        compiler.Compiler().compile(component, str(path))
        return path.read_text(encoding="utf-8")
