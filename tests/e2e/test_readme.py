"""README.md says what is so: its tutorial is carried out, its picture and its lists are compared."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from jupyter_kfp.options import StepOptions

from .pages import ROOT, SETUP, blocks, commands, shell, write_notebooks

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("readme")
    write_notebooks(README, directory)
    return directory


def newest_run(place: Path) -> str:
    newest: str = json.loads(shell("jupyter kfp runs --json", place))[0]["run_id"]
    return newest


@pytest.mark.timeout(1200)
def test_the_tutorial_runs_as_it_stands(place: Path) -> None:
    printed = ""
    for block in blocks(README):
        if block.note == SETUP:
            continue
        if block.language == "bash":
            for command in commands(block):
                printed = shell(re.sub(r"\bRUN\b", lambda _: newest_run(place), command), place)
        elif block.language == "text":
            assert printed == block.text
        elif block.language == "python" and not block.note:
            (place / "block.py").write_text(block.text + CHECKS, encoding="utf-8")
            shell(f"{sys.executable} block.py", place)
    assert (place / "wine.yaml").exists()


# What the comments of README's Python block say of its values.
CHECKS = """
assert run.state == "SUCCEEDED", run.error
assert isinstance(run.outputs["accuracy"], float) and run.outputs["accuracy"] > 0.9
assert run.outputs["confusion"].load().to_numpy().sum() == 45
assert len(run["fit_forest"].artifacts["forest"].load().estimators_) == 20
assert run["evaluate"].notebook.stat().st_size > 0
"""


def test_set_up_commands_exist(tmp_path: Path) -> None:
    told = [command.split() for block in blocks(README) if block.note == SETUP for command in commands(block)]
    known = shell("bash dev.sh help", ROOT, JUPYTER_KFP_HOME=str(tmp_path))
    for words in told:
        assert words[:2] == ["pip", "install"] or " ".join(words) in known


def test_the_picture_is_the_graph_of_the_quickstart(tmp_path: Path) -> None:
    shell(
        f"jupyter kfp graph notebooks/quickstart.ipynb --format svg -o {tmp_path}/now.svg",
        ROOT,
        JUPYTER_KFP_HOME=str(tmp_path),
    )
    kept = ROOT / "notebooks" / "quickstart.svg"
    if os.environ.get("JUPYTER_KFP_UPDATE_GOLDENS"):
        kept.write_bytes((tmp_path / "now.svg").read_bytes())
    assert kept.read_bytes() == (tmp_path / "now.svg").read_bytes()


def section(title: str) -> str:
    found = re.search(
        rf"^## {title}\n(.*?)(?=^## |\Z)", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


def test_every_option_is_in_the_table() -> None:
    told = set(
        re.findall(
            r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section("Options of a step"), re.MULTILINE))
        )
    )
    assert told == set(StepOptions.model_fields)


def test_every_command_is_in_the_table() -> None:
    from jupyter_kfp.cli import main

    told = section("Command line")
    for name in main.commands:
        assert re.search(rf"`(jupyter kfp )?{name}\b", told), name


def test_its_links_lead_somewhere() -> None:
    for text in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text.read_text(encoding="utf-8")):
            assert (text.parent / target).exists(), f"{text.name}: {target}"
