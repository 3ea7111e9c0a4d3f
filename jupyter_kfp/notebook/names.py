"""Names at one point of a walk: reading, binding and changing them, and what is known of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from jupyter_kfp.notebook.evidence import CONTAINERS, evident_type
from jupyter_kfp.notebook.flow import Flow, Origin
from jupyter_kfp.notebook.mutation import MUTATORS, callee, is_stateful, roots
from jupyter_kfp.notebook.records import IMPORTED, Effects, Outer, Place, Read, Record
from jupyter_kfp.notebook.symbols import CodeFacts, InnerCall, SymbolIndex, call_arguments, parameter_at
from jupyter_kfp.pipeline import ValueType


class Names:
    """The part of a :class:`~jupyter_kfp.notebook.walk.Walker` that knows names, not syntax.

    ``flow`` is None where the code cannot get to, for instance after ``raise``.
    """

    def __init__(self, outer: Outer, flow: Flow | None = None) -> None:
        self.outer = outer
        self.flow: Flow | None = flow or Flow()
        self.record = Record()
        self._index = SymbolIndex()
        self._cell = 0
        self._conditional = 0
        self._guarded = 0
        self._loops: list[list[Flow | None]] = []
        self._future_annotations = False
        self._soft: frozenset[tuple[str, int]] = frozenset()

    def _read(self, name: str, line: int, *, deferred: bool = False) -> None:
        flow = self.flow
        if flow is None:
            return
        origin = flow.origin(name)
        if not origin & Origin.UPSTREAM:
            return
        soft = (name, line) in self._soft
        certain = not (self._conditional or origin & Origin.LOCAL or deferred or soft)
        old = self.record.reads.get(name)
        if old is None or (certain and not old.certain):
            guarded = bool(self._guarded) or soft
            self.record.reads[name] = Read(name, self._cell, line, deferred, certain, guarded)

    def _use(self, name: str, node: ast.expr, *, called: bool) -> None:
        """A name is loaded: it is read, and whatever function or class it stands for may run."""
        self._read(name, node.lineno)
        facts = self._facts(name)
        if facts is IMPORTED:
            return
        if facts is None:
            if name in self.outer.stateful or name in self.record.stateful:
                self._mutate(name, node.lineno)
            return
        if facts.is_class or not called:
            self.record.captured.add(name)
        effects = self.effects(name)
        for read in sorted(effects.reads):
            self._read(read, node.lineno, deferred=True)
            inner = self._facts(read)
            # An object of a class may hold the functions that its methods name.
            if inner is not None and (inner.is_class or facts.is_class):
                self.record.captured.add(read)
        for bound in sorted(effects.binds):
            self._touch(bound, node.lineno)
            self._maybe(bound, Origin.LOCAL)
        for deleted in sorted(effects.deletes):
            self._touch(deleted, node.lineno)
            self._maybe(deleted, Origin.UNBOUND)
        for mutated in sorted(effects.mutates):
            self._mutate(mutated, node.lineno)

    def _maybe(self, name: str, origin: Origin) -> None:
        if self.flow is not None:
            self.flow.maybe(name, origin)

    def _touch(self, name: str, line: int) -> None:
        self.record.touched.setdefault(name, Place(self._cell, line))

    def _bind(
        self, name: str, line: int, value: ast.expr | None = None, facts: CodeFacts | None = None
    ) -> None:
        if self.flow is None:
            return
        self._touch(name, line)
        self.record.rebound.add(name)
        known = self._evident(value) if value is not None else None
        aliased = self._roots(value) if value is not None else frozenset()
        self.flow.bind(name, known, facts)
        if value is not None:
            # A second name for a bound method (`add = xs.append`): using it changes what it is bound to.
            if is_stateful(value) or (isinstance(value, ast.Attribute) and value.attr in MUTATORS):
                self.record.stateful.add(name)
            if isinstance(value, ast.Call | ast.GeneratorExp):
                self.record.constructors[name] = (
                    callee(value) if isinstance(value, ast.Call) else "<generator expression>"
                )
            else:
                self.record.constructors.pop(name, None)
            self._relate(name, aliased)

    def _relate(self, name: str, others: frozenset[str]) -> None:
        if self.flow is not None:
            self.flow.alias(name, [o for o in sorted(others) if o != name and self._may_be_shared(o)])

    def _may_be_shared(self, name: str) -> bool:
        known = self._type(name)
        immutable = known is not None and known.is_parameter and known.kind.value not in {"list", "dict"}
        return not immutable and not self._is_code(name)

    def _mutate(self, name: str, line: int) -> None:
        """The object of ``name`` changes, and with it what may share it."""
        if self.flow is None:
            return
        for changed in sorted({name, *self.flow.aliases.get(name, ())}):
            if changed != name and self.flow.origin(changed) is Origin.UNBOUND:
                continue
            self._read(changed, line, deferred=changed != name)
            self._touch(changed, line)
            self.record.mutated.setdefault(changed, Place(self._cell, line))
            if self.flow.origin(changed) & Origin.UPSTREAM:
                self.record.mutated_before.setdefault(changed, Place(self._cell, line))
            known = self._type(changed)
            if known is not None and known.is_parameter:
                self.flow.types[changed] = None

    def _facts(self, name: str) -> CodeFacts | None:
        if self.flow is not None and self.flow.origin(name) & Origin.LOCAL:
            return self.flow.code.get(name)
        return self.outer.facts(name)

    def _is_code(self, name: str) -> bool:
        if self.flow is not None and self.flow.origin(name) & Origin.LOCAL:
            return name in self.flow.code
        return self.outer.is_code(name)

    def _type(self, name: str) -> ValueType | None:
        if self.flow is not None and self.flow.origin(name) is not Origin.UPSTREAM:
            return self.flow.types.get(name)
        return self.outer.type_of(name)

    def _evident(self, value: ast.expr) -> ValueType | None:
        return evident_type(value, self._type, self.outer.shadowed, self.outer.imports)

    def _roots(self, value: ast.expr) -> frozenset[str]:
        return roots(value, self._result)

    def _result(self, call: ast.Call) -> frozenset[str] | None:
        """What the result of a call to a function of the notebook may be, of the caller's names."""
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "copy"
            and isinstance(call.func.value, ast.Name)
        ):
            # A list's or dict's copy holds the same elements; a table's, an array's does not.
            known = self._type(call.func.value.id)
            holds = known is not None and known.kind in CONTAINERS
            return self._roots(call.func.value) if holds else None
        if not isinstance(call.func, ast.Name):
            return None
        facts = self._facts(call.func.id)
        if facts is None or facts.is_class:
            return None
        found: set[str] = set()
        for key, value in call_arguments(call):
            if parameter_at(facts, key) in facts.returned:
                found |= self._roots(value)
        return frozenset(found)

    def effects(self, name: str) -> Effects:
        """The effects of using ``name``, through every function of the notebook it may call."""
        seen: dict[str, CodeFacts] = {}
        todo = [name]
        while todo:
            current = todo.pop()
            facts = self._facts(current)
            if facts is not None and current not in seen:
                seen[current] = facts
                todo += facts.reads
        mutates = {m for f in seen.values() for m in f.mutates}
        for facts in seen.values():
            for call in facts.calls:
                for _, changed in self._inner_mutations(call, frozenset()):
                    mutates |= {c for c in changed if c in facts.reads}
        return Effects(
            frozenset(r for f in seen.values() for r in f.reads),
            frozenset(b for f in seen.values() for b in f.binds),
            frozenset(d for f in seen.values() for d in f.deletes),
            frozenset(mutates),
        )

    def _inner_mutations(self, call: InnerCall, seen: frozenset[str]) -> Iterable[tuple[str, frozenset[str]]]:
        facts = self._facts(call.name)
        if facts is None or call.name in seen:
            return
        changed = self._mutated_parameters(call.name, seen)
        for key, names in call.arguments:
            parameter = parameter_at(facts, key)
            if parameter in changed or (key == -1 and changed):
                yield call.name, names

    def _mutated_parameters(self, name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        facts = self._facts(name)
        if facts is None or name in seen:
            return frozenset()
        changed = set(facts.mutated)
        for call in facts.calls:
            for _, names in self._inner_mutations(call, seen | {name}):
                changed |= names & {p.lstrip("*") for p in facts.parameters}
        return frozenset(changed)
