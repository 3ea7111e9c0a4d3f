"""A kernel for cells with control flow, without IPython: what runs a cell is `exec`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from jupyter_kfp.live.cell import CellRun
from jupyter_kfp.live.names import users
from jupyter_kfp.live.session import Cell, Session
from jupyter_kfp.live.wrapping import stores, wrap
from jupyter_kfp.notebook.cells import live_cell


class Kernel:
    """Runs cells. ``said`` are the lines of the last one, ``calls`` the inputs of notebooks and components."""

    def __init__(self, **names: Any) -> None:
        self.space: dict[str, Any] = dict(names)
        self.session = Session()
        self.said: list[str] = []
        self.calls: list[Mapping[str, Any]] = []
        self.outputs: dict[str, Any] = {}

    @property
    def names(self) -> dict[str, Any]:
        return users(self.space)

    def __getitem__(self, name: str) -> Any:
        return self.space[name]

    def run(self, source: str, key: object = None) -> list[str]:
        """Run one cell and return what it said. ``key`` is the cell's id; by default its text."""
        read = live_cell(source)
        assert not read.problems, read.problems
        self.said = []
        if not read.control:
            self.session.passed()
            exec(compile(read.code, "<cell>", "exec"), self.space)
            return self.said
        tree = ast.parse(read.code)
        cell = Cell(read.name, read.control, key or source, stores(tree))
        self.space["__run__"] = CellRun(
            self.session, cell, self.space, self._call, lambda: None, self.said.append
        )
        tree = wrap(tree, read.control, "__run__", read.line, "none")
        exec(compile(ast.fix_missing_locations(tree), "<cell>", "exec"), self.space)
        return self.said

    def _call(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls.append(given)
        return self.outputs
