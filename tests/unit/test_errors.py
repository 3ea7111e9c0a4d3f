from __future__ import annotations

import json
import pickle

import pytest

from jupyter_kfp.errors import (
    Diagnostic,
    DiagnosticsError,
    JupyterKfpError,
    NotebookError,
    Severity,
    UsageError,
)
from jupyter_kfp.remote.errors import Trouble, UnreachableError

WRONG = Diagnostic("K201", Severity.ERROR, "`x` is not bound.", "Bind it.", 2, 5, "train")
DOUBT = Diagnostic("K214", Severity.WARNING, "A star import.", "")


def test_a_diagnostic_counts_as_people_do() -> None:
    assert str(WRONG) == "cell 3, line 5: error K201: `x` is not bound. Bind it."
    assert str(DOUBT) == "warning K214: A star import."
    assert Diagnostic("K1", Severity.ERROR, "M.", "", 0).place == "cell 1"
    assert (
        Diagnostic("K1", Severity.ERROR, "M.", "", 0, 2, file_line=9).place
        == "cell 1, line 2 (line 9 of the file)"
    )


def test_a_diagnostic_is_json() -> None:
    assert json.loads(json.dumps(WRONG.as_dict())) == {
        "code": "K201", "severity": "error", "message": "`x` is not bound.", "remedy": "Bind it.",
        "cell": 2, "line": 5, "step": "train", "file_line": None,
    }  # fmt: skip


def test_an_error_has_its_remedy_and_exit_status() -> None:
    error = NotebookError("It is empty.", "Restore it.")
    assert (str(error), error.message, error.remedy) == (
        "It is empty. Restore it.",
        "It is empty.",
        "Restore it.",
    )
    assert [kind.exit_code for kind in (JupyterKfpError, UsageError, NotebookError, DiagnosticsError)] == [
        1,
        2,
        2,
        1,
    ]


def test_diagnostics_are_counted_without_the_warnings() -> None:
    error = DiagnosticsError(iter([WRONG, DOUBT]))
    assert error.diagnostics == (WRONG, DOUBT)
    assert str(error).splitlines() == ["1 error in the notebook:", f"  {WRONG}"]
    assert str(DiagnosticsError([WRONG, WRONG])).startswith("2 errors")


@pytest.mark.parametrize(
    "error",
    [
        UsageError("Wrong.", "Do right."),
        DiagnosticsError([Diagnostic("K999", Severity.ERROR, "Bad.", "Mend it.", 3, 2)]),
        UnreachableError(Trouble.DNS, "Away.", "Wait.", retry_after=2.0),
    ],
)
def test_errors_travel_between_processes(error: JupyterKfpError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))
