"""Notebooks kept as text, by every command that takes a notebook."""

from __future__ import annotations

import json
from pathlib import Path

import jupyter_kfp

from .conftest import Cli

SCRIPT = """\
# %% [markdown]
# # A notebook that is a script

# %% tags=["parameters"]
n: int = 2

# %%
# %%component first
xs = [n] * 3

# %% tags=["step:second"]
# %time total: int = sum(xs)

# %% tags=["outputs"]
total
"""


def test_a_script_is_checked_drawn_compiled_and_run(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    assert cli("check", path).stdout == "No problems found.\n"
    assert {node["name"] for node in cli.json("run", path, "-p", "n=5")["tasks"]} == {"first", "second"}
    assert json.loads(cli("graph", path, "--format", "json").stdout)
    assert "# Name: script\n" in cli("compile", path).stdout
    (shown,) = cli.json("runs")
    assert cli.json("show", shown["run_id"])["outputs"] == {"total": 15}


def test_the_api_takes_markdown(tmp_path: Path) -> None:
    path = tmp_path / "words.md"
    path.write_text(
        '# Words\n\n```python tags=["step:first"]\nx: int = 1\n```\n\n```python tags=["outputs"]\nx\n```\n'
    )
    assert jupyter_kfp.run(path).outputs == {"x": 1}


def test_a_problem_names_the_line_of_the_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("[n] * 3", "[nobody] * 3"))
    told = cli("check", path)
    assert told.returncode == 1
    assert told.stdout.startswith("cell 3, line 2 (line 9 of the file): error K201: ")
    plain = tmp_path / "plain.py"
    plain.write_text("x = 1\n")
    refused = cli("run", plain)
    assert (refused.returncode, "is a script without cells" in refused.stderr) == (2, True)
