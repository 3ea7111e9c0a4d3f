"""The commands of executors: whose they are, where their programs are, and how they ended. Pure but for the PATH."""

from __future__ import annotations

import shutil
import signal

from jupyter_kfp.engine.plan import Container
from jupyter_kfp.errors import JupyterKfpError

# The first line of the program every notebook step starts with; its arguments are the executor input, a
# JSON list of packages, and the packed step.
STEP_HEADER = "# jupyter_kfp step"
_PYTHONS = ("python", "python3")


def is_notebook_step(container: Container) -> bool:
    """Whether the container is a step that this package compiled."""
    return (
        len(container.command) == 3
        and container.command[2].startswith(STEP_HEADER)
        and len(container.args) >= 2
    )


def find_program(word: str, python: str, path: str | None) -> str:
    """The program a command's first word names; ``python3`` is the step's own interpreter."""
    if word in _PYTHONS:
        return python
    program = shutil.which(word, path=path)
    if program is None:
        raise JupyterKfpError(
            f"The command {word!r} is not on this machine's PATH.",
            "Install it, or run the step in a container.",
        )
    return program


def exit_words(code: int | None) -> str:
    """An exit code as words. Shells report the end by signal N as 128 + N."""
    if code is None:
        return "never started"
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"ended with exit code {code}"
    hint = ", perhaps because memory ran out" if name == "SIGKILL" else ""
    return f"was ended by the signal {name}{hint}"
