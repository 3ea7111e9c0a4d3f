"""Whether code written for a module means the same inside a function, and if not, why.

A notebook's names are global. In a function they are local, which is the same to most code: inner
functions find them by closure. :func:`reason` finds the code to which it is not.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Collection, Iterable, Iterator

from jupyter_kfp.compiler.export.layout import text_lines

_BY_NAME = frozenset(
    {"globals", "locals", "vars", "dir", "eval", "exec", "__name__", "__file__", "__annotations__"}
)
_WITH_ARGUMENT = frozenset({"vars", "dir"})  # of an object, not of the scope
_FRAMES = frozenset({"_getframe", "currentframe"})
_CALLERS_NAMES = frozenset({"query", "eval", "evaluate"})  # pandas, numexpr: read the names around a call
_BY_MODULE = frozenset({"multiprocessing", "concurrent", "pickle", "shelve", "dill", "joblib", "pydantic"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

# KFP replaces {{$...}} in commands, Kubernetes $$ and $(NAME).
_REPLACED = re.compile(r"\{\{\$|\$\$|\$\([A-Z_][A-Z0-9_]*\)")


def is_replaced(text: str) -> bool:
    """Whether something between here and the pod would rewrite ``text`` as a part of a command."""
    return _REPLACED.search(text) is not None


def bound_names(sources: Iterable[str]) -> frozenset[str]:
    """The names that code binds, or deletes, at its top level."""
    found: set[str] = set()
    for source in sources:
        table = symtable.symtable(_without_future(source), "<cell>", "exec")
        found |= {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        found |= {s.get_name() for s in table.get_symbols() if s.is_namespace()}
    return frozenset(found)


def global_reads(source: str) -> frozenset[str]:
    """The names that code reads at its top level or, from inside functions and classes, of the module."""
    found: set[str] = set()
    waiting = [symtable.symtable(_without_future(source), "<cell>", "exec")]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        top = table.get_type() == "module"
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return frozenset(found)


def _without_future(source: str) -> str:
    # symtable wants future imports at the top; here they may stand behind other cells.
    return re.sub(r"(?m)^from __future__ import .*$", "pass", source)


def reason(preamble: Collection[str], body: Collection[str], late: Collection[str]) -> str | None:
    """Why these cells must be executed as a module; None if they may stand in a function.

    ``late`` are the inputs that are bound after the preamble.
    """
    sources = [*preamble, *body]
    texts = next((source for source in sources if is_replaced(source)), None)
    if texts is not None:
        found = _REPLACED.search(texts)
        assert found is not None
        return f"something on the way to the pod would replace `{found[0]}`"
    if any(_blank_text_lines(source) for source in sources):
        return "KFP would change a text with a line of blanks"
    trees = [ast.parse(source) for source in sources]
    bound = bound_names(sources) | set(late)
    clash = sorted(bound_names(preamble) & set(late))
    if clash:
        return f"`{clash[0]}` is bound before the input of that name"
    hidden = sorted(name for name in bound_names(sources) if hasattr(builtins, name))
    if hidden:
        return f"the cells bind `{hidden[0]}`, which is Python's own before"
    return next(
        (
            found
            for tree, source in zip(trees, sources, strict=True)
            for found in _reasons(tree, source, bound)
        ),
        None,
    ) or _by_module(trees)


def _blank_text_lines(source: str) -> bool:
    lines = source.split("\n")
    return any(lines[n - 1] and not lines[n - 1].strip() for n in text_lines(source) if n <= len(lines))


def _reasons(tree: ast.Module, source: str, bound: Collection[str]) -> Iterator[str]:
    yield from _statements(tree)
    yield from _names(tree)
    if _awaits(tree):
        yield "it awaits outside of a function"
    yield from _scopes(symtable.symtable(_without_future(source), "<cell>", "exec"), bound)


def _statements(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Global(names=names):
                yield f"`global {', '.join(names)}` means the notebook's names"
            case ast.ImportFrom(module="__future__"):
                yield "`from __future__` stands at the top of a module only"
            case ast.ImportFrom(module=module, names=[ast.alias(name="*")]):
                yield f"`from {module} import *` stands in a module only"
            case ast.ClassDef(body=inside) if any(_quoted_annotation(statement) for statement in inside):
                yield f"annotations of `{node.name}` are looked up in its module"


def _quoted_annotation(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign) and any(
        isinstance(node, ast.Constant) and isinstance(node.value, str)
        for node in ast.walk(statement.annotation)
    )


def _names(tree: ast.Module) -> Iterator[str]:
    called = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (node.args or node.keywords)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in _BY_NAME and not (
                name in _WITH_ARGUMENT and id(node) in called
            ):
                yield f"it asks for `{name}`"
            case ast.Attribute(attr=name) if name in _FRAMES:
                yield f"it looks into frames (`{name}`)"
            case ast.Constant(value="__main__"):
                yield "it asks for the module `__main__`"
    for scope in ast.walk(tree):
        if isinstance(scope, _SCOPES):
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                    if name in _CALLERS_NAMES:
                        yield f"`{name}` in a function looks for the notebook's names"


def _awaits(tree: ast.AST) -> bool:
    """Whether there is an ``await`` outside of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _SCOPES):
            continue
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or (
            isinstance(node, ast.comprehension) and node.is_async
        ):
            return True
        if _awaits(node):
            return True
    return False


def _scopes(table: symtable.SymbolTable, bound: Collection[str]) -> Iterator[str]:
    for inner in table.get_children():
        if inner.get_type() == "class":
            for symbol in inner.get_symbols():
                name = symbol.get_name()
                if name in bound and symbol.is_referenced() and symbol.is_assigned():
                    yield f"the class `{inner.get_name()}` both reads and binds `{name}`"
        yield from _scopes(inner, bound)


def _by_module(trees: Collection[ast.Module]) -> str | None:
    """What finds functions and classes by their module cannot find those inside a function."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    if not any(isinstance(node, _DEFINITIONS) for node in nodes):
        return None
    for node in nodes:
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        for module in modules:
            if module.partition(".")[0] in _BY_MODULE:
                return f"`{module}` finds functions and classes by their module"
    return None
