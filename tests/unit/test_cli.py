"""How commands end; what they do is tried as processes, in tests/e2e."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from jupyter_kfp.cli import main
from jupyter_kfp.cli.output import AS_JSON, explained
from jupyter_kfp.errors import JupyterKfpError, UsageError


def ending(error: BaseException, *arguments: str) -> Result:
    """How a command ends that raises ``error``."""

    @click.command()
    @AS_JSON
    @explained
    def command(as_json: bool) -> None:
        raise error

    return CliRunner().invoke(command, arguments)


@pytest.mark.parametrize(("kind", "status"), [(JupyterKfpError, 1), (UsageError, 2)])
def test_an_error_is_a_message_a_remedy_and_a_status(
    kind: Callable[..., JupyterKfpError], status: int
) -> None:
    ended = ending(kind("It broke.", "Mend it."))
    assert (ended.exit_code, ended.stdout) == (status, "")
    assert ended.stderr == "Error: It broke.\n  Mend it.\n"


def test_an_error_is_a_document_with_json() -> None:
    ended = ending(UsageError("It broke.", "Mend it."), "--json")
    assert json.loads(ended.stdout) == {"error": "It broke.", "remedy": "Mend it.", "diagnostics": []}
    assert ended.stderr == "Error: It broke.\n  Mend it.\n"


def test_what_the_system_refuses_is_said_in_its_words() -> None:
    ended = ending(OSError(errno.ENOSPC, "No space left on device", "/x/y"))
    assert (ended.exit_code, ended.stderr) == (1, "Error: /x/y: No space left on device.\n")


def test_an_interrupt_is_a_cancel_wherever_it_comes() -> None:
    ended = ending(KeyboardInterrupt())
    assert (ended.exit_code, ended.output) == (130, "")


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    assert isinstance(ending(ZeroDivisionError()).exception, ZeroDivisionError)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command: str) -> None:
    ended = CliRunner().invoke(main, [command, "-h"])
    assert ended.exit_code == 0
    assert ended.stdout.startswith("Usage: ")
    assert main.commands[command].help


def test_an_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path))
    monkeypatch.delenv("JUPYTER_KFP_STORE_URL", raising=False)
    assert "No runs yet" in CliRunner().invoke(main, ["runs"]).stdout
    assert json.loads(CliRunner().invoke(main, ["runs", "--json"]).stdout) == []
