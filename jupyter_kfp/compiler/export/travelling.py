"""Code that travels to the steps that need it: imports, functions and classes."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from jupyter_kfp.compiler.export.layout import LIMIT, Group, laid_out
from jupyter_kfp.pipeline import Code


def import_lines(source: str) -> list[str] | None:
    """Imports, one to a line, as formatters write them; None if the code is anything else."""
    nodes = ast.parse(source).body
    if not nodes or not all(map(_imports, nodes)):
        return None
    lines: list[str] = []
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names = tuple(ast.unparse(alias) for alias in node.names)
            lead = f"from {'.' * node.level}{node.module or ''} import "
            whole = laid_out(lead + ", ".join(names), depth=1)
            lines += whole if len(whole[0]) <= LIMIT else laid_out(Group(f"{lead}(", names, ")"), depth=1)
        elif isinstance(node, ast.Import):
            lines += [f"    import {ast.unparse(alias)}" for alias in node.names]
        else:
            lines.append(f"    {ast.unparse(node)}")
    return lines


def _imports(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="artifact_class"))):  # see `cells`
            return True
    return False


def with_comments(code: Code, cells: Mapping[int, str]) -> Code:
    """The code as it stands in its cell, which has the comments that do not travel; itself if it is not found."""
    cell = re.sub(r"(?m)\A%%component.*$", "", cells.get(code.cell, ""))
    try:
        wanted, there = ast.parse(code.source).body, ast.parse(cell).body
    except SyntaxError:
        return code
    size = len(wanted)
    dumps = [ast.dump(node) for node in wanted]
    for start in range(len(there) - size + 1 if size else 0):
        found = there[start : start + size]
        if [ast.dump(node) for node in found] == dumps:
            return Code(_lines(cell, found[0], found[-1]) or code.source, code.cell)
    return code


def _lines(cell: str, first: ast.stmt, last: ast.stmt) -> str | None:
    """The whole lines of the statements, with the comments right above them; None if they share a line."""
    lines = cell.split("\n")
    begin = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
    while begin > 1 and lines[begin - 2].startswith("#") and not lines[begin - 2].startswith("#|"):
        begin -= 1
    assert last.end_lineno is not None
    text = "\n".join(lines[begin - 1 : last.end_lineno])
    try:
        same = len(ast.parse(text).body)
    except SyntaxError:
        return None
    inside = [node for node in ast.parse(cell).body if first.lineno <= node.lineno <= last.lineno]
    return text if same == len(inside) and inside[0].lineno == first.lineno else None
