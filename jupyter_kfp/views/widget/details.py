"""What is known of one step, as HTML: everything that comes from a notebook or a run is escaped or confined.

Pages and images that steps have made are shown in frames without an origin: they reach neither the page around
them nor the server.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.records import AttemptRecord, TaskRecord
from jupyter_kfp.views.content import METRICS, content, metrics
from jupyter_kfp.views.states import LOOKS, symbol
from jupyter_kfp.views.values import brief, duration, elapsed
from jupyter_kfp.views.widget.protocols import StepLike

TABS = ("Code", "Log", "Inputs and outputs", "Results", "Executed notebook")
LOG_TAIL = 20_000  # characters
_FRAME_BYTES = 8_000_000
_LINK_BYTES = 8_000_000
_ROWS = 20
# As the server confines them: scripts may draw, but ask nobody's address of this machine for anything.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' https:; style-src 'unsafe-inline' https:; "
    "img-src data: https:; font-src data: https:"
)
_TABLE = "border-collapse:collapse;margin:4px 0"
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;white-space:pre-wrap;word-break:break-word"
_PRE = "margin:0;padding:6px;white-space:pre-wrap;max-height:24em;overflow:auto;border:1px solid var(--jp-border-color2,#ddd)"


@dataclass(frozen=True, slots=True)
class Written:
    """A step as it is written: the code of its cells, and its options by name."""

    code: tuple[str, ...]
    options: Mapping[str, Any]


def head(path: str, record: TaskRecord | None) -> str:
    """One line: the step, its state, how long it took and why it failed."""
    if record is None:
        return f"<b>{escape(path)}</b>"
    state = record.state.value
    took = duration(elapsed(record.started_at, record.ended_at))
    text = f"<b>{escape(path)}</b> {_coloured(state)}{f' in {took}' if took else ''}"
    if record.reused_from is not None:
        text += f" (result of run {escape(record.reused_from[0])})"
    return text + (f": {escape(record.failure.message)}" if record.failure else "")


def failed(path: str, error: Exception) -> str:
    """One line: why nothing can be told of the step."""
    what = str(error) if isinstance(error, JupyterKfpError) else repr(error)
    return f"{head(path, None)}: {escape(what)}"


def code(written: Written) -> str:
    """The cells and the options."""
    cells = "<hr>".join(_highlighted(cell) for cell in written.code) or "<i>It has no code of a notebook.</i>"
    options = {name: _option(value) for name, value in written.options.items()}
    return f"{cells}{_titled('Options', _pairs(options))}"


def log(step: StepLike | None) -> str:
    """The end of the log, and the attempts."""
    if step is None:
        return "<i>It has not run yet.</i>"
    text = step.log
    tail = text[-LOG_TAIL:]
    note = "" if len(tail) == len(text) else f"<i>The last {LOG_TAIL} of {len(text)} characters.</i>"
    failure = step.record.failure
    trace = (
        _titled("Traceback", _pre(failure.traceback))
        if failure and failure.traceback not in (None, "")
        else ""
    )
    shown = f"{note}{_pre(tail)}" if tail else "<i>The log is empty.</i>"
    return f"{shown}{trace}{_titled('Attempts', _attempts(step.record.attempts))}"


def _attempts(attempts: Sequence[AttemptRecord]) -> str:
    rows = [
        (
            escape(str(one.number)),
            _coloured(one.state.value),
            escape(duration(elapsed(one.started_at, one.ended_at))),
            "" if one.exit_code is None else escape(f"exit status {one.exit_code}"),
            escape(one.failure.message if one.failure else ""),
        )
        for one in attempts
    ]
    return _table(rows)


def ports(record: TaskRecord | None) -> str:
    """What went in and came out."""
    if record is None:
        return "<i>It has not run yet.</i>"
    return _titled("Inputs", _sides(record.input_parameters, record.input_artifacts)) + _titled(
        "Outputs", _sides(record.output_parameters, record.output_artifacts)
    )


def _sides(parameters: Mapping[str, Any], artifacts: Mapping[str, Sequence[Any]]) -> str:
    rows = [(f"<b>{escape(name)}</b>", escape(brief(value, 300)), "") for name, value in parameters.items()]
    for port, records in artifacts.items():
        for one in records:
            size = "" if one.size is None else f"{one.size:,} bytes"
            kind = str(one.metadata.get("python_type") or one.type)
            rows.append(
                (f"<b>{escape(port)}</b>", escape(f"{kind} {size}"), f"<code>{escape(one.uri)}</code>")
            )
    return _table(rows)


def results(step: StepLike | None) -> str:
    """The metrics, tables, figures and pages that the step made."""
    if step is None:
        return "<i>It has not run yet.</i>"
    parts = []
    for name, made in step.artifacts.items():
        for one in made if isinstance(made, list) else [made]:
            shown = _result(one)
            parts.append(_titled(name, shown) if shown else "")
    return "".join(parts) or "<i>There is nothing to show: no metrics, tables, figures or pages.</i>"


def _result(artifact: Any) -> str:
    record = artifact.record
    if record.type in METRICS:
        values = metrics(record.metadata).values
        return _pairs({name: escape(brief(value, 200)) for name, value in values.items()})
    try:
        path = artifact.path
        if not path.is_file():
            return ""
        found = content(path)
        match found.kind:
            case "table":
                return _rows(found.columns, found.rows, found.total_rows)
            case "text":
                return _pre((found.text or "")[:LOG_TAIL])
            case "html":
                return _framed_file(path)
            case "image":
                return _image(path, str(found.media_type))
    except (JupyterKfpError, OSError) as error:  # it is gone, or away
        return f"<i>{escape(str(error))}</i>"
    return ""


def _rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], total: int | None) -> str:
    shown = [[escape(str(value)) for value in row] for row in rows[:_ROWS]]
    note = (
        f"<i>The first {len(shown)} of {total} rows.</i>" if total is not None and total > len(shown) else ""
    )
    return _table(shown, [escape(column) for column in columns]) + note


def executed(step: StepLike | None) -> str:
    """The executed notebook: a link to it, and how it looks."""
    if step is None:
        return "<i>It has not run yet.</i>"
    try:
        notebook, page = step.notebook, step.html
        if notebook is None:
            return "<i>There is no executed notebook (yet).</i>"
        link = _link(notebook, f"{step.record.key}.ipynb")
        return f"<p>{link} <code>{escape(str(notebook))}</code></p>{_framed_file(page) if page else ''}"
    except (JupyterKfpError, OSError) as error:
        return f"<i>{escape(str(error))}</i>"


def _link(notebook: Path, name: str) -> str:
    """The file itself, so that it opens wherever the page is: no server need know where it is."""
    if notebook.stat().st_size > _LINK_BYTES:
        return "It is too large to link to:"
    data = base64.b64encode(notebook.read_bytes()).decode()
    address = f"data:application/x-ipynb+json;base64,{data}"
    return f'<a download="{escape(quote(name))}" href="{address}" style="text-decoration:underline">Save {escape(name)}</a>'


def _framed_file(path: Path) -> str:
    if path.stat().st_size > _FRAME_BYTES:
        return f"<i>It is too large to show here: <code>{escape(str(path))}</code></i>"
    return framed(path.read_text(encoding="utf-8", errors="replace"))


def framed(page: str) -> str:
    """A page in a frame of its own, which has no origin: it may draw, and reach nothing."""
    guarded = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">{page}'
    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{escape(guarded)}" title="made by the step" '
        'style="width:100%;height:420px;border:1px solid var(--jp-border-color2,#ddd);background:white"></iframe>'
    )


def _image(path: Path, media_type: str) -> str:
    if path.stat().st_size > _FRAME_BYTES:
        return f"<i>It is too large to show here: <code>{escape(str(path))}</code></i>"
    data = base64.b64encode(path.read_bytes()).decode()
    # An image element runs no scripts, not even those of an SVG.
    return f'<img alt="{escape(path.name)}" style="max-width:100%" src="data:{media_type};base64,{data}">'


def _highlighted(source: str) -> str:
    from jupyterlab_pygments import JupyterStyle  # its colours are those of the page's theme
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    formatter = HtmlFormatter(style=JupyterStyle, noclasses=True, nobackground=True, prestyles="margin:4px 0")
    return str(highlight(source, PythonLexer(stripnl=False), formatter))


def _option(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _coloured(state: str) -> str:
    return f'<span style="color:{LOOKS[state].light[0]};font-weight:600">{symbol(state)} {state}</span>'


def _titled(title: str, body: str) -> str:
    return f"<h4 style='margin:8px 0 2px'>{escape(title)}</h4>{body or '<i>none</i>'}"


def _pre(text: str | None) -> str:
    return f'<pre style="{_PRE}">{escape(text or "")}</pre>'


def _pairs(values: Mapping[str, str]) -> str:
    return _table([(f"<b>{escape(name)}</b>", value) for name, value in values.items()])


def _table(rows: Iterable[Sequence[str]], columns: Sequence[str] = ()) -> str:
    """A table of cells that are HTML already; empty where it has no rows."""
    body = "".join(
        f"<tr>{''.join(f'<td style={_quoted(_CELL)}>{cell}</td>' for cell in row)}</tr>" for row in rows
    )
    head = "".join(f"<th scope='col' style={_quoted(_CELL)}>{column}</th>" for column in columns)
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table style={_quoted(_TABLE)}>{head}<tbody>{body}</tbody></table>" if body else ""


def _quoted(style: str) -> str:
    return f'"{style}"'
