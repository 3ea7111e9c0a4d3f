"""Every command as its users have it, on notebooks of two or three trivial steps."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import nbformat
import psutil
import pytest

from .conftest import Cell, Cli

Write = Callable[..., Path]

PAIR: tuple[Cell, ...] = (
    ("n: int = 2\nword = 'a'", "parameters"),
    ("%%component first\nprint('first says', word)\nxs = [n] * 3"),
    ("%%component second\ntotal: int = sum(xs)\nprint('total is', total)"),
    ("total", "outputs"),
)
SLEEPERS: tuple[Cell, ...] = (
    ("import subprocess, sys, time", "imports"),
    (
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "print('asleep', flush=True)\ntime.sleep(300)",
        "step:sleep",
    ),
    ("print('never')", "step:later after:sleep"),
)
FAILING: tuple[Cell, ...] = (
    ("%%component good\nx = 1"),
    ("%%component bad\nprint('before')\ny = x + 1\nz = y / (x - 1)  # here"),
    ("%%component after_bad\nprint(z)"),
    ("%%component apart\nw = x + 10"),
    ("w", "outputs"),
)


# --------------------------------------------------------- without running it


def test_check(cli: Cli, write: Write) -> None:
    good = cli("check", write(*PAIR))
    assert (good.returncode, good.stdout, good.stderr) == (0, "No problems found.\n", "")
    assert cli.json("check", "notebook.ipynb") == []
    warned = cli("check", write(("print(1)", "step:a"), metadata_of_nobody=1, name="w.ipynb"))
    assert warned.returncode == 0
    wrong = cli("check", write(("a = 1\nb = a + unknown_name", "step:one"), name="x.ipynb"))
    assert wrong.returncode == 1
    assert "cell 1, line 2: error K201" in wrong.stdout
    assert "      2 | b = a + unknown_name\n" in wrong.stdout
    assert "1 error\n" in wrong.stdout
    (found,) = json.loads(cli("check", "x.ipynb", "--json").stdout)
    assert (found["cell"], found["line"], found["step"]) == (0, 2, "one")
    assert list(found) == ["code", "severity", "message", "remedy", "cell", "line", "step", "file_line"]


def test_compile_gives_the_same_bytes_everywhere(cli: Cli, write: Write, tmp_path: Path) -> None:
    path = write(*PAIR)
    first = cli("compile", path, env={"PYTHONHASHSEED": "1"})
    assert first.returncode == 0
    assert first.stderr == ""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = cli(
        "compile",
        "../notebook.ipynb",
        "-o",
        "p.yaml",
        env={"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"},
        cwd=elsewhere,
    )
    assert (second.returncode, second.stdout) == (0, "")
    assert "p.yaml: " in second.stderr
    assert (elsewhere / "p.yaml").read_text() == first.stdout
    assert str(tmp_path) not in first.stdout
    with_origin = cli("compile", path, "--provenance")
    assert with_origin.stdout != first.stdout
    assert "notebook.ipynb" in with_origin.stdout


def test_graph_in_every_format(cli: Cli, write: Write, tmp_path: Path) -> None:
    path = write(*PAIR)
    drawings = {name: cli("graph", path, "--format", name) for name in ("text", "mermaid", "svg", "json")}
    assert {ended.returncode for ended in drawings.values()} == {0}
    for ended in drawings.values():
        assert "first" in ended.stdout
        assert "second" in ended.stdout
    assert "\nflowchart TD\n" in drawings["mermaid"].stdout
    assert ET.fromstring(drawings["svg"].stdout).tag.endswith("svg")
    graph = json.loads(drawings["json"].stdout)
    assert {node["id"] for node in graph["nodes"]} == {"first", "second"}
    assert cli("graph", path, "-o", "graph.svg", "--format", "svg").stdout == ""
    assert (tmp_path / "graph.svg").read_text() == drawings["svg"].stdout
    (tmp_path / "p.yaml").write_text(cli("compile", path).stdout)
    assert cli("graph", "p.yaml").stdout == drawings["text"].stdout
    ascii_only = cli("graph", path, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert ascii_only.returncode == 0
    assert ascii_only.stdout.isascii()


def test_the_jupyter_command_knows_us(cli: Cli) -> None:
    jupyter = Path(sys.executable).with_name("jupyter")
    path = f"{jupyter.parent}{os.pathsep}{cli.environment.get('PATH', '')}"
    ended = subprocess.run(
        [jupyter, "kfp", "--help"],
        env={**cli.environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    commands = re.findall(r"^  (\w+)  ", ended.stdout.partition("Commands:")[2], re.MULTILINE)
    assert {"check", "compile", "export", "graph", "import", "run", "runs", "show", "logs", "cancel"} <= set(
        commands
    )
    assert {"profiles", "submit", "upload", "schedule", "trigger", "retry", "diff"} <= set(commands)
    assert cli("--version").stdout.startswith("jupyter kfp, version ")


# ------------------------------------------------------------------ a good run


def test_a_run_and_all_that_can_be_asked_of_it(cli: Cli, write: Write, tmp_path: Path) -> None:
    path = write(*PAIR)
    (tmp_path / "p.yaml").write_text("n: 5\nword: from the file\n")
    ended = cli("run", path, "--params-file", "p.yaml", "-p", "word=x=y z", "--max-parallel", "1")
    assert ended.returncode == 0, ended.stderr
    lines = [line.split()[1:3] for line in ended.stderr.splitlines()]
    assert lines == [
        ["PENDING", "run"], ["RUNNING", "run"], ["RUNNING", "first"], ["SUCCEEDED", "first"],
        ["RUNNING", "second"], ["SUCCEEDED", "second"], ["SUCCEEDED", "run"],
    ]  # fmt: skip
    assert "total: 15" in ended.stdout
    assert "executed_notebook" not in ended.stdout

    (listed,) = cli.json("runs")
    assert (listed["pipeline"], listed["state"]) == ("notebook", "SUCCEEDED")
    assert listed["parameters"] == {"n": 5, "word": "x=y z"}
    assert listed["notebook"] == str(path)
    run_id = listed["run_id"]
    table = cli("runs").stdout.splitlines()
    assert len(table) == 2
    assert table[1].startswith(f"{run_id}  notebook")
    assert cli.json("runs", "--pipeline", "another") == []

    document = cli.json("show", run_id[:6])
    assert document["run_id"] == run_id
    assert document["outputs"] == {"total": 15}
    shown = cli("show", run_id[:6]).stdout
    assert shown == ended.stdout
    assert "Log:" not in shown

    assert "first says x=y z" in cli("logs", run_id, "first").stdout
    every = cli("logs", run_id[:6]).stdout
    assert every.index("==> first <==") < every.index("first says") < every.index("==> second <==")
    nobody = cli("logs", run_id, "third")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "no step 'third'; the run has first, second" in nobody.stderr
    over = cli("cancel", run_id)
    assert over.returncode == 2
    assert f"Run {run_id} has already ended (SUCCEEDED)" in over.stderr


def test_a_compiled_pipeline_runs_as_the_notebook_does(cli: Cli, write: Write, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(cli("compile", write(*PAIR)).stdout)
    ended = cli("run", "p.yaml", "-p", "n=4", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    document = json.loads(ended.stdout)
    assert list(document) == ["run_id", "state", "outputs", "tasks", "error"]
    assert document["outputs"] == {"total": 12}


def test_who_reads_only_the_beginning(cli: Cli, write: Write) -> None:
    path = write(*PAIR, *((f"v{i} = '{'x' * 3000}{i}'", f"step:s{i}") for i in range(30)))
    for arguments in (("compile", path), ("graph", path, "--format", "svg"), ("--help",), ("runs",)):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as gone:
            ended = subprocess.run(
                [*cli.command, *map(str, arguments)], stdout=gone, stderr=subprocess.PIPE, text=True, check=False,
                env=cli.environment,
            )  # fmt: skip
        assert ended.stderr == "", arguments
        assert ended.returncode == 1, arguments


# ----------------------------------------------------------------- a bad run


def test_a_failing_cell(cli: Cli, write: Write) -> None:
    ended = cli("run", write(*FAILING))
    assert ended.returncode == 1
    (run,) = cli.json("runs")
    document = cli.json("show", run["run_id"])
    tasks = {task["name"]: task for task in document["tasks"]}
    states = {name: task["state"] for name, task in tasks.items()}
    assert states == {"good": "SUCCEEDED", "bad": "FAILED", "after-bad": "SKIPPED", "apart": "SUCCEEDED"}
    assert document["state"] == "FAILED"
    for told in (document["error"], tasks["bad"]["error"], ended.stdout, ended.stderr):
        assert "ZeroDivisionError: division by zero" in told
        assert "cell 2, line 4" in told
    assert "bad" in document["error"]
    executed = nbformat.read(tasks["bad"]["outputs"]["executed_notebook"]["uri"], as_version=4)
    errors = [
        output
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    assert [error.ename for error in errors] == ["ZeroDivisionError"]
    assert Path(tasks["bad"]["outputs"]["executed_html"]["uri"]).exists()
    shown = cli("show", run["run_id"])
    assert shown.returncode == 0
    assert shown.stdout == ended.stdout
    assert shown.stdout.count("ZeroDivisionError") == 1
    assert f"Log:      jupyter kfp logs {run['run_id']} bad" in shown.stdout
    assert tasks["bad"]["outputs"]["executed_notebook"]["uri"] in shown.stdout
    log = cli("logs", run["run_id"], "bad").stdout
    assert "before" in log
    assert "z = y / (x - 1)  # here" in log
    assert "ZeroDivisionError" in log
    assert "Traceback" not in ended.stderr + ended.stdout


# ------------------------------------------------------------------ ending it


def started(cli: Cli, write: Write) -> tuple[subprocess.Popen[str], str, list[psutil.Process]]:
    """A run of SLEEPERS that somebody follows: the follower, the run's id, the run's processes."""
    follower = cli.start("run", write(*SLEEPERS))
    deadline = time.monotonic() + 60
    run_id, found = "", list[psutil.Process]()
    while time.monotonic() < deadline and not any(
        "time.sleep(300)" in part for p in found for part in command(p)
    ):
        assert follower.poll() is None, follower.communicate()
        time.sleep(0.3)
        if not run_id:
            ids = [path.name for path in cli.directory.glob("home/runs/*")]
            run_id = ids[0] if ids else ""
        found = processes(cli) if run_id else []
    assert any("time.sleep(300)" in part for p in found for part in command(p)), "the step has begun"
    assert len(found) >= 4, "engine, step, kernel, the kernel's child"
    return follower, run_id, found


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def processes(cli: Cli) -> list[psutil.Process]:
    """All processes of the test's runs: they know its home, and who has it in their environment."""
    mine = f"{cli.directory / 'home'}"
    return [process for process in psutil.process_iter() if _home(process) == mine]


def _home(process: psutil.Process) -> str | None:
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else process.environ().get("JUPYTER_KFP_HOME")
    except psutil.Error:
        return None


def nothing_is_left(cli: Cli, *, within: float = 10) -> None:
    deadline = time.monotonic() + within
    while (left := processes(cli)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, [command(process)[:3] for process in left]


def test_ctrl_c_cancels(cli: Cli, write: Write) -> None:
    follower, run_id, _ = started(cli, write)
    os.killpg(follower.pid, signal.SIGINT)
    out, err = follower.communicate(timeout=60)
    assert follower.returncode == 130, err
    assert "Traceback" not in err
    assert "CANCELED" in out
    nothing_is_left(cli)
    document = cli.json("show", run_id)
    assert document["state"] == "CANCELED"
    assert {task["name"]: task["state"] for task in document["tasks"]} == {
        "sleep": "CANCELED",
        "later": "CANCELED",
    }


STUBBORN: tuple[Cell, ...] = (
    (
        "import os, signal, sys, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM):\n    signal.signal(number, signal.SIG_IGN)\n"
        "os.system('exec python -c \"import time; time.sleep(300)\" &')\ntime.sleep(300)",
        "step:sleep",
    ),
)


def test_a_second_ctrl_c_kills(cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SLEEPERS", STUBBORN)
    follower, run_id, _ = started(cli, write)
    os.killpg(follower.pid, signal.SIGINT)
    time.sleep(1)
    asked = time.monotonic()
    os.killpg(follower.pid, signal.SIGINT)
    _, err = follower.communicate(timeout=60)
    assert time.monotonic() - asked < 5, "not after the grace period of a polite end"
    assert follower.returncode == 130, err
    assert "Traceback" not in err
    nothing_is_left(cli)
    assert cli.json("show", run_id)["state"] == "CANCELED"


def test_somebody_else_cancels(cli: Cli, write: Write) -> None:
    follower, run_id, _ = started(cli, write)
    ended = cli("cancel", run_id[:5])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", f"Asked run {run_id} to end.\n")
    _, err = follower.communicate(timeout=60)
    assert follower.returncode == 130, err
    nothing_is_left(cli)


def test_a_detached_run_goes_on_alone(cli: Cli, write: Write) -> None:
    ended = cli("run", write(*SLEEPERS), "--detach")
    assert ended.returncode == 0, ended.stderr
    run_id = ended.stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{12}", run_id)
    assert cli.json("show", run_id)["state"] in {"PENDING", "RUNNING"}
    assert cli("cancel", run_id).returncode == 0
    nothing_is_left(cli, within=30)
    assert cli.json("show", run_id)["state"] == "CANCELED"


# ------------------------------------------------------------- on a terminal


def test_progress_on_a_terminal(cli: Cli, write: Write) -> None:
    path = write(*PAIR)
    text, status = on_a_terminal(cli, "run", str(path))
    assert status == 0
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert any(frame in plain for frame in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"), "a running step is seen running"
    assert re.search(r"━*╌* 1/2", plain), "the bar moves"
    last = plain[plain.rindex("✓ Run succeeded") :]
    assert "total: 6" in last
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :], "the cursor is shown again"


def on_a_terminal(cli: Cli, *arguments: str) -> tuple[str, int]:
    """Run a command with a pseudo-terminal as its input and output."""
    primary, secondary = pty.openpty()
    environment = {**cli.environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [*cli.command, *arguments], stdin=secondary, stdout=secondary, stderr=secondary, env=environment,
        cwd=cli.directory, start_new_session=True,
    )  # fmt: skip
    os.close(secondary)
    parts: list[bytes] = []
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        ready, _, _ = select.select([primary], [], [], 1)
        if ready:
            try:
                data = os.read(primary, 65536)
            except OSError:  # Linux says EIO when the other end is closed
                break
            if not data:
                break
            parts.append(data)
    os.close(primary)
    return b"".join(parts).decode(errors="replace"), process.wait(timeout=10)
