"""Functions and classes of a notebook: what using them reads, binds and changes at module level.

Scopes come from the standard library's :mod:`symtable`, which is the compiler's own answer;
mutations are read off the AST (see :mod:`mutation`).
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jupyter_kfp.notebook.mutation import call_mutations, callee, roots, target_mutations

_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class InnerCall:
    """A call inside a function of another name: which of the caller's names go to which argument.

    ``arguments`` pairs a position or keyword with the caller's names that the argument may be.
    """

    name: str
    arguments: tuple[tuple[int | str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """What calling (or merely holding) a function or class does to names of the module.

    ``reads``, ``binds``, ``deletes`` and ``mutates`` are names of the module; ``parameters`` are in
    positional order (``*args`` prefixed by a star); ``mutated`` and ``returned`` are parameters whose
    object is changed in place, or may be what is returned.
    """

    is_class: bool
    reads: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = ()
    mutated: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    calls: tuple[InnerCall, ...] = ()


@dataclass(slots=True)
class SymbolIndex:
    """The symbol tables of one piece of source, found again from AST nodes."""

    tables: dict[tuple[str, int], list[symtable.SymbolTable]] = field(default_factory=dict)
    own_methods: frozenset[str] = frozenset()

    @classmethod
    def of(cls, source: str, own_methods: frozenset[str] = frozenset()) -> SymbolIndex:
        """Index every function, lambda and class scope of ``source``. Raises SyntaxError.

        ``own_methods`` are the methods of the notebook's classes that change their object.
        """
        index = cls(own_methods=own_methods)
        index._add(symtable.symtable(source, "<cell>", "exec"))
        return index

    def _add(self, table: symtable.SymbolTable) -> None:
        for child in table.get_children():
            self.tables.setdefault((child.get_name(), child.get_lineno()), []).append(child)
            self._add(child)

    def scopes(self, node: FunctionNode | ast.ClassDef) -> list[symtable.SymbolTable]:
        """The scopes that ``node`` may be; several where lambdas share a line."""
        name = "lambda" if isinstance(node, ast.Lambda) else node.name
        return self.tables.get((name, node.lineno), [])

    def executed(self, node: ast.ClassDef) -> frozenset[str]:
        """Names of the module that the class body reads while the class is being made."""
        found: set[str] = set()
        todo = list(self.scopes(node))
        while todo:
            scope = todo.pop()
            found |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
            todo += [
                c for c in scope.get_children() if c.get_type() == "class" or c.get_name() in _COMPREHENSIONS
            ]
        return frozenset(found)

    def bound_globally(self, node: ast.ClassDef) -> frozenset[str]:
        """Names of the module that the class body binds (by ``global``) while the class is being made."""
        return frozenset(
            symbol.get_name()
            for scope in self.scopes(node)
            for symbol in scope.get_symbols()
            if symbol.is_global() and symbol.is_assigned()
        )

    def facts(self, node: FunctionNode | ast.ClassDef) -> CodeFacts:
        """What ``node`` does to the module, once its body is executed."""
        return _class_facts(node, self) if isinstance(node, ast.ClassDef) else _function_facts(node, self)


def _nested(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _nested(child)


@dataclass(frozen=True, slots=True)
class _ModuleNames:
    reads: frozenset[str]
    binds: frozenset[str]
    local: frozenset[str]

    @classmethod
    def of(cls, scopes: Iterable[symtable.SymbolTable]) -> _ModuleNames:
        reads: set[str] = set()
        binds: set[str] = set()
        local: set[str] = set()
        for scope in scopes:
            local |= {s.get_name() for s in scope.get_symbols() if not s.is_global()}
            for table in _nested(scope):
                for symbol in table.get_symbols():
                    if symbol.is_global():
                        if symbol.is_referenced():
                            reads.add(symbol.get_name())
                        if symbol.is_assigned() or symbol.is_imported():
                            binds.add(symbol.get_name())
        return cls(frozenset(reads), frozenset(binds), frozenset(local))


def parameters_of(node: FunctionNode) -> tuple[str, ...]:
    """The parameters in positional order; keyword-only ones follow, ``*args`` and ``**kw`` starred."""
    a = node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args)]
    if a.vararg:
        names.append("*" + a.vararg.arg)
    names += [p.arg for p in a.kwonlyargs]
    if a.kwarg:
        names.append("**" + a.kwarg.arg)
    return tuple(names)


def _body(node: FunctionNode) -> list[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else list(node.body)


def _function_facts(node: FunctionNode, index: SymbolIndex) -> CodeFacts:
    names = _ModuleNames.of(index.scopes(node))
    body = _body(node)
    origin = _origins(body, names.local)
    changed = {o for name in _mutated_names(body, index.own_methods) for o in origin(name)}
    parameters = parameters_of(node)
    plain = {p.lstrip("*") for p in parameters}
    returned = _returned(body, isinstance(node, ast.Lambda))
    deleted = {
        n.id for n in _walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)
    } - names.local
    return CodeFacts(
        is_class=False,
        reads=names.reads,
        binds=names.binds - deleted,
        deletes=frozenset(deleted) & names.binds if deleted else frozenset(),
        mutates=frozenset(changed & (names.reads | names.binds)),
        parameters=parameters,
        mutated=frozenset(changed & plain),
        returned=frozenset({o for name in returned for o in origin(name)} & plain),
        calls=tuple(_inner_calls(body, origin, names.local - plain)),
    )


def _class_facts(node: ast.ClassDef, index: SymbolIndex) -> CodeFacts:
    names = _ModuleNames.of(index.scopes(node))
    methods = [
        _function_facts(m, index)
        for m in ast.walk(node)
        if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return CodeFacts(
        is_class=True,
        reads=names.reads,
        binds=names.binds,
        mutates=frozenset(name for facts in methods for name in facts.mutates & names.reads),
        calls=tuple(call for facts in methods for call in facts.calls),
    )


def _walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _mutated_names(body: list[ast.AST], own_methods: frozenset[str]) -> Iterator[str]:
    for node in _walk(body):
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                for target in targets:
                    yield from target_mutations(target)
            case ast.AugAssign(target=ast.Name(id=name), op=op) if isinstance(
                op, ast.Add | ast.BitOr | ast.Mult | ast.Sub | ast.BitAnd
            ):
                # `rows += more` changes a list in place even where the name is a parameter.
                yield name
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
                yield from target_mutations(target)
            case ast.Call():
                yield from call_mutations(node, discarded=False, own_methods=own_methods)
            case ast.Expr(value=ast.Call() as call):
                yield from call_mutations(call, discarded=True, own_methods=own_methods)
            case _:
                pass


class _Origins:
    """Which parameters or module names a local name may stand for, whatever the order of statements."""

    def __init__(self, edges: dict[str, set[str]]) -> None:
        self._edges = edges

    def __call__(self, name: str) -> frozenset[str]:
        seen: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop()
            if current not in seen:
                seen.add(current)
                todo += self._edges.get(current, ())
        return frozenset(seen)


def _origins(body: list[ast.AST], local: frozenset[str]) -> _Origins:
    edges: dict[str, set[str]] = {}

    def connect(target: ast.expr, value: ast.expr) -> None:
        sources = roots(value)
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in local:
                edges.setdefault(node.id, set()).update(sources - {node.id})

    for node in _walk(body):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    connect(target, value)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.NamedExpr(target=target, value=value)
            ):
                connect(target, value)
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                connect(target, value)
            case ast.comprehension(target=target, iter=value):
                connect(target, value)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                connect(target, value)
            case _:
                pass
    return _Origins(edges)


def _returned(body: list[ast.AST], is_lambda: bool) -> frozenset[str]:
    if is_lambda:
        expression = body[0]
        return roots(expression) if isinstance(expression, ast.expr) else frozenset()
    found: frozenset[str] = frozenset()
    for node in _walk(body):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            found |= roots(node.value)
    return found


def _inner_calls(body: list[ast.AST], origin: _Origins, hidden: frozenset[str]) -> Iterator[InnerCall]:
    for node in _walk(body):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in hidden:
            arguments = tuple(
                (key, frozenset(o for name in roots(value) for o in origin(name)))
                for key, value in call_arguments(node)
            )
            yield InnerCall(callee(node), arguments)


def call_arguments(call: ast.Call) -> Iterator[tuple[int | str, ast.expr]]:
    """The arguments of a call by position or keyword; what a star spreads counts as position -1."""
    for position, value in enumerate(call.args):
        yield (-1, value.value) if isinstance(value, ast.Starred) else (position, value)
    for keyword in call.keywords:
        yield (keyword.arg or -1), keyword.value


def parameter_at(facts: CodeFacts, key: int | str) -> str | None:
    """The parameter that an argument given by position or keyword reaches, without stars."""
    if isinstance(key, str):
        if key in facts.parameters:
            return key
        return next((p[2:] for p in facts.parameters if p.startswith("**")), None)
    if key < 0:
        return None
    for position, name in enumerate(facts.parameters):
        if name.startswith("*"):
            return name.lstrip("*")
        if position == key:
            return name
    return None


def mutating_methods(trees: Iterable[ast.AST]) -> frozenset[str]:
    """Methods of the classes in ``trees`` that change their object, directly or by another of them."""
    found: set[str] = set()
    methods = [
        (item, item.args.args[0].arg)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.args.args
    ]
    while True:
        before = len(found)
        for method, first in methods:
            if method.name not in found and first in set(_mutated_names(list(method.body), frozenset(found))):
                found.add(method.name)
        if len(found) == before:
            return frozenset(name for name in found if not (name.startswith("__") and name.endswith("__")))
