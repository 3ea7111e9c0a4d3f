"""A cell's statements inside the ``if``, ``for`` and ``with`` statements that its header stands for.

They stay statements of the module: names land in the notebook's namespace, ``await`` works, every line keeps
its number. Tests and items are evaluated there as well, on the header's line, so their errors look like
those of any other line. A header ``--if ok --for x in xs`` makes, with R the cell's run::

    with R:
        if R.verdict(0) if R.settled(0) else R.decide(0, True if ok else False):
            for R.iteration in R.resume(1) or R.start(1, [*xs]):
                with R.iteration:
                    ...
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from jupyter_kfp.notebook.control import BranchFrame, CellControl, LoopFrame


def wrap(tree: ast.Module, control: CellControl, run: str, line: int, interactivity: str) -> ast.Module:
    """The cell ``tree`` under ``control``.

    Args:
        tree: The cell without its header; it becomes part of the result.
        control: What the header says.
        run: An expression for the cell's run. No name is bound for it.
        line: The line of the header (1-based).
        interactivity: Which expressions are displayed, as IPython's ``ast_node_interactivity`` says.
    """
    # What a __future__ import says is said to the compiler, and only at the top.
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    body = [node for node in tree.body if node not in future]
    names = tuple(_assigned(body))
    body = _displaying(body, run, interactivity)
    if control.notebook or control.component:
        body = [_with(f"{run}.arguments({names!r})", body, line), *_parsed(f"{run}.call()", line)]
    elif control.on_exit:
        body = [_with(f"{run}.exit_step()", body, line)]
    for level, frame in reversed(list(enumerate(control.frames))):
        match frame:
            case BranchFrame(test=test):
                body = [_branch(run, level, test, body, line)]
            case LoopFrame(items=items):
                body = [_loop(run, level, items, body, line)]
    # IPython displays every expression inside the last statement, where it is told to display that.
    last = _parsed("pass", line) if interactivity == "last" else []
    return ast.Module([*future, _with(run, body, line), *last], tree.type_ignores)


def stores(tree: ast.Module) -> frozenset[str]:
    """The names that code assigns, wherever it does: those of its functions are a harmless few too many."""
    nodes = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return frozenset(node.id for node in nodes)


def _branch(run: str, level: int, test: str, body: list[ast.stmt], line: int) -> ast.stmt:
    # An else has no test, and is always settled.
    value = f"{run}.decide({level}, True if ({test}) else False)" if test else "False"
    text = f"if {run}.verdict({level}) if {run}.settled({level}) else {value}: pass"
    return _filled(text, body, line)


def _loop(run: str, level: int, items: str, body: list[ast.stmt], line: int) -> ast.stmt:
    inner = _with(f"{run}.iteration", body, line)
    text = f"for {run}.iteration in {run}.resume({level}) or {run}.start({level}, [*({items})]): pass"
    return _filled(text, [inner], line)


def _with(context: str, body: list[ast.stmt], line: int) -> ast.stmt:
    return _filled(f"with {context}: pass", body, line)


def _filled(text: str, body: list[ast.stmt], line: int) -> ast.stmt:
    (statement,) = _parsed(text, line)
    assert isinstance(statement, ast.If | ast.For | ast.With)
    if body:
        statement.body = body
    return statement


def _parsed(text: str, line: int) -> list[ast.stmt]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = 0
    return tree.body


def _assigned(body: Iterable[ast.stmt]) -> list[str]:
    """The names that plain assignments bind, in order."""
    found: dict[str, None] = {}
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
                if isinstance(part, ast.Name):
                    found[part.id] = None
    return list(found)


def _displaying(body: list[ast.stmt], run: str, interactivity: str) -> list[ast.stmt]:
    """The statements, those expressions displayed that IPython would display."""
    last = body[-1:]
    if interactivity == "last_expr_or_assign" and last and isinstance(last[0], ast.Assign | ast.AnnAssign):
        names = _assigned(last)
        if len(names) == 1:
            body = [*body, ast.copy_location(ast.Expr(ast.Name(names[0], ast.Load())), last[0])]
    shown = {"none": [], "all": body}.get(interactivity, body[-1:])
    for node in shown:
        if isinstance(node, ast.Expr):
            (call,) = _parsed(f"{run}.show(None)", node.lineno)
            assert isinstance(call, ast.Expr)
            assert isinstance(call.value, ast.Call)
            call.value.args = [node.value]
            node.value = ast.copy_location(call.value, node.value)
    return body
