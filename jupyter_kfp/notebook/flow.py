"""What is known of every name at one point of a step's code, and how two paths join.

A name's *origins* say where the object it stands for may have been bound: before the step
(UPSTREAM), in the step (LOCAL), or nowhere (UNBOUND: deleted, or bound on no path so far). A name
the step has not touched is UPSTREAM alone; after ``if c: x = 1`` it is UPSTREAM or LOCAL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Flag, auto

from jupyter_kfp.notebook.symbols import CodeFacts
from jupyter_kfp.pipeline import ParameterType, ValueType


class Origin(Flag):
    """Where the object a name stands for may come from."""

    UPSTREAM = auto()
    LOCAL = auto()
    UNBOUND = auto()


_CONTAINERS = (ParameterType.LIST, ParameterType.DICT)


@dataclass(slots=True)
class Flow:
    """The state at one point. ``types`` holds what is evident of a name's value (None: nothing).

    ``aliases`` relates names that may share an object; it is symmetric. ``code`` holds functions and
    classes the step defined itself.
    """

    origins: dict[str, Origin] = field(default_factory=dict)
    types: dict[str, ValueType | None] = field(default_factory=dict)
    aliases: dict[str, frozenset[str]] = field(default_factory=dict)
    code: dict[str, CodeFacts] = field(default_factory=dict)

    def copy(self) -> Flow:
        """An independent copy, for the other path of a branch."""
        return Flow(dict(self.origins), dict(self.types), dict(self.aliases), dict(self.code))

    def origin(self, name: str) -> Origin:
        """The origins of ``name`` here."""
        return self.origins.get(name, Origin.UPSTREAM)

    def bind(self, name: str, type_: ValueType | None, facts: CodeFacts | None = None) -> None:
        """``name`` now stands for a new object."""
        self.origins[name] = Origin.LOCAL
        self.types[name] = type_
        self.forget_aliases(name)
        self.code.pop(name, None)
        if facts is not None:
            self.code[name] = facts

    def unbind(self, name: str) -> None:
        """``name`` stands for nothing."""
        self.origins[name] = Origin.UNBOUND
        self.types[name] = None
        self.forget_aliases(name)
        self.code.pop(name, None)

    def maybe(self, name: str, origin: Origin) -> None:
        """``name`` may have been bound or unbound behind the scenes, for instance by a call."""
        self.origins[name] = self.origin(name) | origin
        self.types[name] = None

    def alias(self, name: str, others: Iterable[str]) -> None:
        """``name`` may share its object, or part of it, with ``others`` and with their aliases."""
        group = {a for other in others for a in (other, *self.aliases.get(other, ()))} - {name}
        if not group:
            return
        self.aliases[name] = self.aliases.get(name, frozenset()) | group
        for other in group:
            self.aliases[other] = self.aliases.get(other, frozenset()) | {name}
        for shared in (name, *group):
            known = self.types.get(shared)
            # A list that two names share cannot travel as a parameter: it would become two lists.
            if known is not None and known.kind in _CONTAINERS:
                self.types[shared] = None

    def forget_aliases(self, name: str) -> None:
        """``name`` no longer shares its object with any other name."""
        for other in self.aliases.pop(name, ()):
            self.aliases[other] = self.aliases[other] - {name}


def join(flows: Iterable[Flow | None], upstream: Callable[[str], ValueType | None]) -> Flow | None:
    """What holds after any of several paths (None: a path that does not get here).

    ``upstream`` gives the evident type of a name that a path has not touched.
    """
    alive = [flow for flow in flows if flow is not None]
    if not alive:
        return None
    first, *rest = alive
    if not rest:
        return first
    names = {name for flow in alive for name in flow.origins}
    aliased = {name for flow in alive for name in flow.aliases}
    joined = Flow()
    for name in names:
        origin = first.origin(name)
        for flow in rest:
            origin |= flow.origin(name)
        joined.origins[name] = origin
        types = {
            upstream(name) if flow.origin(name) is Origin.UPSTREAM else flow.types.get(name)
            for flow in alive
            if flow.origin(name) is not Origin.UNBOUND
        }
        joined.types[name] = types.pop() if len(types) == 1 else None
    for name in aliased:
        joined.aliases[name] = frozenset().union(*(flow.aliases.get(name, frozenset()) for flow in alive))
    for flow in alive:
        joined.code |= flow.code
    return joined
