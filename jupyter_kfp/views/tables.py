"""Runs, one run, diagnostics and logs, for a terminal (rich) or for a pipe (plain text).

The functions make rich renderables; :func:`emit` prints one to a console the way it is used: in
colour and fitted to a terminal, else plain, one line a row whatever its length.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.views.states import LOOKS, checked, symbol
from jupyter_kfp.views.values import brief, counted, duration, elapsed, get, moment

# Ports that every step has: the executed notebook, twice. A table says what is peculiar to a step.
_EVERYWHERE = frozenset({"executed_notebook", "executed_html"})


def emit(renderable: RenderableType, console: Console) -> None:
    """Prints ``renderable``; where ``console`` is not a terminal, without colours, folding or padding."""
    if console.is_terminal:
        console.print(renderable)
    else:
        console.file.write(plain(renderable, console.encoding))


def plain(renderable: RenderableType, encoding: str = "utf-8") -> str:
    """``renderable`` as plain text that ``encoding`` can hold."""
    out = StringIO()
    # Not Jupyter's, in a kernel: that one would show everything as a display of its own.
    console = Console(
        file=out, width=100_000, color_system=None, legacy_windows=False, force_jupyter=False, _environ={}
    )
    console.print(renderable)
    text = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    return f"{text}\n".encode(encoding, "backslashreplace").decode(encoding)


def state_text(state: Any, *, ascii_only: bool = False) -> Text:
    """A state with its symbol, in its colour."""
    known = checked(state)
    return Text(f"{symbol(known, ascii_only=ascii_only)} {known}", LOOKS[known].style)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column in {"RUN", "STATE", "TIME", "STARTED", "ATTEMPTS"})
    return table


def runs_table(
    runs: Iterable[Any], metrics: Sequence[str] = (), *, ascii_only: bool = False
) -> RenderableType:
    """The runs, in the order given, with a column for each name in ``metrics``.

    Each is a mapping or a record with ``id`` (or ``run_id``), ``pipeline`` (or ``name``), ``state``,
    ``created_at``, ``started_at``, ``ended_at``, and the metrics.
    """
    table = _table("RUN", "PIPELINE", "STATE", "STARTED", "TIME", *metrics)
    for run in runs:
        started = get(run, "started_at")
        begun = moment(get(run, "started_at", "created_at"))
        table.add_row(
            Text(str(get(run, "id", "run_id"))),
            Text(str(get(run, "pipeline", "name") or "")),
            state_text(get(run, "state"), ascii_only=ascii_only),
            begun.astimezone().strftime("%Y-%m-%d %H:%M:%S") if begun else "",
            duration(elapsed(started, get(run, "ended_at"))),
            *(_value(get(run, name)) for name in metrics),
        )
    return table if table.row_count else Text("No runs yet. Start one with: jupyter kfp run NOTEBOOK")


def _value(value: Any) -> str:
    """A value in a cell of a table: numbers with six significant digits."""
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}"
        case _:
            return brief(value, 30)


def run_view(run: Mapping[str, Any], *, ascii_only: bool = False, tasks: bool = True) -> RenderableType:
    """One run with its tasks, outputs and failures: the document that `run --json` prints, as text.

    ``{"run_id", "state", "outputs": {name: value or artifact}, "tasks": [{"name", "path", "state",
    "attempts", "started_at", "ended_at", "outputs", "error"}], "error", "mlflow": its page there}``. ``tasks``: False leaves out the
    tasks and why they failed, for a reader who has just seen that.
    """
    run_id, all_tasks = str(get(run, "run_id", "id")), run.get("tasks") or []
    head = Text.assemble(("Run ", "bold"), (run_id, "bold"), "  ")
    head.append_text(state_text(run["state"], ascii_only=ascii_only))
    parts: list[RenderableType] = [head]
    if run.get("mlflow"):
        parts.append(Text.assemble(("MLflow: ", "cyan"), str(run["mlflow"])))
    if all_tasks and tasks:
        parts += ["", _tasks(all_tasks, ascii_only=ascii_only)]
    if run.get("outputs"):
        parts += ["", Text("Outputs", "bold")]
        parts += [Text(f"  {name}: {brief(value, 200)}") for name, value in run["outputs"].items()]
    failed = [task for task in all_tasks if task.get("error") and task["state"] == "FAILED"]
    if tasks:
        for task in failed:
            parts += ["", Text(f"{_path(task)} failed", "bold red"), Text(_indented(_error(task["error"])))]
        # The error of a run repeats that of its first failed task.
        if run.get("error") and not failed:
            parts += ["", Text("Error", "bold red"), Text(_indented(_error(run["error"])))]
    if failed:
        parts += ["", *_where_to_look(run_id, failed[0])]
    return Group(*parts)


def _tasks(tasks: Iterable[Mapping[str, Any]], *, ascii_only: bool) -> Table:
    table = _table("TASK", "STATE", "TIME", "ATTEMPTS", "OUTPUTS")
    for task in tasks:
        attempts = task.get("attempts")
        number = len(attempts) if isinstance(attempts, Sequence) else attempts or 0
        outputs = [_pair(*pair) for pair in (task.get("outputs") or {}).items() if pair[0] not in _EVERYWHERE]
        note = _error(task["error"]) if task.get("error") and task["state"] != "FAILED" else ""
        table.add_row(
            Text(_path(task)),
            state_text(task["state"], ascii_only=ascii_only),
            duration(elapsed(task.get("started_at"), task.get("ended_at"))),
            str(number) if number > 1 else "",
            Text(note, "dim") if note else Text(", ".join(outputs)),
        )
    return table


def _path(task: Mapping[str, Any]) -> str:
    return str(task.get("path") or task.get("name"))


def _where_to_look(run_id: str, task: Mapping[str, Any]) -> list[RenderableType]:
    """Where the whole story of a failed task is: its log, its executed notebook."""
    log = f"jupyter kfp logs {run_id} {shlex.quote(_path(task))}"
    lines: list[RenderableType] = [Text.assemble(("Log:      ", "cyan"), log)]
    notebook = (task.get("outputs") or {}).get("executed_notebook")
    if isinstance(notebook, Mapping) and notebook.get("uri"):
        lines.append(Text.assemble(("Notebook: ", "cyan"), str(notebook["uri"])))
    return lines


def _pair(name: str, value: object) -> str:
    """A task's output in a table: parameters with their value, artifacts by name and type."""
    if isinstance(value, Mapping) and {"uri", "type"} <= value.keys():
        return f"{name}: {str(value['type']).removeprefix('system.')}"
    return f"{name} = {brief(value, 30)}"


def _error(error: Any) -> str:
    if isinstance(error, str):
        return error
    kind, message, cell = get(error, "type"), get(error, "message") or "", get(error, "cell")
    text = f"{kind}: {message}" if kind else str(message)
    place = f"cell {int(cell) + 1}: " if cell is not None else ""
    return f"{place}{text}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def diagnostics_view(
    diagnostics: Iterable[Diagnostic], sources: Mapping[int, str] | Sequence[str] = ()
) -> RenderableType:
    """Diagnostics, each with the line it is about and its remedy, and how many there are.

    ``sources`` are the notebook's cells (source text) by 0-based index; without them no line is shown. Nor is one that
    seems to hold a secret, whatever else is said of it: this is printed where logs are kept.
    """
    from jupyter_kfp.credentials import CODE

    found = list(diagnostics)
    secret = {(each.cell, each.line) for each in found if each.code == CODE}
    if not found:
        return Text("No problems found.", "green")
    lines: list[RenderableType] = []
    for diagnostic in found:
        style = "bold red" if diagnostic.severity is Severity.ERROR else "bold yellow"
        head = Text()
        if diagnostic.place:
            head.append(f"{diagnostic.place}: ", "bold")
        head.append(f"{diagnostic.severity.value} {diagnostic.code}", style)
        head.append(f": {diagnostic.message}")
        lines.append(head)
        if (diagnostic.cell, diagnostic.line) not in secret:
            lines += _source_line(diagnostic, sources)
        if diagnostic.remedy:
            lines.append(Text.assemble(("    help: ", "cyan"), diagnostic.remedy))
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    total = [counted(errors, "error")] if errors else []
    total += [counted(len(found) - errors, "warning")] if len(found) > errors else []
    return Group(*lines, Text(", ".join(total), "bold"))


def _source_line(diagnostic: Diagnostic, sources: Mapping[int, str] | Sequence[str]) -> list[Text]:
    """The line that ``diagnostic`` is about, marked from its first character to its last."""
    cell, line = diagnostic.cell, diagnostic.line
    if cell is None or line is None:
        return []
    source = sources.get(cell, "") if isinstance(sources, Mapping) else dict(enumerate(sources)).get(cell, "")
    lines = source.splitlines()
    if not 0 < line <= len(lines):
        return []
    code = lines[line - 1].expandtabs(4).rstrip()
    indent = len(code) - len(code.lstrip())
    gutter = f"{line:>7} | "
    shown = Text.assemble((gutter, "dim"), code)
    mark = Text.assemble((f"{'':>7} | ", "dim"), (" " * indent + "^" * (len(code) - indent), "red"))
    return [shown, mark] if code.strip() else [shown]


def logs_view(logs: Mapping[str, str]) -> RenderableType:
    """The logs of tasks by path. One alone is shown as it is; of several each has its path above it.

    Colours that the log itself has are kept on a terminal.
    """
    parts: list[RenderableType] = []
    for path, text in logs.items():
        if len(logs) > 1:
            parts.append(Text(f"==> {path} <==", "bold"))
        parts.append(Text.from_ansi(text) if text else Text("(empty)", "dim"))
    return Group(*parts)
