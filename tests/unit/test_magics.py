"""The extension without a kernel: what it imports, and what it takes off a cell."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.live.shell import strip_header
from jupyter_kfp.live.travel import obstacle

# Each of these alone costs more than the whole extension may (0.15 s), or nearly.
SLOW = (
    "alembic",
    "kfp",
    "nbconvert",
    "nbformat",
    "pandas",
    "papermill",
    "pydantic",
    "rich",
    "sqlalchemy",
    "yaml",
)


def imported_by(program: str) -> set[str]:
    """The top-level packages that a program imports, as a new process."""
    told = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(' '.join(sys.modules))"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return {name.partition(".")[0] for name in told.stdout.splitlines()[-1].split()}


def test_loading_the_extension_imports_nothing_slow() -> None:
    shell = (
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
    )
    without, loaded = (
        imported_by(shell),
        imported_by(f"{shell}shell.run_line_magic('load_ext', 'jupyter_kfp')"),
    )
    assert "jupyter_kfp" in loaded
    assert not (loaded - without).intersection(SLOW)
    assert loaded - without == {"jupyter_kfp"}


def test_help_imports_nothing_slow() -> None:
    found = imported_by("from jupyter_kfp.cli import main\nmain(['--help'], standalone_mode=False)")
    assert "click" in found
    assert not found.intersection((*SLOW, "IPython", "psutil", "fsspec"))


def test_compiling_imports_no_store_and_no_kubernetes_client(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_text(
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, '
        '"source": "%%component a\\nx = 1", "outputs": [], "execution_count": null}]}'
    )
    found = imported_by(f"import jupyter_kfp\njupyter_kfp.load({str(tmp_path / 'n.ipynb')!r}).compile()")
    assert "kfp" in found
    assert not found.intersection(
        ("sqlalchemy", "alembic", "kubernetes", "rich", "nbformat", "IPython", "pandas")
    )


def test_looking_at_runs_imports_no_compiler() -> None:
    assert not imported_by("import jupyter_kfp.runs").intersection((*SLOW, "kfp"))


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        ("x = 1\n", "x = 1\n"),
        ("%%time\nx = 1\n", "%%time\nx = 1\n"),
        ("%%componently\nx = 1\n", "%%componently\nx = 1\n"),
        ("%%component a\nx = 1\ny = 2\n", "#\nx = 1\ny = 2\n"),
        ("\n\n%%component a --memory 1G\n#| cpu: 2\nx = 1\ny = 2\n", "#\n\n\n\nx = 1\ny = 2\n"),
        ("%%component a\n%%time\nx = 1\ny = 2\n", "\n%%time\nx = 1\ny = 2\n"),
        ("%%component a\nls -l\n", "\nls -l\n"),
        ("%%component a\n", "\n"),
    ],
)
def test_a_cell_loses_its_header_and_keeps_its_lines(cell: str, left: str) -> None:
    assert "".join(strip_header(cell.splitlines(keepends=True))) == left


@pytest.mark.parametrize(
    ("cell", "line", "said"),
    [
        ("%%component a --memroy 8G\nx = 1\n", 1, "Did you mean `memory`"),
        ("%%component\nx = 1\n", 1, "no name"),
        ("%%component 1a/b\nx = 1\n", 1, "cannot be a step's name"),
        ("%%component a\n#| retries: many\nx = 1\n", 2, "retries"),
    ],
)
def test_a_wrong_header_is_a_syntax_error_at_its_line(cell: str, line: int, said: str) -> None:
    with pytest.raises(SyntaxError, match=said) as caught:
        strip_header(cell.splitlines(keepends=True))
    assert caught.value.lineno == line
    assert caught.value.text == cell.splitlines()[line - 1]


@pytest.mark.parametrize("value", [1, None, [1, {"a": (2,)}], lambda: 1, object, b"x" * 9_000_000, Path("a")])
def test_what_can_travel(value: Any) -> None:
    assert obstacle(value) == ""


def test_what_cannot_travel() -> None:
    assert "belongs to this process" in obstacle(threading)
    with Path("/dev/null").open() as file:
        assert "belongs to this process" in obstacle(file)
    assert "generator" in obstacle(i for i in range(3))
    assert "lock" in obstacle([threading.Lock()])

    class Refuses:
        def __reduce__(self) -> Any:
            raise ValueError

    assert obstacle(Refuses()) == "ValueError"
