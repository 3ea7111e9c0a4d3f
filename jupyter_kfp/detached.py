"""Processes that outlive the one that starts them, and that nobody waits for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def start_module(
    module: str, *arguments: str, directory: Path, log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Start ``python -m module`` in ``directory``, in a session of its own; what it says is added to ``log``.

    ``directory`` should hold no modules: they would hide others. ``environment`` is by default this process's own.
    Raises OSError if it cannot be started.
    """
    with log.open("ab") as stream:
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=directory,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
