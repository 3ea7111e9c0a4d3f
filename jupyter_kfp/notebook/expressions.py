"""Expressions and assignment targets, in the order Python evaluates them."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from jupyter_kfp.notebook.flow import Flow, Origin
from jupyter_kfp.notebook.mutation import MUTATORS, call_mutations, callee, target_mutations
from jupyter_kfp.notebook.names import Names
from jupyter_kfp.notebook.symbols import CodeFacts, FunctionNode, call_arguments, parameter_at

# Assigning what these make gives a class: its source travels, as a class statement's does.
CLASS_FACTORIES = frozenset(
    {"namedtuple", "NamedTuple", "TypedDict", "make_dataclass", "TypeVar", "NewType", "ParamSpec"}
)
_ENUM_FACTORIES = frozenset({"Enum", "IntEnum", "Flag", "IntFlag", "StrEnum"})


class Expressions(Names):
    """The part of a :class:`~jupyter_kfp.notebook.walk.Walker` that evaluates and assigns."""

    def _conditionally(self, node: ast.expr) -> None:
        self._conditional += 1
        self._expression(node)
        self._conditional -= 1

    def _target(self, node: ast.expr) -> None:
        """The parts of an assignment's target that are read: ``a`` and ``i`` of ``a[i] = …``."""
        match node:
            case ast.Attribute(value=value):
                self._expression(value)
            case ast.Subscript(value=value, slice=index):
                self._expression(value)
                self._expression(index)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._target(element)
            case ast.Starred(value=value):
                self._target(value)
            case _:
                pass

    def _expression(self, node: ast.expr, *, discarded: bool = False) -> None:  # noqa: C901 - one case per kind
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                self._use(name, node, called=False)
            case ast.NamedExpr(target=target, value=value):
                self._expression(value)
                self._assign(target, value)
            case ast.Lambda():
                self._made_when_defined(node)
                self._lambda(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case ast.BoolOp(values=values):
                self._expression(values[0])
                for value in values[1:]:
                    self._conditionally(value)
            case ast.IfExp():
                self._expression(node.test)
                self._conditionally(node.body)
                self._conditionally(node.orelse)
            case ast.Call():
                self._call(node, discarded=discarded)
            case ast.Await(value=value):
                self._expression(value, discarded=discarded)
            case ast.Attribute(value=value, attr=attribute):
                self._expression(value)
                if attribute in MUTATORS:
                    for name in sorted(self._roots(value)):
                        if not self._is_code(name):
                            self._mutate(name, node.lineno)
            case _:
                if isinstance(node, ast.Compare) and any(isinstance(o, ast.Is | ast.IsNot) for o in node.ops):
                    self._identify(node)
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._expression(child)

    def _identify(self, node: ast.Compare) -> None:
        """``a is b`` tells whether names stand for one object; ``a is None`` does not."""
        operands = [node.left, *node.comparators]
        if not any(isinstance(operand, ast.Constant) for operand in operands):
            for operand in operands:
                self.record.identified |= self._roots(operand)

    def _keep_functions(self, value: ast.expr) -> None:
        """Functions that become part of a value: those with a name, and what those without one read."""
        match value:
            case ast.Name(id=name) if self._is_code(name):
                self.record.held.add(name)
            case ast.Lambda():
                self.record.closures |= self._index.facts(value).reads
            case ast.Dict(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                for part in parts:
                    self._keep_functions(part)
            case ast.Call(args=arguments, keywords=keywords) if (
                callee(value)[:1].isupper() or callee(value) == "partial"
            ):
                for part in (*arguments, *(keyword.value for keyword in keywords)):
                    self._keep_functions(part)
            case _:
                pass

    def _lambda(self, node: ast.Lambda) -> None:
        facts = self._index.facts(node)
        for read in sorted(facts.reads):
            self._read(read, node.lineno, deferred=True)
            if self._facts(read) is not None:
                for inner in sorted(self.effects(read).reads):
                    self._read(inner, node.lineno, deferred=True)
        for mutated in sorted(facts.mutates):
            self._mutate(mutated, node.lineno)

    def _call(self, node: ast.Call, *, discarded: bool) -> None:
        if isinstance(node.func, ast.Name):
            self._use(node.func.id, node.func, called=True)
        else:
            self._expression(node.func)
        for argument in node.args:
            self._expression(argument)
        for keyword in node.keywords:
            self._expression(keyword.value)
        for name in self._changed_by(node, discarded=discarded):
            if not self._is_code(name):
                self._mutate(name, node.lineno)

    def _changed_by(self, node: ast.Call, *, discarded: bool) -> list[str]:
        changed = set(
            call_mutations(node, discarded=discarded, own_methods=self.outer.own_methods, result=self._result)
        )
        if isinstance(node.func, ast.Name):
            facts = self._facts(node.func.id)
            if facts is not None:
                parameters = self._mutated_parameters(node.func.id)
                for key, value in call_arguments(node):
                    if parameter_at(facts, key) in parameters or (key == -1 and parameters):
                        changed |= self._roots(value)
        return sorted(changed)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        """A comprehension has a scope of its own; only its walrus targets are the module's."""
        local = {n for g in node.generators for n in target_names(g.target)}
        hidden = {name: self.flow.origins.get(name) for name in local} if self.flow is not None else {}
        first, *rest = node.generators
        self._expression(first.iter)
        if self.flow is None:
            return
        saved = self.flow.copy()
        for name in local:
            self.flow.bind(name, None)
        for name in target_names(first.target):
            self._relate(name, self._roots(first.iter))
        self._conditional += 1
        for condition in first.ifs:
            self._expression(condition)
        for generator in rest:
            self._expression(generator.iter)
            for name in target_names(generator.target):
                self._relate(name, self._roots(generator.iter))
            for condition in generator.ifs:
                self._expression(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self._expression(part)
        self._conditional -= 1
        self._leave_scope(local, hidden, saved)

    def _leave_scope(self, local: set[str], hidden: Mapping[str, Origin | None], saved: Flow) -> None:
        """Give the comprehension's names back the meaning they have outside."""
        if self.flow is None:
            return
        for name in local:
            self.flow.forget_aliases(name)
            origin = hidden[name]
            if origin is None:
                self.flow.origins.pop(name, None)
            else:
                self.flow.origins[name] = origin
            self.flow.types[name] = saved.types.get(name)
            for other in saved.aliases.get(name, ()):
                self.flow.aliases[name] = self.flow.aliases.get(name, frozenset()) | {other}
                self.flow.aliases[other] = self.flow.aliases.get(other, frozenset()) | {name}
            if name in saved.code:
                self.flow.code[name] = saved.code[name]

    def _made_when_defined(self, node: FunctionNode) -> None:
        """Decorators, defaults and annotations are evaluated where the function is defined."""
        arguments = node.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._expression(default)
        if isinstance(node, ast.Lambda):
            return
        for decorator in node.decorator_list:
            self._expression(decorator)
        if self._future_annotations or getattr(node, "type_params", None):
            return
        every = [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ]
        for annotation in [*(a.annotation for a in every if a is not None), node.returns]:
            if annotation is not None:
                self._expression(annotation)

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        """Bind ``target`` to ``value`` (None: to something of which nothing is known)."""
        match target:
            case ast.Name(id=name):
                self._bind(name, target.lineno, value, self._made_class(value))
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                values = self._unpacked(elements, value)
                # All right sides are evaluated before any name is bound: `a, b = b, a`.
                shared = [self._roots(v) if v is not None else frozenset() for v in values]
                for element, part, names in zip(elements, values, shared, strict=True):
                    self._assign(element, part if isinstance(value, ast.Tuple | ast.List) else None)
                    if isinstance(element, ast.Name):
                        self._relate(element.id, names - {e.id for e in elements if isinstance(e, ast.Name)})
                self._figure(elements, value)
            case ast.Starred(value=inner):
                self._assign(inner, None)
                if value is not None and isinstance(inner, ast.Name):
                    self._relate(inner.id, self._roots(value))
            case _:
                self._target(target)
                mutated = set(target_mutations(target, self._result))
                for name in sorted(mutated):
                    self._mutate(name, target.lineno)
                if value is not None:
                    # `box["x"] = x`: from here on, the box holds x.
                    for name in sorted(mutated):
                        self._relate(name, self._roots(value))

    def _figure(self, elements: list[ast.expr], value: ast.expr | None) -> None:
        """``fig, ax = plt.subplots()``: the first is the figure."""
        if (
            self.flow is not None
            and isinstance(value, ast.Call)
            and callee(value) in {"subplots", "train_test_split"}
        ):
            known = self._evident(value)
            names = [e.id for e in elements if isinstance(e, ast.Name)]
            for name in names[:1] if callee(value) == "subplots" else names:
                self.flow.types[name] = known
            if callee(value) == "subplots" and len(names) > 1:
                self._relate(names[1], frozenset(names[:1]))

    @staticmethod
    def _unpacked(elements: list[ast.expr], value: ast.expr | None) -> list[ast.expr | None]:
        if isinstance(value, ast.Tuple | ast.List):
            plain = not any(isinstance(e, ast.Starred) for e in (*elements, *value.elts))
            if plain and len(elements) == len(value.elts):
                return list(value.elts)
        return [value] * len(elements)

    def _chain(self, targets: list[ast.expr]) -> None:
        """``a = b = []``: the names share one object."""
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        for name in names[1:]:
            self._relate(name, frozenset(names[:1]))

    def _made_class(self, value: ast.expr | None) -> CodeFacts | None:
        """A lambda, or a class made by a call, is code: its source travels, not its value."""
        if isinstance(value, ast.Lambda):
            return self._index.facts(value)
        if isinstance(value, ast.Call):
            name = callee(value)
            if name in CLASS_FACTORIES or (name in _ENUM_FACTORIES and len(value.args) > 1):
                return CodeFacts(is_class=True)
            if name == "type" and len(value.args) == 3:
                return CodeFacts(is_class=True)
        return None


def decorating(node: ast.stmt) -> list[str]:
    """Names that the decorators of a definition are methods of: ``show`` of ``@show.register(int)``."""
    found = []
    for decorator in getattr(node, "decorator_list", []):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            found.append(called.value.id)
    return found


def target_names(target: ast.expr) -> list[str]:
    """The names that assigning to ``target`` binds."""
    return [n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
