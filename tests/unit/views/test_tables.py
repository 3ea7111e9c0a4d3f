from __future__ import annotations

from datetime import datetime, timezone
from io import StringIO

import pytest
from rich.console import Console

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.views.tables import diagnostics_view, emit, logs_view, plain, run_view, runs_table
from jupyter_kfp.views.values import brief, duration, elapsed, moment

RUN = {
    "run_id": "r-1",
    "state": "FAILED",
    "outputs": {"accuracy": 0.93, "model": {"uri": "/runs/model", "type": "system.Model", "metadata": {}}},
    "tasks": [
        {
            "name": "load",
            "path": "load",
            "state": "SUCCEEDED",
            "attempts": 1,
            "started_at": "2026-01-01T00:00:00+00:00",
            "ended_at": "2026-01-01T00:00:03.200000Z",
            "outputs": {
                "df": {"uri": "u", "type": "system.Dataset", "metadata": {"rows": 150}},
                "n": 150,
                "executed_notebook": {"uri": "/1.ipynb", "type": "system.Artifact", "metadata": {}},
                "executed_html": {"uri": "/1.html", "type": "system.HTML", "metadata": {}},
            },
            "error": None,
        },
        {
            "name": "train",
            "path": "loop.train[2]",
            "state": "FAILED",
            "attempts": 2,
            "started_at": "2026-01-01T00:00:00+00:00",
            "ended_at": "2026-01-01T01:00:00+00:00",
            "outputs": {"executed_notebook": {"uri": "/2.ipynb", "type": "system.Artifact", "metadata": {}}},
            "error": {"type": "ValueError", "message": "bad [bold]x\nsecond line", "cell": 3},
        },
        {
            "name": "report",
            "path": "report",
            "state": "SKIPPED",
            "attempts": 0,
            "started_at": None,
            "ended_at": None,
            "outputs": {},
            "error": "Skipped, because 'train' did not succeed.",
        },
    ],
    "error": "train: bad [bold]x",
}


def test_a_run_shows_tasks_outputs_and_failures() -> None:
    assert plain(run_view(RUN)) == (
        "Run r-1  ✗ FAILED\n"
        "\n"
        "TASK           STATE        TIME        ATTEMPTS  OUTPUTS\n"
        "load           ✓ SUCCEEDED  3.2 s                 df: Dataset, n = 150\n"
        "loop.train[2]  ✗ FAILED     1 h 00 min  2\n"
        "report         ⊘ SKIPPED                          Skipped, because 'train' did not succeed.\n"
        "\n"
        "Outputs\n"
        "  accuracy: 0.93\n"
        "  model: Model /runs/model\n"
        "\n"
        "loop.train[2] failed\n"
        "  cell 4: ValueError: bad [bold]x\n"
        "  second line\n"
        "\n"
        "Log:      jupyter kfp logs r-1 'loop.train[2]'\n"
        "Notebook: /2.ipynb\n"
    )


def test_a_reader_who_saw_the_progress_gets_the_rest() -> None:
    text = plain(run_view(RUN, tasks=False))
    assert "accuracy: 0.93" in text
    assert "Notebook: /2.ipynb" in text
    assert "SUCCEEDED" not in text
    assert "second line" not in text


def test_a_run_that_failed_as_a_whole_says_why() -> None:
    text = plain(
        run_view({"run_id": "r", "state": "FAILED", "outputs": {}, "tasks": [], "error": "No disk."})
    )
    assert text == "Run r  ✗ FAILED\n\nError\n  No disk.\n"


def test_runs_are_listed_from_records_or_documents() -> None:
    class Record:
        id, pipeline, state = "r-2", "[iris]", "RUNNING"
        started_at, ended_at = datetime(2026, 1, 1, tzinfo=timezone.utc), None

    text = plain(runs_table([Record(), {"id": "r-3", "name": "x", "state": "PENDING"}]))
    assert text.splitlines()[0].split() == ["RUN", "PIPELINE", "STATE", "STARTED", "TIME"]
    assert text.splitlines()[1].startswith("r-2  [iris]    ◐ RUNNING  ")
    assert text.splitlines()[2].split() == ["r-3", "x", "○", "PENDING"]
    assert "No runs yet" in plain(runs_table([]))


def test_diagnostics_show_the_line_and_the_remedy() -> None:
    found = [
        Diagnostic(
            "undefined-name", Severity.ERROR, "`dff` is not defined.", "Did you mean `df`?", 1, 2, "train"
        ),
        Diagnostic("no-memory", Severity.WARNING, "No memory is set.", "Add `#| memory: 4G`."),
    ]
    assert plain(diagnostics_view(found, ["", "x = 1\nif x:\n    y = dff"])) == (
        "cell 2, line 2: error undefined-name: `dff` is not defined.\n"
        "      2 | if x:\n"
        "        | ^^^^^\n"
        "    help: Did you mean `df`?\n"
        "warning no-memory: No memory is set.\n"
        "    help: Add `#| memory: 4G`.\n"
        "1 error, 1 warning\n"
    )


@pytest.mark.parametrize("sources", [{}, [], {1: "one line"}, [""]])
def test_a_line_that_is_not_known_is_not_shown(sources: object) -> None:
    found = [Diagnostic("code", Severity.ERROR, "Message.", "", 1, 7)]
    assert plain(diagnostics_view(found, sources)) == "cell 2, line 7: error code: Message.\n1 error\n"  # type: ignore[arg-type]


def test_no_diagnostics() -> None:
    assert plain(diagnostics_view([])) == "No problems found.\n"


def test_logs_have_their_path_where_there_are_several() -> None:
    assert plain(logs_view({"a": "one\n\x1b[31mtwo\x1b[0m [b]"})) == "one\ntwo [b]\n"
    assert plain(logs_view({"a": "x", "b": ""})) == "==> a <==\nx\n==> b <==\n(empty)\n"


def test_a_pipe_gets_whole_lines_and_a_terminal_colours() -> None:
    long = {"id": "r", "pipeline": "p" * 200, "state": "FAILED"}
    out = StringIO()
    emit(runs_table([long]), Console(file=out, force_terminal=False, width=80, _environ={}))
    assert "p" * 200 in out.getvalue()
    assert "\x1b" not in out.getvalue()
    out = StringIO()
    emit(
        runs_table([long]),
        Console(file=out, force_terminal=True, width=80, color_system="standard", _environ={}),
    )
    assert "\x1b[1;31m" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_moments() -> None:
    expected = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for value in (expected, expected.replace(tzinfo=None), "2026-01-01T00:00:00Z", expected.timestamp()):
        assert moment(value) == expected
    assert moment(None) is None
    assert elapsed(5, 3) == 0.0


def test_values_are_brief() -> None:
    assert brief("a\n b") == "a b"
    assert brief({"k": [1, "é"]}) == '{"k": [1, "é"]}'
    assert brief("x" * 100).endswith("…")
    artifact = {"uri": "/x", "type": "system.Dataset", "metadata": {"rows": 3}}
    assert brief(artifact) == "Dataset (3 rows) /x"
