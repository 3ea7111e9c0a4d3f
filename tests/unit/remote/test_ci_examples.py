"""The CI examples use commands and options that exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from jupyter_kfp.cli import main

_DOCS = Path(__file__).parents[3] / "docs"


def texts(node: Any) -> list[str]:
    match node:
        case dict():
            return [text for value in node.values() for text in texts(value)]
        case list():
            return [text for value in node for text in texts(value)]
        case str():
            return [node]
    return []


@pytest.mark.parametrize("file", sorted((_DOCS / "ci").glob("*.yml")), ids=lambda file: file.stem)
def test_every_command_can_be_read(file: Path) -> None:
    lines = [line for text in texts(yaml.safe_load(file.read_text())) for line in text.splitlines()]
    found = [parsed(line) for line in lines if "jupyter kfp" in line]
    assert {"check", "compile", "diff", "upload"} <= set(found)


def test_every_command_of_the_page_can_be_read() -> None:
    page = (_DOCS / "kubeflow.md").read_text().replace("\\\n", " ")
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    lines = [
        part for block in blocks for line in block.splitlines() for part in line.split(" #")[0].split(";")
    ]
    found = [parsed(line) for line in lines if "jupyter kfp" in line]
    assert {"profiles", "submit", "schedule", "trigger", "diff", "upload"} <= set(found)


def parsed(line: str) -> str:
    """The command of a line; click has read all of its arguments."""
    call = line[line.index("jupyter kfp") :].split(" | ", maxsplit=1)[0].split(" > ", maxsplit=1)[0]
    arguments = shlex.split(call)[2:]
    command: click.Command = main
    # As click makes it: a command keeps the help option it was first asked for.
    context = click.Context(main, **main.context_settings)
    first = arguments[0]
    while isinstance(command, click.Group):
        name, command_, arguments = command.resolve_command(context, arguments)
        assert command_ is not None, name
        command, context = command_, click.Context(command_, parent=context)
    command.make_context(first, list(arguments), parent=context.parent)
    return first
