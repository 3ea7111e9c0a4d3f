"""Pieces of code that travel: a function, a class, an import, a preamble statement, with its needs."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from jupyter_kfp.notebook.mutation import MUTATORS, callee, dotted
from jupyter_kfp.notebook.roles import StepCell
from jupyter_kfp.notebook.symbols import CodeFacts
from jupyter_kfp.notebook.syntax import CellMagic
from jupyter_kfp.pipeline import ValueType

if TYPE_CHECKING:
    from jupyter_kfp.notebook.blocks import BranchBlock, LoopBlock


class Kind(Enum):
    """What a name stands for at some point of the notebook."""

    PARAMETER = "parameter"
    STEP = "step"
    CODE = "code"
    PREAMBLE = "preamble"
    ITEM = "item"
    CHOICE = "choice"
    COLLECTED = "collected"
    STATUS = "status"
    DELETED = "deleted"


@dataclass(eq=False, slots=True)
class Unit:
    """Source that other steps execute as their own. ``needs`` are names it reads while being executed.

    ``roots`` are the top-level packages that its imports come from, ``names`` what it binds and
    ``unstable`` a call in it whose result differs every time.
    """

    cell: int
    line: int
    source: str
    names: frozenset[str] = frozenset()
    needs: dict[str, Definition] = field(default_factory=dict)
    roots: frozenset[str] = frozenset()
    unstable: str = ""


@dataclass(eq=False, slots=True)
class Definition:
    """The nearest binding (or change) of a name before some point.

    ``version`` counts the definitions of the whole notebook: two are the same exactly when their
    versions are. ``units`` make the name where its source travels (CODE, PREAMBLE). Of code: ``state``
    says how it remembers what happened to it, ``stateful_in`` which step put something into it,
    ``blocked`` that its source cannot travel. Of control flow (``block``): an ITEM is what the loop
    runs over, a CHOICE what each arm of the branch left (``choices``, None: nothing), a COLLECTED
    the list of what ``choices[0]`` was in every iteration of the loop.
    """

    name: str
    kind: Kind
    version: int
    cell: int
    line: int
    step: str = ""
    units: tuple[Unit, ...] = ()
    facts: CodeFacts | None = None
    type: ValueType | None = None
    stateful_in: str = ""
    blocked: bool = False
    state: str = ""
    block: BranchBlock | LoopBlock | None = None
    choices: tuple[Definition | None, ...] = ()

    @property
    def is_data(self) -> bool:
        """Whether the name stands for a value rather than for code."""
        return self.kind not in (Kind.CODE, Kind.DELETED)


@dataclass(frozen=True, slots=True)
class Piece:
    """The smallest part of a cell that can be executed elsewhere. ``nodes`` is empty for ``%%bash``."""

    nodes: tuple[ast.stmt, ...]
    source: str
    line: int


def pieces(cell: StepCell) -> list[Piece]:
    """A cell, statement by statement; whole where a cell magic has it."""
    body: Sequence[ast.stmt] = cell.python.tree.body if cell.python.tree is not None else []
    if not body or any(isinstance(construct, CellMagic) for construct in cell.python.constructs):
        return [Piece(tuple(body), cell.python.executed, 1)] if cell.python.executed.strip() else []
    lines = cell.python.executed.split("\n")
    spans = [(first_line(node), node.end_lineno or node.lineno) for node in body]
    found: list[Piece] = []
    for index, (node, (first, last)) in enumerate(zip(body, spans, strict=True)):
        shared = (index > 0 and spans[index - 1][1] >= first) or (
            index + 1 < len(spans) and spans[index + 1][0] <= last
        )
        text = (
            ast.get_source_segment(cell.python.executed, node)
            if shared
            else "\n".join(lines[first - 1 : last])
        )
        found.append(Piece((node,), text or "", first))
    return found


def first_line(node: ast.stmt) -> int:
    """The line a statement starts on, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def without_comments(source: str) -> str:
    """``source`` without comments, so that editing one changes no other step's cache key."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return source  # IPython syntax, which the tokenizer does not know
    lines = source.split("\n")
    dropped: set[int] = set()
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            rest = lines[row - 1][:column].rstrip()
            lines[row - 1] = rest
            if not rest:
                dropped.add(row - 1)
    return "\n".join(line for number, line in enumerate(lines) if number not in dropped)


def is_definition(node: ast.stmt) -> bool:
    """Whether a statement only defines code: a def, class or import, or choices between such.

    ``try: import fast as impl`` / ``except ImportError: import slow as impl`` is one.
    """
    match node:
        case (
            ast.FunctionDef()
            | ast.AsyncFunctionDef()
            | ast.ClassDef()
            | ast.Import()
            | ast.ImportFrom()
            | ast.Pass()
        ):
            return True
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return isinstance(value, ast.Constant | ast.Lambda)
        case ast.If(body=body, orelse=orelse):
            return all(map(is_definition, (*body, *orelse)))
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            caught = [statement for handler in handlers for statement in handler.body]
            return all(map(is_definition, (*body, *caught, *orelse, *final)))
        case ast.With(items=[ast.withitem(context_expr=ast.Call() as call)], body=body):
            return callee(call) == "suppress" and all(map(is_definition, body))
        case _:
            return False


def called_when_defined(node: ast.AST) -> set[str]:
    """Names of functions that executing a definition calls: decorators, calls in defaults and class bodies."""
    found: set[str] = set()
    match node:
        case (
            ast.FunctionDef(decorator_list=decorators, args=arguments)
            | ast.AsyncFunctionDef(decorator_list=decorators, args=arguments)
        ):
            parts: list[ast.expr | None] = [*decorators, *arguments.defaults, *arguments.kw_defaults]
            found |= {d.id for d in decorators if isinstance(d, ast.Name)}
            for part in parts:
                found |= called_when_defined(part) if part is not None else set()
        case ast.Lambda():
            pass
        case ast.Call(func=ast.Name(id=name)):
            found.add(name)
            for child in ast.iter_child_nodes(node):
                found |= called_when_defined(child)
        case _:
            decorators = getattr(node, "decorator_list", [])
            found |= {d.id for d in decorators if isinstance(d, ast.Name)}
            for child in ast.iter_child_nodes(node):
                found |= called_when_defined(child)
    return found


_CACHES = frozenset({"cache", "lru_cache", "cached", "memoize"})
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call)


def keeps_state(node: ast.stmt, facts: CodeFacts | None) -> str:
    """How a definition remembers what happened to it, which its source alone does not; "" if it does not."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        cached = any(
            (callee(d) if isinstance(d, ast.Call) else dotted(d).rpartition(".")[2]) in _CACHES
            for d in node.decorator_list
        )
        if cached and facts is not None and facts.reads - {node.name}:
            return "remembers answers that depend on other names"
        plain = [*node.args.posonlyargs, *node.args.args]
        pairs = [*zip(reversed(plain), reversed(node.args.defaults), strict=False)]
        pairs += [
            (a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None
        ]
        if facts is not None and any(isinstance(d, _MUTABLE) and a.arg in facts.mutated for a, d in pairs):
            return "keeps what earlier calls left in a default"
    if isinstance(node, ast.ClassDef):
        shared = {
            t.id
            for item in node.body
            if isinstance(item, ast.Assign) and isinstance(item.value, _MUTABLE[:6])
            for t in item.targets
            if isinstance(t, ast.Name)
        }
        own = {
            n.attr
            for n in ast.walk(node)
            if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) and isinstance(n.value, ast.Name)
        }
        changed = {
            part.attr
            for n in ast.walk(node)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in MUTATORS
            for part in [n.func.value]
            if isinstance(part, ast.Attribute)
        } | {
            n.value.attr
            for n in ast.walk(node)
            if isinstance(n, ast.Subscript)
            and isinstance(n.ctx, ast.Store | ast.Del)
            and isinstance(n.value, ast.Attribute)
        }
        if shared & changed - own:
            return f"keeps state in `{min(shared & changed - own)}`, which all its objects share"
    return ""


def is_display(node: ast.stmt) -> bool:
    """Whether a statement only shows something: of no use in a step that does not show it."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    if isinstance(value, ast.Call):
        name = callee(value)
        return name in {"print", "display", "pprint", "show", "head", "tail", "info", "describe", "help"} or (
            name.startswith("plot") or name.endswith("plot")
        )
    return not isinstance(value, ast.Await | ast.NamedExpr)
