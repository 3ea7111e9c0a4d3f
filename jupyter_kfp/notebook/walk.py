"""One walk over module-level code, in the order Python executes it.

The walk records what the code reads from before it, what it leaves bound, unbound or changed, and
keeps :class:`~jupyter_kfp.notebook.flow.Flow` up to date along every path. Names, expressions and
statements build on each other: :mod:`names`, :mod:`expressions`, and this module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from jupyter_kfp.notebook.evidence import CONTAINERS, annotation_type, literal_type
from jupyter_kfp.notebook.expressions import Expressions, decorating, target_names
from jupyter_kfp.notebook.flow import Flow, Origin, join
from jupyter_kfp.notebook.mutation import callee, target_mutations
from jupyter_kfp.notebook.records import IMPORTED, Place
from jupyter_kfp.notebook.symbols import CodeFacts, SymbolIndex
from jupyter_kfp.pipeline import ValueType


class Walker(Expressions):
    """Walks statements of one step (or of one preamble statement), cell after cell."""

    def run(
        self,
        statements: Iterable[ast.stmt],
        cell: int,
        index: SymbolIndex,
        soft: frozenset[tuple[str, int]] = frozenset(),
        *,
        future_annotations: bool = False,
    ) -> None:
        """Walk ``statements`` of the notebook's cell ``cell``; ``index`` is of the cell's whole source."""
        self._cell, self._index, self._soft = cell, index, soft
        self._future_annotations = future_annotations
        self._block(statements)
        if self.flow is None:
            # `raise` or `sys.exit()` at the end of a cell: the next cell only runs when it was not reached.
            self.flow = Flow()

    def _block(self, statements: Iterable[ast.stmt], prefixes: list[Flow | None] | None = None) -> None:
        for statement in statements:
            if self.flow is None:
                return
            self._statement(statement)
            if prefixes is not None and self.flow is not None:
                prefixes.append(self.flow.copy())

    def _statement(self, node: ast.stmt) -> None:  # noqa: C901 - one case per statement of the language
        match node:
            case ast.Expr(value=value):
                self._expression(value, discarded=True)
            case ast.Assign(targets=targets, value=value):
                self._expression(value)
                if not isinstance(value, ast.Lambda) or not isinstance(targets[0], ast.Name):
                    self._keep_functions(value)
                for target in targets:
                    self._assign(target, value)
                if len(targets) > 1:
                    self._chain(targets)
            case ast.AnnAssign():
                self._annotated(node)
            case ast.AugAssign():
                self._augmented(node)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target)
            case ast.If():
                self._if(node)
            case ast.For() | ast.AsyncFor():
                self._for(node)
            case ast.While():
                self._while(node)
            case ast.Try():
                self._try(node)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Match():
                self._match(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.ClassDef():
                self._class(node)
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Raise():
                for part in (node.exc, node.cause):
                    if part is not None:
                        self._expression(part)
                self.flow = None
            case ast.Assert():
                self._expression(node.test)
                if node.msg is not None:
                    self._conditionally(node.msg)
            case ast.Break() | ast.Continue():
                if self._loops:
                    self._loops[-1].append(self.flow.copy() if self.flow else None)
                self.flow = None
            case ast.Global() | ast.Nonlocal() | ast.Pass() | ast.Return():
                pass
            case _:
                self._other(node)

    def _other(self, node: ast.stmt) -> None:
        """Statements newer than the oldest supported Python, by what they have in common."""
        if type(node).__name__ == "TryStar":
            self._try(node)  # type: ignore[arg-type]  # ast.TryStar has the fields of ast.Try, from Python 3.11
        elif type(node).__name__ == "TypeAlias":
            # `type X = …` (Python 3.12): the value is only evaluated when somebody asks for it.
            name = node.name  # type: ignore[attr-defined]  # not in the oldest Python's ast
            self._bind(name.id, node.lineno, facts=CodeFacts(is_class=True))

    def _annotated(self, node: ast.AnnAssign) -> None:
        if not self._future_annotations:
            self._expression(node.annotation)
        if isinstance(node.target, ast.Name):
            name = node.target.id
            self.record.annotations[name] = self._declared(node)
            self.record.annotated[name] = Place(self._cell, node.lineno)
        if node.value is not None:
            self._expression(node.value)
            self._assign(node.target, node.value)

    def _declared(self, node: ast.AnnAssign) -> ValueType | None:
        """The type of an annotation; a literal's items say more than a bare ``list``, or that it will not do."""
        declared = annotation_type(node.annotation)
        if (
            declared is None
            or declared.items is not None
            or declared.kind not in CONTAINERS
            or node.value is None
        ):
            return declared
        if not isinstance(node.value, ast.List | ast.Dict):
            return declared
        try:
            value = ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return declared
        return literal_type(value) if value else declared

    def _augmented(self, node: ast.AugAssign) -> None:
        self._expression(node.value)
        if isinstance(node.target, ast.Name):
            name = node.target.id
            self._read(name, node.lineno)
            known = self._evident(
                ast.BinOp(left=ast.Name(id=name, ctx=ast.Load()), op=node.op, right=node.value)
            )
            # `xs += [1]` changes the list that other names may hold as well.
            if self._may_be_shared(name):
                self._mutate(name, node.lineno)
                if self.flow is not None:
                    self.flow.origins[name] = Origin.LOCAL
                    self.flow.types[name] = known
                self._relate(name, self._roots(node.value))
            elif self.flow is not None:
                self._touch(name, node.lineno)
                self.flow.bind(name, known)
        else:
            self._target(node.target)
            for name in sorted(set(target_mutations(node.target, self._result))):
                self._mutate(name, node.lineno)

    def _delete(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self._read(name, target.lineno)
                self._touch(name, target.lineno)
                if self.flow is not None:
                    self.flow.unbind(name)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._delete(element)
            case _:
                self._target(target)
                for name in sorted(set(target_mutations(target, self._result))):
                    self._mutate(name, target.lineno)

    # ---------------------------------------------------------- control flow

    def _join(self, flows: Iterable[Flow | None]) -> Flow | None:
        return join(flows, self.outer.type_of)

    def _if(self, node: ast.If) -> None:
        self._expression(node.test)
        match _constant_truth(node.test):
            case True:
                self._block(node.body)
            case False:
                self._block(node.orelse)
            case _:
                self._branches([node.body, node.orelse])

    def _branches(self, blocks: Iterable[Iterable[ast.stmt]]) -> None:
        start = self.flow
        ends: list[Flow | None] = []
        self._conditional += 1
        for block in blocks:
            self.flow = start.copy() if start is not None else None
            self._block(block)
            ends.append(self.flow)
        self._conditional -= 1
        self.flow = self._join(ends)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self._expression(node.iter)
        self._loop(
            node.body,
            node.orelse,
            certain=_runs_at_least_once(node.iter),
            target=node.target,
            iterated=node.iter,
        )

    def _while(self, node: ast.While) -> None:
        self._expression(node.test)
        forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        self._loop(node.body, node.orelse, certain=forever, forever=forever)

    def _loop(
        self,
        body: list[ast.stmt],
        orelse: list[ast.stmt],
        *,
        certain: bool,
        forever: bool = False,
        target: ast.expr | None = None,
        iterated: ast.expr | None = None,
    ) -> None:
        before = self.flow.copy() if self.flow is not None else None
        jumps: list[Flow | None] = []
        self._loops.append(jumps)
        self._conditional += not certain
        # Twice: what one iteration leaves (types, aliases, deletions) is what the next one finds.
        for _ in range(2):
            start = self.flow.copy() if self.flow is not None else None
            if target is not None and iterated is not None:
                self._assign(target, None)
                for name in target_names(target):
                    self._relate(name, self._roots(iterated))
            self._block(body)
            last = self.flow
            self.flow = self._join([start, last])
        self.flow = last
        self._conditional -= not certain
        self._loops.pop()
        exits = [] if forever else [self.flow]
        if not certain:
            exits.append(before)
        self.flow = self._join([*exits, *jumps])
        if orelse and self.flow is not None:
            self._branches([orelse, []])

    def _try(self, node: ast.Try) -> None:
        catches = any(_catches_name_error(handler.type) for handler in node.handlers)
        prefixes: list[Flow | None] = [self.flow.copy() if self.flow is not None else None]
        self._guarded += catches
        self._block(node.body, prefixes)
        if self.flow is not None:
            self._block(node.orelse)
        self._guarded -= catches
        ends = [self.flow]
        start = self._join(prefixes)
        if start is not None:
            for name in _stored(node.body):
                start.maybe(name, Origin.LOCAL)
        self._conditional += 1
        for handler in node.handlers:
            self.flow = start.copy() if start is not None else None
            if handler.type is not None:
                self._expression(handler.type)
            if handler.name:
                self._bind(handler.name, handler.lineno)
            self._block(handler.body)
            if handler.name and self.flow is not None:
                # Python deletes the name when the handler ends.
                self.flow.unbind(handler.name)
            ends.append(self.flow)
        self._conditional -= 1
        self.flow = self._join(ends)
        if node.finalbody:
            leaves = self.flow is None
            self.flow = self.flow or self._join([start])
            self._block(node.finalbody)
            if leaves:
                self.flow = None

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        for item in node.items:
            self._expression(item.context_expr)
            swallows |= isinstance(item.context_expr, ast.Call) and callee(item.context_expr) in {
                "suppress",
                "raises",
            }
            if item.optional_vars is not None:
                self._assign(item.optional_vars, None)
                for name in target_names(item.optional_vars):
                    if isinstance(item.context_expr, ast.Call):
                        self.record.constructors[name] = callee(item.context_expr)
                    self._relate(name, self._roots(item.context_expr))
        if not swallows:
            self._block(node.body)
            return
        prefixes: list[Flow | None] = [self.flow.copy() if self.flow is not None else None]
        self._conditional += 1
        self._guarded += 1
        self._block(node.body, prefixes)
        self._guarded -= 1
        self._conditional -= 1
        self.flow = self._join([self.flow, *prefixes])

    def _match(self, node: ast.Match) -> None:
        self._expression(node.subject)
        start = self.flow
        ends: list[Flow | None] = []
        exhaustive = False
        self._conditional += 1
        for case in node.cases:
            self.flow = start.copy() if start is not None else None
            self._pattern(case.pattern, self._roots(node.subject))
            if case.guard is not None:
                self._expression(case.guard)
            self._block(case.body)
            ends.append(self.flow)
            exhaustive |= (
                case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            )
        self._conditional -= 1
        self.flow = self._join([*ends, *([] if exhaustive else [start])])

    def _pattern(self, pattern: ast.pattern, subject: frozenset[str]) -> None:
        for node in ast.walk(pattern):
            match node:
                case (
                    ast.MatchAs(name=str(name))
                    | ast.MatchStar(name=str(name))
                    | ast.MatchMapping(rest=str(name))
                ):
                    self._bind(name, node.lineno)
                    self._relate(name, subject)
                case ast.MatchValue(value=value) | ast.MatchClass(cls=value):
                    self._expression(value)
                case _:
                    pass

    # ----------------------------------------------------------- definitions

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._made_when_defined(node)
        for name in decorating(node):
            if not self._is_code(name):
                self._mutate(name, node.lineno)  # `@registry.add`: the registry now has the function
        self._bind(node.name, node.lineno, facts=self._index.facts(node))

    def _class(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self._expression(decorator)
        if not getattr(node, "type_params", None):
            for base in (*node.bases, *(keyword.value for keyword in node.keywords)):
                self._expression(base)
        facts = self._index.facts(node)
        for name in sorted(self._index.executed(node)):
            if name != node.name:
                self._read(name, node.lineno)
                if self._facts(name) is not None:
                    self.record.captured.add(name)
                    for read in sorted(self.effects(name).reads):
                        self._read(read, node.lineno, deferred=True)
        for name in sorted(self._index.bound_globally(node)):
            self._bind(name, node.lineno)
        self._bind(node.name, node.lineno, facts=facts)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.record.star_imports.append(Place(self._cell, node.lineno))
            else:
                self._bind(alias.asname or alias.name.partition(".")[0], node.lineno, facts=IMPORTED)


def _stored(body: Iterable[ast.stmt]) -> set[str]:
    return {
        n.id
        for statement in body
        for n in ast.walk(statement)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _constant_truth(test: ast.expr) -> bool | None:
    """The truth of a condition that is the same in every notebook, or None."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.Compare(
            left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]
        ):
            return True
        case _:
            return None


def _runs_at_least_once(iterated: ast.expr) -> bool:
    match iterated:
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return any(not isinstance(e, ast.Starred) for e in elements)
        case ast.Constant(value=str(text)):
            return bool(text)
        case ast.Dict(keys=keys):
            return any(key is not None for key in keys)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(count))]):
            return count > 0
        case ast.Call(func=ast.Name(id="enumerate" | "sorted" | "reversed" | "list"), args=[inner, *_]):
            return _runs_at_least_once(inner)
        case _:
            return False


def _catches_name_error(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(n, ast.Name) and n.id in {"NameError", "Exception", "BaseException"} for n in names)
