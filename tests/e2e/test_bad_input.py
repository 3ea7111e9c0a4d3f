"""What a user can get wrong ends in one message with a remedy and an exit status, never in a traceback."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cell, Cli, document

Write = Callable[..., Path]

PARAMETERS: Cell = ("rate: float = 0.1\nepochs: int = 3\nnames: list[str] = ['a']", "parameters")
STEP: Cell = ("y = rate * epochs", "step:a")


def refused(ended: subprocess.CompletedProcess[str], status: int, *said: str, stdout: str | None = "") -> str:
    """Check the end of a command that was refused; gives its message on one line."""
    told = " ".join(ended.stderr.split())
    assert ended.returncode == status, (ended.returncode, ended.stderr, ended.stdout)
    assert "Traceback" not in ended.stderr + ended.stdout
    for part in said:
        assert part in told, ended.stderr
    if stdout is not None:
        assert ended.stdout == stdout
    return told


# ------------------------------------------------------------------ the file

FILES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "text": ("hello\n", ("is not a notebook", "Name an .ipynb file")),
    "other JSON": ('{"a": 1}', ("is JSON, but not a notebook", "Name an .ipynb file")),
    "JSON list": ("[1, 2]", ("is JSON, but not a notebook",)),
    "empty": ("", ("is empty", "restore")),
    "binary": (b"\x89PNG\r\n\x1a\n\xff\xfe", ("is not a notebook", "not UTF-8")),
    "truncated": (json.dumps(document("x = 1"))[:-40], ("is cut off", "restore it from a copy")),
    "nbformat 3": (
        json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}),
        ("is in nbformat 3", "jupyter nbconvert --to notebook"),
    ),
    "nbformat 5": (json.dumps(document("x = 1") | {"nbformat": 5}), ("newer than this version", "Upgrade")),
    "no cells": (json.dumps({"nbformat": 4, "metadata": {}}), ("has no list of cells",)),
    "another language": (
        json.dumps(document("x = 1", kernelspec={"name": "lua", "display_name": "Lua", "language": "lua"})),
        ("is for the kernel 'Lua'", "Choose a kernel of Python, R"),
    ),
    "unknown kernel": (
        json.dumps(document("x := 1", kernelspec={"name": "nobodys-kernel", "display_name": "Nobody's"})),
        ('is for the kernel "Nobody\'s"', "Choose a kernel of Python, R"),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_notebook(cli: Cli, tmp_path: Path, case: str) -> None:
    content, said = FILES[case]
    file = tmp_path / "wrong.ipynb"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(cli("run", file), 2, "Error: ", str(file), *said)
    assert not (tmp_path / "home").exists(), "nothing was recorded"


@pytest.mark.parametrize("command", [("check",), ("compile",), ("graph",), ("run",), ("run", "--detach")])
def test_no_file_at_all(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    refused(cli(*command, "nowhere.ipynb"), 2, "nowhere.ipynb does not exist", "Check the path")
    refused(cli(*command, "nowhere.yaml"), 2, "no file nowhere.yaml", "Check the path")
    refused(cli(*command, tmp_path), 2, f"{tmp_path} is a directory", "Name a notebook")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "it holds no mapping"),
        ("a: [", "it cannot be parsed"),
        ("a: 1", "it has no root"),
        ("", "it holds no mapping"),
        ("components: {}\ndeploymentSpec: 3\nroot: []\n", ""),
    ],
)
def test_a_yaml_that_is_no_pipeline(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    refused(cli("run", "p.yaml"), 2, "not a compiled Kubeflow pipeline", said, "Compile it again")
    refused(cli("graph", "p.yaml"), 2, "not a compiled pipeline")


# --------------------------------------------------------------- the notebook

NOTEBOOKS: dict[str, tuple[tuple[Cell, ...], tuple[str, ...]]] = {
    "no steps": (("x = 1", "y = 2"), ("no step", "%%component")),
    "no cells": ((), ("no step",)),
    "duplicate step name": (
        (("a = 1", "step:train_model"), ("b = 1", "step:train-model")),
        ("cell 2", "train-model", "train_model", "Rename one"),
    ),
    "invalid step name": ((("a = 1", "step:größe 1"), "%%component 1-2/3\nb = 1"), ("cell 2, line 1", "help:")),
    "cycle by tags": (
        (("a = 1", "step:one after:two"), ("b = 1", "step:two after:one")),
        ("wait for each other: one → two → one", "after:"),
    ),
    "unknown tag target": ((("a = 1", "step:one after:nobody"),), ("nobody", "cell 1")),
    "syntax error": ((("a = 1", "step:one"), ("b = (1,\nc = = 2", "step:two")), ("cell 2, line", "Correct the cell")),
    "unknown option": (("%%component one --memroy 8G\na = 1",), ("memroy", "memory", "cell 1, line 1")),
    "unknown option line": (("%%component one\n#| memroy: 8G\na = 1",), ("memroy", "cell 1, line 2")),
    "option of the wrong type": (("%%component one --retries many\na = 1",), ("retries", "many", "cell 1, line 1")),
    "name undefined": ((("a = 1", "step:one"), ("b = a + undefined_name", "step:two")), ("undefined_name", "cell 2, line 1")),
    "parameter default of the wrong type": (
        (("rate: int = 'fast'", "parameters"), ("b = rate", "step:two")),
        ("rate", "cell 1, line 1"),
    ),
    "parameter without a literal": (
        (("rate = open('x')", "parameters"), ("b = rate", "step:two")),
        ("rate", "cell 1, line 1"),
    ),
    "output that is not there": ((("a = 1", "step:one"), ("nothing", "outputs")), ("nothing", "cell 2")),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTEBOOKS)
def test_a_notebook_that_is_no_pipeline(cli: Cli, write: Write, case: str) -> None:
    cells, said = NOTEBOOKS[case]
    path = write(*cells)
    told = refused(cli("run", path), 1, *said)
    assert "help: " in told
    ended = cli("check", path, "--json")
    assert ended.returncode == 1
    found = json.loads(ended.stdout)
    assert any(d["severity"] == "error" for d in found)
    assert all(d["message"] and d["code"] and (d["remedy"] or d["severity"] == "warning") for d in found)


# ------------------------------------------------------------- the parameters


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "epochs=many"], ("epochs", "many", "int", "JSON")),
        (["-p", "epochs=1.5"], ("epochs", "1.5", "int")),
        (["-p", "rate=fast"], ("rate", "fast", "float")),
        (["-p", "names=abc"], ("names", "abc", "list")),
        (["-p", 'names={"a": 1}'], ("names", "list")),
        (["-p", "epoch=3"], ("'epoch'", "epochs")),
        (["-p", "epochs"], ("'epochs' is not NAME=VALUE", "-p epochs=10")),
        (["-p", "=3"], ("is not NAME=VALUE",)),
    ],
)
def test_a_wrong_parameter(cli: Cli, write: Write, arguments: list[str], said: tuple[str, ...]) -> None:
    refused(cli("run", write(PARAMETERS, STEP), *arguments), 2, "Error: ", *said)


def test_a_missing_parameter(cli: Cli, write: Write, tmp_path: Path) -> None:
    """A notebook always has defaults; a compiled pipeline of somebody else need not."""
    (tmp_path / "p.yaml").write_text(
        cli("compile", write(PARAMETERS, STEP)).stdout.replace("defaultValue: 3.0, isOptional: true, ", "")
    )
    refused(cli("run", "p.yaml"), 2, "Error: ", "epochs", "-p epochs=")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ("p.yaml cannot be read", "No such file", "Check the path")),
        ("{a: [", ("p.yaml is neither YAML nor JSON", "NAME: VALUE")),
        ("- 1\n- 2\n", ("p.yaml holds no parameters", "NAME: VALUE")),
        ("just text", ("p.yaml holds no parameters",)),
        (b"\xff\xfe\x00", ("p.yaml is neither YAML nor JSON",)),
        ("epochs: many\n", ("epochs", "many")),
        ("epochs: [1]\n", ("epochs",)),
        ("unknown: 1\n", ("unknown", "epochs")),
        ("names: &a [*a]\n", ("names",)),
        ("2026-01-01: 1\n", ("2026-01-01",)),
        ("names: [2026-01-01]\n", ("names",)),
    ],
)
def test_a_wrong_parameters_file(
    cli: Cli, write: Write, tmp_path: Path, content: str | bytes | None, said: tuple[str, ...]
) -> None:
    if content is not None:
        (tmp_path / "p.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(cli("run", write(PARAMETERS, STEP), "--params-file", "p.yaml"), 2, "Error: ", *said)


# ------------------------------------------------------- runs that do not exist


@pytest.mark.parametrize(
    "command", [("show", "abc"), ("logs", "abc"), ("logs", "abc", "a"), ("cancel", "abc"), ("show", "")]
)
def test_an_unknown_run(cli: Cli, command: tuple[str, ...]) -> None:
    refused(cli(*command), 2, "Error: ", "run", "jupyter kfp runs")


@pytest.mark.parametrize(
    "arguments",
    [("frobnicate",), ("run",), ("run", "x.ipynb", "--frobnicate"), ("run", "x.ipynb", "--max-parallel", "0"),
     ("graph", "x.ipynb", "--format", "gif"), ("runs", "-n", "many"), ("show",)],
)  # fmt: skip
def test_a_command_line_that_cannot_be_read(cli: Cli, arguments: tuple[str, ...]) -> None:
    refused(cli(*arguments), 2, "Usage: jupyter kfp", "Error: ")


# --------------------------------------------------------- the disk, the store


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of its own, of 1 MB."""
    directory = tmp_path / "small"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk to fill, and not in every container")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_full_disk_under_the_artifacts(cli: Cli, write: Write, full_disk: Path, when: str) -> None:
    if when == "before":
        (full_disk / "filler").write_bytes(b"\0" * 1_044_480)
    path = write(("x = bytes(range(256)) * 8000", "step:a"), ("y = len(x)", "step:b"))
    ended = cli("run", path, env={"JUPYTER_KFP_ARTIFACT_ROOT": str(full_disk)})
    told = refused(ended, 1, str(full_disk), "ree space there, or choose another root", stdout=None)
    assert "is full" in told or "No space left on device" in told
    assert "FAILED" in ended.stdout
    assert "FAILED" in told
    run_id = cli.json("runs")[0]["run_id"]
    assert str(full_disk) in cli.json("show", run_id)["error"]


def test_a_full_disk_under_an_output(cli: Cli, write: Write, full_disk: Path) -> None:
    (full_disk / "filler").write_bytes(b"\0" * 1_044_480)
    path = write(PARAMETERS, STEP)
    refused(cli("compile", path, "-o", full_disk / "p.yaml"), 1, "p.yaml cannot be written (No space left")
    refused(cli("graph", path, "-o", full_disk / "p.txt"), 1, "p.txt cannot be written (No space left")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*cli.command, "compile", path],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=cli.environment,
        )
    assert ended.returncode == 1
    assert ended.stderr == "Error: No space left on device.\n"


def _below_a_file(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("")
    return {"JUPYTER_KFP_HOME": str(tmp_path / "file" / "home")}


def _directory(tmp_path: Path) -> dict[str, str]:
    return {"JUPYTER_KFP_STORE_URL": f"sqlite:///{tmp_path}"}


def _corrupt(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "store.sqlite").write_bytes(b"this is not a database " * 100)
    return {"JUPYTER_KFP_STORE_URL": f"sqlite:///{tmp_path / 'store.sqlite'}"}


def _not_a_url(_tmp_path: Path) -> dict[str, str]:
    return {"JUPYTER_KFP_STORE_URL": "my store"}


def _unknown_database(_tmp_path: Path) -> dict[str, str]:
    return {"JUPYTER_KFP_STORE_URL": "oracle9://somewhere"}


def _nobody_listens(_tmp_path: Path) -> dict[str, str]:
    return {"JUPYTER_KFP_STORE_URL": "postgresql+psycopg://user:secret@127.0.0.1:1/none"}


def _read_only(_tmp_path: Path) -> dict[str, str]:
    return {"JUPYTER_KFP_HOME": "/proc/nowhere"}


def _no_driver(_tmp_path: Path) -> dict[str, str]:
    return {"JUPYTER_KFP_STORE_URL": "mysql+pymysql://user:secret@127.0.0.1:1/none"}


def _of_the_future(tmp_path: Path) -> dict[str, str]:
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    return {"JUPYTER_KFP_STORE_URL": f"sqlite:///{tmp_path / 'store.sqlite'}"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_below_a_file, ("file/home/store.sqlite cannot be written", "JUPYTER_KFP_HOME")),
        (_directory, ("cannot be written", "JUPYTER_KFP_HOME")),
        (_corrupt, ("store.sqlite is damaged", "Move that file away")),
        (_not_a_url, ("'my store' is not the URL of a database", "JUPYTER_KFP_STORE_URL")),
        (_unknown_database, ("is not the URL of a database", "JUPYTER_KFP_STORE_URL")),
        (_nobody_listens, ("postgresql", "cannot be reached", "JUPYTER_KFP_STORE_URL")),
        (_no_driver, ("driver of mysql+pymysql is missing", "pip install 'jupyter-kfp[postgresql]'")),
        (_read_only, ("/proc/nowhere", "JUPYTER_KFP_HOME")),
        (_of_the_future, ("written by a newer version", "Upgrade jupyter_kfp")),
    ],
)
def test_a_store_that_cannot_be_used(
    cli: Cli, write: Write, tmp_path: Path, make: Callable[[Path], dict[str, str]], said: tuple[str, ...]
) -> None:
    env = make(tmp_path)
    path = write(PARAMETERS, STEP)
    told = refused(cli("run", path, env=env), 1, "Error: ", *said)
    assert "secret" not in told
    refused(cli("runs", env=env), 1, *said)


# ---------------------------------------------------------------------- --json


def test_errors_are_json_where_json_was_asked_for(cli: Cli, write: Write) -> None:
    def told(*arguments: str | Path) -> tuple[int, Any]:
        ended = cli(*arguments, "--json")
        assert "Traceback" not in ended.stderr
        assert ended.stderr
        return ended.returncode, json.loads(ended.stdout)

    status, error = told("run", "nowhere.ipynb")
    assert (status, error["error"], error["diagnostics"]) == (2, "nowhere.ipynb does not exist.", [])
    assert error["remedy"] == "Check the path of the notebook."
    status, error = told("run", write(("a = undefined_name", "step:one")))
    assert status == 1
    assert error["error"].startswith("1 error in the notebook")
    assert [(d["code"], d["cell"], d["line"]) for d in error["diagnostics"]] == [("K201", 0, 1)]
    assert told("show", "abc")[0] == 2
    assert told("check", "nowhere.ipynb")[0] == 2


def test_a_file_that_may_not_be_read(cli: Cli, write: Write) -> None:
    path = write(PARAMETERS, STEP)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    refused(cli("check", path), 2, "may not be read", "chmod u+r")
