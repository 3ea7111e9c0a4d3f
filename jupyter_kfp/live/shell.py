"""``%%component`` in IPython: how a cell loses its header and gets what the header says.

An input transformer takes the header off, so that IPython and its magics see an ordinary cell. Where the
header has control flow, it leaves a text in its place, which travels with the cell into the syntax tree;
there an AST transformer, the first of all, finds it and puts the cell's statements under its control.
Nothing else passes between the two, so it does not matter how often, and in what order, IPython
transforms and runs cells (ipykernel transforms most twice, ``%time`` transforms a part of a cell).

This module is imported by ``%load_ext``: whatever is slow is imported with the first cell that needs it.
"""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import JupyterKfpError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_kfp.live.cell import CellRun
    from jupyter_kfp.live.session import Session
    from jupyter_kfp.notebook.cells import LiveCell

# What the header becomes, on its line: a text that does nothing.
_MARK = "jupyter_kfp: "
_runs: dict[int, CellRun] = {}
_numbers = itertools.count(1)


def is_component(cell: str) -> bool:
    """Whether a cell's first line is ``%%component``."""
    words = cell.split(None, 1)
    return bool(words) and words[0] == "%%component" and cell.lstrip("\n").startswith("%")


def strip_header(lines: list[str]) -> list[str]:
    """An IPython input transformer: a ``%%component`` cell without its header, line for line.

    Raises SyntaxError for a header that no pipeline would take.
    """
    cell = _read("".join(lines))
    if cell is None:
        return lines
    if cell.problems:
        problem = cell.problems[0]
        line = problem.line or 1
        text = "".join(lines).splitlines()[line - 1]
        raise SyntaxError(f"{problem.message} {problem.remedy}", ("<the cell>", line, 1, text))
    return cell.code.splitlines(keepends=True)


def _read(source: str) -> LiveCell | None:
    if not is_component(source):
        return None
    from jupyter_kfp.notebook.cells import live_cell

    return live_cell(source)


def run_of(number: int) -> CellRun:
    """The run of a cell, for the statements around its code, until it ends."""
    return _runs[number]


class ComponentCells(ast.NodeTransformer):
    """What the extension does to the cells of one shell. Its methods are IPython's hooks."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._directory = Path.cwd()
        self._header: LiveCell | None = None
        self._source = ""
        self._id: object = None
        self._session: Session | None = None

    def strip(self, lines: list[str]) -> list[str]:
        """`strip_header`, which also keeps the header for :meth:`mark`, the next of the same cell."""
        self._header = None
        stripped = strip_header(lines)
        self._header = _read("".join(lines))
        return stripped

    def mark(self, lines: list[str]) -> list[str]:
        """An input transformer for cells that are Python by now: the header comes back as a text.

        Raises SyntaxError for a cell that only control flow would make valid: ``break`` does not end a
        ``--for``, which is no loop of Python's in the pipeline.
        """
        header, self._header = self._header, None
        if header is None or not header.control:
            return lines
        _check("".join(lines))
        text = repr(_MARK + header.header) + "\n"
        at = header.line - 1
        if at < len(lines) and lines[at].strip() in {"", "#"}:
            return [*lines[:at], text, *lines[at + 1 :]]
        return [text, *lines]  # before a magic that must come first, whose blank lines IPython dropped

    def visit(self, tree: Any) -> Any:
        """An AST transformer: a marked cell under its control."""
        match tree.body:
            case [ast.Expr(value=ast.Constant(value=str(text)), lineno=line), *rest] if text.startswith(
                _MARK
            ):
                pass
            case _:
                return tree
        from IPython.core.error import InputRejected

        from jupyter_kfp.live.cell import CellRun
        from jupyter_kfp.live.session import Cell
        from jupyter_kfp.live.wrapping import stores, wrap
        from jupyter_kfp.notebook.cells import live_cell

        try:
            read = live_cell(text.removeprefix(_MARK))
            # Front ends that give cells no id run each of them once, or tell a cell from another by its text.
            key, self._id = (self._id if self._id is not None else self._source), None
            body = ast.Module(rest, tree.type_ignores)
            cell = Cell(read.name, read.control, key, stores(body))
            number = next(_numbers)
            space = self._shell.user_ns
            _runs[number] = CellRun(
                self.session, cell, space, lambda given: self._call(read, given), lambda: _runs.pop(number)
            )
            run = f"__import__('jupyter_kfp.live.shell', fromlist=['']).run_of({number})"
            interactivity = self._shell.ast_node_interactivity
            return wrap(body, read.control, run, line, interactivity)
        except Exception as error:
            # IPython removes a transformer that raises anything else, and would run the cell as it is.
            raise InputRejected(f"the cell's header cannot be followed: {error}") from error

    @property
    def session(self) -> Session:
        """What is remembered from cell to cell."""
        if self._session is None:
            from jupyter_kfp.live.session import Session

            self._session = Session()
        return self._session

    def executes(self) -> None:
        """IPython's ``pre_execute`` event, which widgets cause, too: nothing is known of the cell yet."""
        self._id, self._source = None, ""

    def before(self, info: Any) -> None:
        """IPython's ``pre_run_cell`` event."""
        self._source = info.raw_cell or ""
        self._id = getattr(info, "cell_id", None)
        cell = _read(self._source)
        if cell is not None and not cell.problems and not cell.control:
            self.session.passed()

    def after(self, result: Any) -> None:
        """IPython's ``post_run_cell`` event."""
        cell = _read(getattr(result.info, "raw_cell", None) or "")
        if cell is None or cell.problems:
            return
        error = result.error_before_exec or result.error_in_exec
        if not cell.control.on_exit:
            self.session.ended(cell.name, error)
        if error is None and not _apart(cell):
            self._warn(result.info.raw_cell)

    def _warn(self, source: str) -> None:
        """Warn of what a cell left that cannot travel to another step."""
        from jupyter_kfp.live.travel import obstacle
        from jupyter_kfp.notebook.cells import names_bound

        for name in names_bound(source):
            value = self._shell.user_ns.get(name)
            reason = obstacle(value)
            if reason:
                print(  # noqa: T201 - the extension talks to its cell's output
                    f"Warning: `{name}` ({type(value).__qualname__}) cannot travel to another step: {reason}. "
                    "Create it in the step that uses it, and pass on what it was made from.",
                    file=sys.stderr,
                )

    def _call(self, cell: LiveCell, given: Mapping[str, Any]) -> Mapping[str, Any]:
        from jupyter_kfp.live.errors import LiveError

        try:
            if cell.control.notebook:
                from jupyter_kfp.live.notebooks import run_notebook

                return run_notebook(self._directory / cell.control.notebook, given, self._shell.user_ns)
            from jupyter_kfp.live.components import run_component

            name, space = cell.control.component, self._shell.user_ns
            return run_component(name, self._directory, cell.name, given, space, cell.options)
        except LiveError:
            raise
        except JupyterKfpError as error:
            raise LiveError(error.message, error.remedy) from None


def _apart(cell: LiveCell) -> bool:
    """Whether what the cell binds is gone after it (a loop, an exit step), or has travelled already."""
    from jupyter_kfp.notebook.control import LoopFrame

    control = cell.control
    loops = any(isinstance(frame, LoopFrame) for frame in control.frames)
    return loops or bool(control.on_exit or control.notebook or control.component)


def _check(source: str) -> None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return  # IPython says so itself, and runs nothing
    try:
        compile(tree, "<the cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        error.text = source.splitlines()[(error.lineno or 1) - 1]
        raise


def install(shell: InteractiveShell) -> None:
    """Hook into ``shell``, once."""
    if _installed(shell):
        return
    cells = ComponentCells(shell)
    # First of all: IPython's own transformers then see an ordinary cell, and all others an ordinary tree.
    shell.input_transformers_cleanup.insert(0, cells.strip)
    shell.input_transformers_post.insert(0, cells.mark)
    shell.ast_transformers.insert(0, cells)
    for event, hook in _hooks(cells).items():
        shell.events.register(event, hook)


def uninstall(shell: InteractiveShell) -> None:
    """Undo :func:`install`."""
    cells = _installed(shell)
    if cells is None:
        return
    shell.input_transformers_cleanup.remove(cells.strip)
    if cells.mark in shell.input_transformers_post:
        shell.input_transformers_post.remove(cells.mark)
    if cells in shell.ast_transformers:
        shell.ast_transformers.remove(cells)
    for event, hook in _hooks(cells).items():
        shell.events.unregister(event, hook)


def _hooks(cells: ComponentCells) -> dict[str, Any]:
    return {"pre_execute": cells.executes, "pre_run_cell": cells.before, "post_run_cell": cells.after}


def _installed(shell: InteractiveShell) -> ComponentCells | None:
    hooks = (getattr(hook, "__self__", None) for hook in shell.input_transformers_cleanup)
    return next((cells for cells in hooks if isinstance(cells, ComponentCells)), None)
