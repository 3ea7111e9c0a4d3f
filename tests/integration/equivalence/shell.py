"""IPython the way ipykernel runs it, without ZeroMQ: what a notebook's cells see is the same.

A kernel's shell is an InteractiveShell too; what differs is where output goes. So cells run through
the same transformers, magics, display hook, history (``_``, ``Out``) and event loop (top-level await).
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@dataclass(frozen=True)
class CellError:
    """The exception that stopped a cell: its type's name, its text, its traceback."""

    kind: str
    message: str
    lines: tuple[str, ...]


class KernelShell(InteractiveShell):
    """A shell without a window toolkit, which is what a kernel's ``%matplotlib inline`` asks for."""

    def enable_gui(self, gui: str | None = None) -> None:
        pass


class NotebookShell:
    """A fresh ``__main__``, ready for cells. One per process."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.shell = KernelShell.instance(config=config)
        # As ipykernel does: the working directory is importable.
        if "" not in sys.path and str(os.getcwd()) not in sys.path:  # noqa: PTH109
            sys.path.insert(0, "")

    @property
    def namespace(self) -> dict[str, Any]:
        """The globals of the notebook."""
        return self.shell.user_ns

    def load_extension(self) -> None:
        """``%load_ext jupyter_kfp``, as the first cell of a notebook with ``%%component`` has it."""
        self.shell.extension_manager.load_extension("jupyter_kfp")

    async def run(self, source: str, cell_id: str | None = None) -> CellError | None:
        """Run one cell; the error that stopped it, if one did. ``cell_id`` is what a front end says of it.

        All cells of a notebook run in one task, for they share one event loop and one context.
        """
        # The decision and the calls of ipykernel's IPythonKernel.do_execute.
        try:
            transformed, failed = self.shell.transform_cell(source), None
        except Exception:  # noqa: BLE001 - a transformer may raise anything; the shell reports it
            transformed, failed = source, sys.exc_info()
        if self.shell.should_run_async(source, transformed_cell=transformed, preprocessing_exc_tuple=failed):
            result = await self.shell.run_cell_async(
                source,
                store_history=True,
                transformed_cell=transformed,
                preprocessing_exc_tuple=failed,
                cell_id=cell_id,
            )
        else:
            result = self.shell.run_cell(source, store_history=True, cell_id=cell_id)
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            return None
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        return CellError(type(error).__name__, str(error), tuple("".join(lines).splitlines()))
