"""The code above a step that a kernel does not have yet."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager


@dataclass(frozen=True)
class Statements:
    """Statements, with the source their lines are of, and the names they bind."""

    source: str
    body: tuple[ast.stmt, ...]
    names: tuple[str, ...]


def missing(cells: Sequence[str], known: Collection[str]) -> Statements:
    """Of the code in ``cells`` what binds names that are not ``known``.

    What binds no name (``sys.path.append(...)``) belongs to it only where none of the names is known: then the cells
    have not run. Lines of IPython (``%pip``, ``!``) are left out: they are the user's to run.

    Raises SyntaxError.
    """
    source = "\n".join(TransformerManager().transform_cell(cell) for cell in cells)
    statements = [(statement, _bound(statement)) for statement in ast.parse(source).body]
    fresh = not any(name in known for _statement, names in statements for name in names)
    chosen = [
        (statement, names)
        for statement, names in statements
        if (any(name not in known for name in names) if names else fresh and not _is_magic(statement))
    ]
    bound = dict.fromkeys(name for _statement, names in chosen for name in names)
    return Statements(source, tuple(statement for statement, _names in chosen), tuple(bound))


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement binds, in alphabetical order; a star import binds none that is known of."""
    if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
        return []
    symbols = symtable.symtable(ast.unparse(statement), "<preamble>", "exec").get_symbols()
    return sorted(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported())


def _is_magic(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "get_ipython" for node in ast.walk(statement))
