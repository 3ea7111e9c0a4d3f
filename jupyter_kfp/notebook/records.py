"""What a walk over code asks of the code before it, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_kfp.notebook.symbols import CodeFacts
from jupyter_kfp.pipeline import ValueType

# What an import binds is code without effects of its own.
IMPORTED = CodeFacts(is_class=False)


class Outer(Protocol):
    """What the code before this code has made, as far as the walk asks."""

    own_methods: frozenset[str]
    shadowed: frozenset[str]
    imports: Mapping[str, str]
    stateful: frozenset[str]

    def facts(self, name: str) -> CodeFacts | None:
        """The function or class ``name`` stands for before this code, if it does."""

    def is_code(self, name: str) -> bool:
        """Whether ``name`` stands for a function, class or import before this code."""

    def type_of(self, name: str) -> ValueType | None:
        """What is evident of the value ``name`` has before this code."""


@dataclass(slots=True)
class Read:
    """A name read from before the code. ``deferred``: inside a function that may be called here.

    ``certain`` is false on a path that may not be taken; ``guarded`` where a NameError is caught.
    """

    name: str
    cell: int
    line: int
    deferred: bool
    certain: bool
    guarded: bool


@dataclass(slots=True)
class Place:
    """Where something was first seen."""

    cell: int
    line: int


@dataclass(slots=True)
class Record:
    """What one walk found, besides the flow.

    ``mutated_before``: names whose object may be of before the code; ``identified``: names whose
    object's identity the code looks at (``a is b``).
    """

    reads: dict[str, Read] = field(default_factory=dict)
    touched: dict[str, Place] = field(default_factory=dict)
    rebound: set[str] = field(default_factory=set)
    mutated: dict[str, Place] = field(default_factory=dict)
    mutated_before: dict[str, Place] = field(default_factory=dict)
    identified: set[str] = field(default_factory=set)
    captured: set[str] = field(default_factory=set)
    closures: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    annotations: dict[str, ValueType | None] = field(default_factory=dict)
    annotated: dict[str, Place] = field(default_factory=dict)
    star_imports: list[Place] = field(default_factory=list)
    constructors: dict[str, str] = field(default_factory=dict)
    stateful: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Effects:
    """What using a function or class does, with everything it calls in turn."""

    reads: frozenset[str]
    binds: frozenset[str]
    deletes: frozenset[str]
    mutates: frozenset[str]
