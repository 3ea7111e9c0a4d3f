"""Make Python source small without changing what it does, by cutting text at known positions.

Unparsing a syntax tree would give other bytes on other Python versions. Here the source keeps its own
spelling; comments, docstrings, annotations, type-checking imports, needless blanks and the lines
inside brackets go.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

_SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.DEDENT,
}
# Since Python 3.12 an f-string is many tokens; before, it is one. It stays as it is either way.
_F_START, _F_END = (getattr(tokenize, f"FSTRING_{edge}", -1) for edge in ("START", "END"))


def strip(source: str) -> str:
    """The same module in fewer bytes.

    Raises ValueError for text outside ASCII: in syntax trees columns count bytes, in tokens characters.
    """
    if not source.isascii():
        raise ValueError("the runtime's modules are ASCII")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    text = source
    for first, last, instead in _cuts(ast.parse(source), source, starts):
        blank = "".join(c if c == "\n" else " " for c in text[first:last])
        text = text[:first] + instead + blank[len(instead) :] + text[last:]
    return "".join(_compact(text, starts))


def _cuts(tree: ast.Module, source: str, starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """Pieces of ``source`` to blank out: first and last offset, and what stands there instead."""

    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    annotations: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(returns=ast.expr() as returns):
                annotations.append(returns)
                yield source.rindex("->", 0, span(returns)[0]), span(returns)[1], ""
            case ast.arg(annotation=ast.expr() as annotation):
                annotations.append(annotation)
                yield starts[node.lineno - 1] + node.col_offset + len(node.arg), span(annotation)[1], ""
            case ast.AnnAssign(value=ast.expr()):
                annotations.append(node.annotation)
                yield span(node.target)[1], span(node.annotation)[1], ""
        match node:
            case (
                ast.Module(body=[ast.Expr(value=ast.Constant(value=str())) as doc, *rest])
                | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str())) as doc, *rest])
                | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str())) as doc, *rest])
            ):
                yield *span(doc), "" if rest else "0"
    unused = {id(n) for annotation in annotations for n in ast.walk(annotation)}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in unused}
    for statement in tree.body:
        match statement:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield *span(statement), ""
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                if not any((a.asname or a.name).partition(".")[0] in used for a in names):
                    yield *span(statement), ""


def _compact(text: str, starts: list[int]) -> Iterator[str]:
    """The tokens of ``text``, one blank per level of indentation and none that is not needed."""
    level, depth, before = 0, 0, "\n"
    opened = (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        level += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        piece = token.string
        if token.type == _F_START:
            depth += 1
            opened = token.start if depth == 1 else opened
        if token.type == _F_END:
            depth -= 1
            first, last = (starts[line - 1] + column for line, column in (opened, token.end))
            piece = text[first:last]
        if depth or token.type in _SKIPPED:
            continue
        if token.type == tokenize.NEWLINE:
            piece = "\n"
        elif before == "\n":
            yield " " * level
        elif (before + piece[0]).replace("_", "a").isalnum():
            yield " "
        yield piece
        before = piece[-1]
