"""A step as its container runs it, but with the kernel's cells executed in the same process.

Everything is real (the boot program, the packed runtime, papermill and its notebook, the injected
load and save cells, the files) except that papermill's engine is :class:`ShellEngine`, because
starting a kernel takes more than a second, and that the executed notebook is not drawn as HTML, which
is half of what remains.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from papermill.engines import Engine, papermill_engines

from .shell import NotebookShell


class ShellEngine(Engine):
    """papermill's loop over the cells, with a shell in the place of a kernel."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        """Run the cells of ``nb_man`` up to the first that fails."""
        asyncio.run(cls._execute(nb_man))

    @classmethod
    async def _execute(cls, nb_man: Any) -> None:
        shell = NotebookShell()
        for index, cell in enumerate(nb_man.nb.cells):
            if cell.cell_type != "code":
                continue
            nb_man.cell_start(cell, index)
            error = await shell.run(cell.source)
            if error is not None:
                output = nbformat.v4.new_output(
                    "error", ename=error.kind, evalue=error.message, traceback=list(error.lines)
                )
                cell.outputs.append(output)
                nb_man.cell_exception(cell, cell_index=index, exception=None)
            nb_man.cell_complete(cell, cell_index=index)
            if error is not None:
                break


def run_step(command: list[str], arguments: list[str]) -> None:
    """Be the container: run ``python3 -c COMMAND ARGUMENTS``. Ends with SystemExit."""
    papermill_engines.register(None, ShellEngine)
    HTMLExporter.from_filename = lambda self, filename: ("<html></html>", {})
    os.environ["JUPYTER_KFP_ENVIRONMENT"] = "ready"
    assert command[1] == "-c"
    sys.argv = ["-c", *arguments]
    exec(compile(command[2], "<boot>", "exec"), {"__name__": "__main__"})
