"""Inside a notebook: ``%%component``, ``%%pipeline`` and ``%kfp``, after ``%load_ext jupyter_kfp``.

A ``%%component`` cell is executed as any other: its header is taken off before IPython sees the cell,
so tracebacks, top-level ``await`` and other magics work as they do without it. What the header says of
branches and loops is honoured here, too (:mod:`jupyter_kfp.live`). Afterwards the kernel is asked what the cell
left that could not travel to another step.
"""

from __future__ import annotations

import ast
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as MagicUsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.live.shell import install, uninstall

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_kfp.api import LoadedPipeline
    from jupyter_kfp.live.preamble import Statements
    from jupyter_kfp.runs import Run

_USAGE = """\
%kfp check [NOTEBOOK]                      what is wrong with the notebook as a pipeline
%kfp preview [NOTEBOOK|RUN]                its graph, live: to run it, submit it and look at its steps
%kfp run [NOTEBOOK] [-p NAME=VALUE]...     run it as a pipeline on this machine; gives the Run
         [--runner process|container|auto]  as processes, or in containers of Docker or Podman
         [--no-cache] [--from STEP]        executing every step; taking what is before STEP from the last run
%kfp resume RUN, %kfp retry RUN            go on with a run that was interrupted, or that failed
%kfp load RUN STEP [--outputs]             bind what went into a step of a run (or came out of it) here
         [--allow-pickle]                  also where it runs code that somebody else has chosen
%kfp runs                                  the runs of this machine

NOTEBOOK is the file on disk, saved; without it the notebook of this kernel is meant, where the front end
says which it is."""


@magics_class
class PipelineMagics(Magics):
    """``%kfp`` and ``%%pipeline``."""

    @line_magic
    def kfp(self, line: str) -> Any:
        """Check, preview and run this notebook as a pipeline; ``%kfp`` alone shows how."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise MagicUsageError(f"%kfp: {error}") from None
        command, *rest = words or ["help"]
        commands = {
            "check": self._check,
            "preview": self._preview,
            "run": self._run,
            "load": self._load,
            "runs": self._runs,
            "resume": self._resume,
            "retry": self._retry,
        }
        if command not in commands:
            if command not in {"help", "-h", "--help"}:
                raise MagicUsageError(f"%kfp has no command {command!r}.\n{_USAGE}")
            print(_USAGE)  # noqa: T201 - a magic talks to its cell's output
            return None
        try:
            return commands[command](rest)
        except JupyterKfpError as error:
            raise MagicUsageError(str(error)) from None

    @cell_magic
    def pipeline(self, line: str, cell: str) -> None:
        """A pipeline in KFP's DSL over the notebook's steps: read here, run only as a pipeline."""
        if line.strip():
            raise MagicUsageError(f"`{line.strip()}` after %%pipeline is no option.")
        try:
            tree = ast.parse(cell)
        except SyntaxError as error:
            # The magic's own line is line 1.
            raise MagicUsageError(f"%%pipeline, line {(error.lineno or 1) + 1}: {error.msg}.") from None
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        names = dict.fromkeys(
            call.func.id
            for call in sorted(calls, key=lambda c: (c.lineno, c.col_offset))
            if isinstance(call.func, ast.Name)
        )
        what = f"calls {', '.join(names)}" if names else "calls no step"
        print(f"The pipeline {what}. %kfp preview shows it, %kfp run runs it.")  # noqa: T201

    def _check(self, words: list[str]) -> None:
        from jupyter_kfp.views.tables import diagnostics_view, plain

        loaded = self._notebook(words)
        print(plain(diagnostics_view(loaded.check(), loaded.sources)), end="")  # noqa: T201

    def _preview(self, words: list[str]) -> Any:
        if len(words) == 1 and not Path(words[0]).suffix and not Path(words[0]).exists():
            from jupyter_kfp.runs import Run

            return Run(words[0]).preview()
        return self._notebook(words).preview()

    def _run(self, words: list[str]) -> Any:
        from jupyter_kfp.api import parse_parameters

        pairs, options, rest = _run_flags(words)
        loaded = self._notebook(rest)
        return _watched(loaded.start(parse_parameters(loaded.compile(), pairs), **options))

    def _resume(self, words: list[str]) -> Any:
        run = _named_run("resume", words)
        run.resume()
        return _watched(run)

    def _retry(self, words: list[str]) -> Any:
        run = _named_run("retry", words)
        run.retry()
        return _watched(run)

    def _load(self, words: list[str]) -> None:
        from jupyter_kfp.live.loading import load
        from jupyter_kfp.runs import Run

        flags = {word for word in words if word.startswith("-")}
        names = [word for word in words if word not in flags]
        if len(names) != 2 or flags - {"--outputs", "--allow-pickle"}:
            raise MagicUsageError(
                "write: %kfp load RUN STEP [--outputs]. %kfp runs lists the runs there are."
            )
        assert self.shell is not None, "a magic has a shell"
        told = load(
            Run(names[0]),
            names[1],
            self.shell.user_ns,
            self._execute,
            outputs="--outputs" in flags,
            allow_pickle="--allow-pickle" in flags,
        )
        print(told)  # noqa: T201 - a magic talks to its cell's output

    def _execute(self, code: Statements) -> None:
        """Run code of the notebook here, so that tracebacks and ``inspect`` find its source."""
        assert self.shell is not None, "a magic has a shell"
        file = self.shell.compile.cache(code.source)
        tree = ast.Module(list(code.body), [])
        # The notebook's own code, as its cells would be run.
        exec(compile(tree, file, "exec", dont_inherit=True), self.shell.user_ns)  # noqa: S102

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


def _named_run(command: str, words: list[str]) -> Run:
    from jupyter_kfp.runs import Run

    if len(words) != 1:
        raise MagicUsageError(f"write: %kfp {command} RUN. %kfp runs lists the runs there are.")
    return Run(words[0])


def _watched(run: Run) -> Run:
    """Show how a run goes, to its end."""
    from jupyter_kfp.views.notebook import NotebookWatch

    with NotebookWatch(tasks=run.steps) as watch:
        run.wait(watch)
    return run


def _run_flags(words: list[str]) -> tuple[list[str], dict[str, Any], list[str]]:
    """The parameters, the options of `LoadedPipeline.start`, and the other words."""
    pairs: list[str] = []
    options: dict[str, Any] = {}
    rest: list[str] = []
    left = iter(words)
    for word in left:
        flag, _, value = word.partition("=")
        if word in {"-p", "--parameter"}:
            pair = next(left, None)
            if pair is None:
                raise MagicUsageError(f"{word} needs NAME=VALUE.")
            pairs.append(pair)
        elif flag == "--runner":
            options["runner"] = value or next(left, "")
        elif flag == "--from":
            options["from_step"] = value or next(left, "")
        elif word == "--no-cache":
            options["cache"] = False
        elif word.startswith("-"):
            raise MagicUsageError(f"%kfp run has no option {word}.\n{_USAGE}")
        else:
            rest.append(word)
    return pairs, options, rest


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext jupyter_kfp``."""
    shell.register_magics(PipelineMagics)
    install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext jupyter_kfp``."""
    uninstall(shell)
    for kind, name in (("line", "kfp"), ("cell", "pipeline")):
        shell.magics_manager.magics[kind].pop(name, None)
