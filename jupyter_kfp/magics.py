"""Inside a notebook: ``%%component`` and ``%kfp``, after ``%load_ext jupyter_kfp``.

A ``%%component`` cell is executed as any other: its header is taken off before IPython sees the cell,
so tracebacks, top-level ``await`` and other magics work as they do without it. Afterwards the kernel is
asked what the cell left that could not travel to another step.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as MagicUsageError
from IPython.core.magic import Magics, line_magic, magics_class

from jupyter_kfp.errors import JupyterKfpError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_kfp.api import LoadedPipeline

_USAGE = """\
%kfp check [NOTEBOOK]                      what is wrong with the notebook as a pipeline
%kfp preview [NOTEBOOK]                    its graph
%kfp run [NOTEBOOK] [-p NAME=VALUE]...     run it as a pipeline on this machine; gives the Run
%kfp runs                                  the runs of this machine

NOTEBOOK is the file on disk, saved; without it the notebook of this kernel is meant, where the front end
says which it is."""


@magics_class
class PipelineMagics(Magics):
    """``%kfp``."""

    @line_magic
    def kfp(self, line: str) -> Any:
        """Check, preview and run this notebook as a pipeline; ``%kfp`` alone shows how."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise MagicUsageError(f"%kfp: {error}") from None
        command, *rest = words or ["help"]
        commands = {"check": self._check, "preview": self._preview, "run": self._run, "runs": self._runs}
        if command not in commands:
            if command not in {"help", "-h", "--help"}:
                raise MagicUsageError(f"%kfp has no command {command!r}.\n{_USAGE}")
            print(_USAGE)  # noqa: T201 - a magic talks to its cell's output
            return None
        try:
            return commands[command](rest)
        except JupyterKfpError as error:
            raise MagicUsageError(str(error)) from None

    def _check(self, words: list[str]) -> None:
        from jupyter_kfp.views.tables import diagnostics_view, plain

        loaded = self._notebook(words)
        print(plain(diagnostics_view(loaded.check(), loaded.sources)), end="")  # noqa: T201

    def _preview(self, words: list[str]) -> Any:
        from IPython.display import SVG

        from jupyter_kfp.views.svg import to_svg

        return SVG(to_svg(self._notebook(words).graph()))

    def _run(self, words: list[str]) -> Any:
        from jupyter_kfp.api import parse_parameters
        from jupyter_kfp.views.notebook import NotebookWatch

        pairs, rest = _parameter_flags(words)
        loaded = self._notebook(rest)
        run = loaded.start(parse_parameters(loaded.compile(), pairs))
        with NotebookWatch(tasks=run.steps) as watch:
            run.wait(watch)
        return run

    def _runs(self, words: list[str]) -> None:
        from jupyter_kfp.store.store import open_store
        from jupyter_kfp.views.tables import plain, runs_table

        if words:
            raise MagicUsageError("%kfp runs takes no arguments.")
        store = open_store()
        try:
            print(plain(runs_table(store.runs(limit=20))), end="")  # noqa: T201
        finally:
            store.close()

    def _notebook(self, words: list[str]) -> LoadedPipeline:
        from jupyter_kfp.api import load

        if len(words) > 1:
            raise MagicUsageError(f"one notebook at a time, not {len(words)}.")
        path = Path(words[0]) if words else self._own_path()
        return load(path)

    def _own_path(self) -> Path:
        """The file of the notebook this kernel serves, as the front end tells: Jupyter Server or VS Code."""
        from jupyter_kfp.notebook.textual import is_text

        shell = self.shell
        names = [
            shell.user_ns.get("__vsc_ipynb_file__") if shell is not None else None,
            os.environ.get("JPY_SESSION_NAME"),
        ]
        for name in names:
            path = Path(str(name or ""))
            # jupytext serves scripts and Markdown as notebooks, too.
            if path.suffix == ".ipynb" or is_text(path):
                # The server gives the path from its root, the kernel runs in the notebook's directory.
                return path if path.exists() else Path(path.name)
        raise MagicUsageError(
            "this front end does not say which notebook it shows; name it: %kfp check NOTEBOOK.ipynb"
        )


def _parameter_flags(words: list[str]) -> tuple[list[str], list[str]]:
    pairs: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word in {"-p", "--parameter"}:
            pair = next(left, None)
            if pair is None:
                raise MagicUsageError(f"{word} needs NAME=VALUE.")
            pairs.append(pair)
        elif word.startswith("-"):
            raise MagicUsageError(f"%kfp run has no option {word}.\n{_USAGE}")
        else:
            rest.append(word)
    return pairs, rest


def _is_component(cell: str) -> bool:
    words = cell.split(None, 1)
    return bool(words) and words[0] == "%%component" and cell.lstrip("\n").startswith("%")


def strip_header(lines: list[str]) -> list[str]:
    """An IPython input transformer: a ``%%component`` cell without its header, line for line.

    Raises SyntaxError for a header that no pipeline would take.
    """
    if not _is_component("".join(lines)):
        return lines
    from jupyter_kfp.notebook.cells import live_cell

    code, problems = live_cell("".join(lines))
    if problems:
        problem = problems[0]
        line = problem.line or 1
        text = "".join(lines).splitlines()[line - 1]
        raise SyntaxError(f"{problem.message} {problem.remedy}", ("<the cell>", line, 1, text))
    return code.splitlines(keepends=True)


class _Watch:
    """Warns, after a ``%%component`` cell, of what it left that cannot travel to another step."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def after(self, result: Any) -> None:
        """IPython's ``post_run_cell`` event."""
        source = getattr(result.info, "raw_cell", None) or ""
        if not _is_component(source) or not result.success:
            return
        from jupyter_kfp.notebook.cells import names_bound

        for name in names_bound(source):
            value = self._shell.user_ns.get(name)
            reason = obstacle(value)
            if reason:
                print(  # noqa: T201 - a magic talks to its cell's output
                    f"Warning: `{name}` ({type(value).__qualname__}) cannot travel to another step: {reason}. "
                    "Create it in the step that uses it, and pass on what it was made from.",
                    file=sys.stderr,
                )


class _EnoughError(Exception):
    """So much of a value was pickled that the rest will be, too."""


class _Sink:
    """A file that keeps nothing and has had enough after 4 MB: a cell must not wait for a large frame."""

    def __init__(self) -> None:
        self._left = 4_000_000

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise _EnoughError
        return size


def obstacle(value: object) -> str:
    """Why a value could not travel to another step, or ""."""
    import io
    import types

    import cloudpickle

    if isinstance(value, types.ModuleType | io.IOBase):
        return "it belongs to this process"
    try:
        cloudpickle.CloudPickler(_Sink()).dump(value)
    except _EnoughError:
        return ""
    except Exception as error:  # noqa: BLE001 - any object may refuse in any way; the reason is shown
        return str(error) or type(error).__name__
    return ""


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext jupyter_kfp``."""
    shell.register_magics(PipelineMagics)
    if strip_header not in shell.input_transformers_cleanup:
        # First of all: IPython's own transformers then see an ordinary cell.
        shell.input_transformers_cleanup.insert(0, strip_header)
        watch = _Watch(shell)
        shell.events.register("post_run_cell", watch.after)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext jupyter_kfp``."""
    if strip_header in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(strip_header)
    for callback in list(shell.events.callbacks["post_run_cell"]):
        if isinstance(getattr(callback, "__self__", None), _Watch):
            shell.events.unregister("post_run_cell", callback)
    shell.magics_manager.magics["line"].pop("kfp", None)
