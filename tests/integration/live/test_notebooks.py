"""`--notebook` in a real kernel."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from .executing import TIMEOUT, Look, Shown, execute, write

pytestmark = pytest.mark.timeout(TIMEOUT)

PREPARE = [
    ("rows: int\nname: str = 'plain'", "parameters"),
    ("%%component make --for i in range(rows) --collect values=value\nvalue = i * 2", ""),
    ("%%component title --if name == 'plain'\ntitle = 'none'", ""),
    ("%%component title2 --else\ntitle = name.title()", ""),
    ("alias = values\nclass Point:\n    x = 1\npoint = Point()", ""),
    ("raise SystemExit", "skip"),
    ("values\ntitle\nalias\npoint", "outputs"),
]
NOTEBOOKS = {
    "prepare": PREPARE,
    "outer": [
        ("n: int = 1", "parameters"),
        ("%%component p --notebook prepare.ipynb\nrows = n", ""),
        ("values", "outputs"),
    ],
    "failing": [("x = 1", ""), ("y = 0\nx / y", "")],
    "forgets": [("never = 1", ""), ("never", "outputs"), ("del never", "")],
    "itself": [("%%component again --notebook itself.ipynb\npass", "")],
    "dies": [("import os\nos._exit(1)", "")],
    "slow": [("import os, time\nopen('slow.pid', 'w').write(str(os.getpid()))\ntime.sleep(120)", "")],
}
# An interrupt as the front end's button sends it, once the cell has got so far.
INTERRUPT = """\
import os, signal, threading, time, pathlib
def interrupt(file):
    def wait():
        while not pathlib.Path(file).exists(): time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=wait, daemon=True).start()
"""

CELLS = {
    "load": "%load_ext jupyter_kfp",
    "names": "rates = [0.1, 0.2]",
    "interrupt": INTERRUPT,
    "notebook": "%%component prepare --notebook prepare.ipynb\nrows = len(rates)\nname = 'ada'",
    "notebook's outputs": "values, title, alias is values, point.x, 'rows' in globals(), 'name' in globals()",
    "notebooks in a loop": "%%component each --for n in [1, 2] --collect many=values --notebook outer.ipynb\nn = n",
    "collected": "many",
    "misspelt": "%%component prepare --notebook prepare.ipynb\nrow = 1",
    "missing": "%%component prepare --notebook prepare.ipynb\nname = 'x'",
    "failing": "%%component fails --notebook failing.ipynb",
    "forgets": "%%component forgets --notebook forgets.ipynb",
    "itself": "%%component again --notebook itself.ipynb",
    "dies": "%%component dies --notebook dies.ipynb",
    "nowhere": "%%component dies --notebook nowhere.ipynb",
    "stopping": "interrupt('slow.pid')",
    "stopped": "%%component slow --notebook slow.ipynb",
    "alive": "'still here'",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("notebooks")
    for name, cells in NOTEBOOKS.items():
        write(made / f"{name}.ipynb", *cells)
    return made


@pytest.fixture(scope="module")
def shown(directory: Path) -> Look:
    return execute(directory, CELLS)


def test_another_notebook(shown: Look) -> None:
    assert shown("notebook") == Shown("prepare bound values, title, alias, point\n", "", ())
    assert shown("notebook's outputs").results == ("([0, 2], 'Ada', True, 1, False, False)",)
    assert shown("notebooks in a loop").error == ""
    assert shown("collected").results == ("[[0], [0, 2]]",)


def test_wrong_inputs(shown: Look) -> None:
    assert shown("misspelt").error == "LiveError: prepare.ipynb has no parameter `row`. Did you mean `rows`?"
    assert "needs its parameter `rows`" in shown("missing").error


def test_a_notebook_that_fails_shows_its_cell(shown: Look) -> None:
    error = shown("failing").error
    assert error.startswith("y = 0\nx / y\n")
    assert "----> 2 x / y" in error
    assert error.endswith(
        "LiveError: failing.ipynb failed in its cell 2: ZeroDivisionError: division by zero"
    )
    forgets = "LiveError: forgets.ipynb failed: it ended without its output `never`. Bind it, or take it off its outputs cell."
    assert shown("forgets").error == forgets
    assert "itself.ipynb runs itself" in shown("itself").error
    assert shown("dies").error == "LiveError: dies.ipynb failed in its cell 1: its kernel died."
    assert "nowhere.ipynb does not exist" in shown("nowhere").error


def test_an_interrupted_notebook_ends(shown: Look, directory: Path) -> None:
    assert "KeyboardInterrupt" in shown("stopped").error
    assert shown("alive").results == ("'still here'",)
    assert not psutil.pid_exists(int((directory / "slow.pid").read_text()))
