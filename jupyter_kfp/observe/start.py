"""Starting the process that tells of a run."""

from __future__ import annotations

from contextlib import suppress

from jupyter_kfp.detached import start_module
from jupyter_kfp.observe.settings import is_configured
from jupyter_kfp.store import location

LOG = "observe.log"


def start(run_id: str) -> None:
    """Have a process of its own tell of a run that has ended; nothing where nobody is to be told. Never fails."""
    if not is_configured():
        return
    directory = location.run_directory(run_id)
    with suppress(OSError):
        start_module("jupyter_kfp.observe", run_id, directory=directory, log=directory / LOG)
