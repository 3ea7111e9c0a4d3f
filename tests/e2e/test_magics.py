"""The extension in a real kernel: one notebook of many cells, executed once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from .conftest import document

SMALL = document(("n: int = 2", "parameters"), "%%component one\nxs = [n] * 3", "%%component two\ntotal: int = sum(xs)", ("total", "outputs"))  # fmt: skip
WRONG = document("%%component one\nx = nobody", "%%component two\ny = x")
FAILING = document("%%component one\nx = 0", "%%component two\ny = 1\ny / x")

CELLS = {
    "load": "%load_ext jupyter_kfp",
    "value": "%%component a\nx = 1\nx + 1",
    "options": "%%component a --memory 8G\n#| cpu: 2\nfirst = 1\n%time second = first + 1",
    "time": "%%component a\n%%time\ny = x",
    "await": "%%component a\nimport asyncio\nawait asyncio.sleep(0)\n'awaited'",
    "traceback": "%%component c\nx = 1\ny = 2\n1 / 0",
    "syntax": "%%component c\nx = 1\ndef f(:\n    pass",
    "header": "%%component bad --memroy 8G\nz = 3",
    "not run": "'z' in globals()",
    "untravelled": (
        "%%component b\nimport math, threading\ngenerator = (i for i in range(3))\nlock = threading.Lock()\n"
        "file = open('/dev/null')\nmodule = math\nfunction = len\nfine = [1]\nnested = [lock]\ndef own(): pass"
    ),
    "fails quietly": "%%component b\nanother = threading.Lock()\n1 / 0",
    "plain": "plain_lock = threading.Lock()",
    "usage": "%kfp",
    "unknown": "%kfp frobnicate",
    "quote": "%kfp check 'open",
    "no runs": "%kfp runs",
    "check": "%kfp check small.ipynb",
    "check text": "%kfp check small.py",
    "check wrong": "%kfp check wrong.ipynb",
    "check nothing": "%kfp check nowhere.ipynb",
    "check itself": "%kfp check",
    "session": "import os\nos.environ['JPY_SESSION_NAME'] = '/root/of/the/server/small.ipynb'",
    "check session": "%kfp check",
    "preview": "%kfp preview small.ipynb",
    "run": "run = %kfp run -p n=3\nrun",
    "outputs": "run.outputs['total'], run['two'].state.value",
    "run wrong": "%kfp run wrong.ipynb",
    "run parameter": "%kfp run small.ipynb -p n=many",
    "run option": "%kfp run --frobnicate",
    "run failing": "failed = %kfp run failing.ipynb",
    "runs": "%kfp runs",
    "session of a text": "os.environ['JPY_SESSION_NAME'] = 'root/small.py'",
    "check session of a text": "%kfp check",
    "unload": "%unload_ext jupyter_kfp",
    "unloaded": "%kfp",
    "unloaded cell": "%%component a\n1",
    "again": "%load_ext jupyter_kfp",
    "value again": "%%component a\n3",
}


@dataclass(frozen=True)
class Shown:
    """What a cell showed."""

    stdout: str
    stderr: str
    error: str
    plain: str
    html: str
    kinds: tuple[str, ...]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Callable[[str], Shown]:
    directory = tmp_path_factory.mktemp("magics")
    for name, content in {"small": SMALL, "wrong": WRONG, "failing": FAILING}.items():
        (directory / f"{name}.ipynb").write_text(json.dumps(content))
    (directory / "small.py").write_text("# %%\n# %%component one\nx = nobody\n")
    (directory / "live.ipynb").write_text(json.dumps(document(*CELLS.values())))
    main = "from nbclient.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", main, "live.ipynb", "--allow-errors", "--timeout=200", "--inplace"],
        cwd=directory, env={**environment, "JUPYTER_KFP_HOME": str(directory / "home")},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    executed = nbformat.read(directory / "live.ipynb", as_version=4)
    outputs = dict(zip(CELLS, (cell.outputs for cell in executed.cells), strict=True))
    return lambda name: _shown(outputs[name])


def _shown(outputs: list[nbformat.NotebookNode]) -> Shown:
    def streams(name: str) -> str:
        return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == name)

    errors = ["\n".join(o.traceback) for o in outputs if o.output_type == "error"]
    data = [o.data for o in outputs if o.output_type in {"execute_result", "display_data"}]
    return Shown(
        streams("stdout"),
        streams("stderr"),
        re.sub(r"\x1b\[[\d;]*m", "", "\n".join(errors)),
        "\n".join(d.get("text/plain", "") for d in data),
        "\n".join(d.get("text/html", "") + d.get("image/svg+xml", "") for d in data),
        tuple(o.output_type for o in outputs),
    )


def test_a_component_cell_runs_as_any_other(shown: Callable[[str], Shown]) -> None:
    assert shown("load").kinds == ()
    assert (shown("value").plain, shown("value").kinds) == ("2", ("execute_result",))
    assert "Wall time" in shown("options").stdout
    assert "Wall time" in shown("time").stdout
    assert shown("time").stderr == ""
    assert shown("await").plain == "'awaited'"


def test_errors_are_at_the_lines_of_the_cell(shown: Callable[[str], Shown]) -> None:
    assert re.search(r"line 4\b", shown("traceback").error)
    assert "----> 4 1 / 0" in shown("traceback").error
    assert "jupyter_kfp" not in shown("traceback").error
    assert re.search(r"line 3\b", shown("syntax").error)
    assert "jupyter_kfp" not in shown("syntax").error


def test_a_wrong_header_is_reported_and_the_cell_not_run(shown: Callable[[str], Shown]) -> None:
    error = shown("header").error
    assert "There is no option `memroy`. Did you mean `memory`?" in error
    assert "%%component bad --memroy 8G" in error
    assert "jupyter_kfp" not in error
    assert shown("not run").plain == "False"


def test_what_would_not_travel_is_warned_of(shown: Callable[[str], Shown]) -> None:
    warned = re.findall(r"Warning: `(\w+)` \((\w+)\) cannot travel", shown("untravelled").stderr)
    assert warned == [
        ("generator", "generator"), ("lock", "lock"), ("file", "TextIOWrapper"), ("module", "module"), ("nested", "list"),
    ]  # fmt: skip
    assert "Create it in the step that uses it" in shown("untravelled").stderr
    assert shown("untravelled").stdout == ""
    assert shown("fails quietly").stderr == "", "the error is what matters"
    assert shown("plain").kinds == ()


def test_usage(shown: Callable[[str], Shown]) -> None:
    assert shown("usage").stdout.startswith("%kfp check [NOTEBOOK]")
    assert shown("unknown").stderr.startswith("UsageError: %kfp has no command 'frobnicate'")
    assert "No closing quotation" in shown("quote").stderr
    assert "no option --frobnicate" in shown("run option").stderr
    for name in (
        "unknown",
        "quote",
        "run option",
        "check nothing",
        "check itself",
        "run wrong",
        "run parameter",
    ):
        assert "Traceback" not in shown(name).stderr + shown(name).error


def test_check(shown: Callable[[str], Shown]) -> None:
    assert shown("check").stdout == "No problems found.\n"
    assert shown("check").kinds == ("stream",)
    assert "cell 1, line 2: error K201" in shown("check wrong").stdout
    assert "cell 1, line 2 (line 3 of the file): error K201" in shown("check text").stdout
    assert "nowhere.ipynb does not exist" in shown("check nothing").stderr
    assert "name it: %kfp check NOTEBOOK.ipynb" in shown("check itself").stderr
    assert shown("check session").stdout == "No problems found.\n"
    assert shown("check session of a text").stdout == shown("check text").stdout


def test_preview(shown: Callable[[str], Shown]) -> None:
    assert shown("preview").html.lstrip().startswith("<svg")
    assert shown("preview").kinds == ("execute_result",)


def test_run_shows_one_output_and_gives_the_run(shown: Callable[[str], Shown]) -> None:
    run = shown("run")
    assert run.kinds == ("display_data", "execute_result")
    assert (run.stdout, run.stderr) == ("", "")
    lines = run.plain.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [["✓", "one", "succeeded"], ["✓", "two", "succeeded"]]
    assert re.fullmatch(r"✓ Run succeeded in [\d.]+ s", lines[2])
    assert re.fullmatch(r"<run [0-9a-f]{12} SUCCEEDED>", lines[3])
    assert "<table" in run.html
    assert shown("outputs").plain == "(9, 'SUCCEEDED')"


def test_a_run_that_fails_says_where(shown: Callable[[str], Shown]) -> None:
    assert "cell 2, line 3: ZeroDivisionError: division by zero" in shown("run failing").plain
    assert "cell 2, line 3: ZeroDivisionError" in shown("run failing").html
    assert "K201" in shown("run wrong").stderr
    assert "'n' is of type int, but got 'many'" in shown("run parameter").stderr


def test_runs(shown: Callable[[str], Shown]) -> None:
    assert shown("no runs").stdout.startswith("No runs yet")
    assert [line.split()[1] for line in shown("runs").stdout.splitlines()] == ["PIPELINE", "failing", "small"]


def test_unloading_leaves_nothing(shown: Callable[[str], Shown]) -> None:
    assert "`%kfp` not found" in shown("unloaded").stderr
    assert "`%%component` not found" in shown("unloaded cell").stderr
    assert shown("value again").plain == "3"


def test_the_notebook_watch_hides_nothing_of_html(tmp_path: Path) -> None:
    from jupyter_kfp.views.notebook import NotebookWatch

    watch = NotebookWatch(tasks=["<a>"])
    watch({"kind": "task", "task": "<a>", "state": "FAILED", "message": "<script>&"})
    watch({"kind": "warning", "message": "<b>"})
    assert "<script>" not in watch._repr_html_()
    assert "&lt;script&gt;&amp;" in watch._repr_html_()
    assert "&lt;a&gt;" in watch._repr_html_()
    assert "warning: <b>" in repr(watch)
