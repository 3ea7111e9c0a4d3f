"""A whole notebook in a kernel that is not Python's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.integration.runtime.conftest import Outcome, Steps, make_step

pytest.importorskip("bash_kernel", reason="there is no Bash on Windows")


def run(steps: Steps, name: str, code: str, **more: str) -> Outcome:
    kernel = steps.root / "kernels/bash"
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "language": "bash", "display_name": "Bash"})
    )
    step = make_step(
        name,
        "set -e",
        code,
        kernel=["bash", "bash"],
        parameters={"word": "str", "count": "int"},
        inputs={"table": "Dataset"},
        outputs={
            "copy": {"type": "Dataset"},
            "lines": {"type": "int"},
            "said": {"type": "str"},
            "good": {"type": "bool"},
        },
    )
    return steps.run(step, {"word": "it's", "count": 2.0}, JUPYTER_PATH=str(steps.root))


@pytest.fixture
def table(steps: Steps, tmp_path: Path) -> Path:
    file = tmp_path / "table.csv"
    file.write_text("a\n1\n")
    steps.artifacts["table"] = {"artifacts": [{"name": "table", "uri": str(file), "metadata": {}}]}
    return file


CODE = """
cp "$table_path" "$copy_path"
wc -l < "$table_path" | tr -d ' ' > "$lines_path"
for i in $(seq $count); do printf "$word "; done > "$said_path"
echo true > "$good_path"
"""


def test_parameters_go_in_and_files_come_out(steps: Steps, table: Path) -> None:
    made = run(steps, "shell", CODE)
    assert made.status == 0, made.log
    assert made.output["parameterValues"] == {"lines": 2, "said": "it's it's ", "good": True}
    assert (made.place / "copy").read_text() == "a\n1\n"
    assert made.metadata("copy") == {}
    assert "bash" in (made.place / "executed_notebook").read_text()


def test_an_output_that_is_missing_or_of_another_type_is_named(steps: Steps, table: Path) -> None:
    made = run(steps, "missing", CODE + 'rm "$copy_path"')
    assert made.status == 1
    assert "did not write its output 'copy' to copy_path" in made.error["message"]
    made = run(steps, "wrong", CODE + 'echo some > "$lines_path"')
    assert "Output 'lines' is declared int, but lines_path has 'some'" in made.error["message"]
