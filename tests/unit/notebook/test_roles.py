"""Roles of cells: what belongs where, and what cannot be."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.errors import Severity
from jupyter_kfp.notebook.roles import Reading, assign_roles
from jupyter_kfp.notebook.source import parse_notebook, read_notebook


def document(*cells: tuple[str, list[str]], **metadata: Any) -> str:
    written = [
        {"cell_type": "markdown", "source": source, "metadata": {}}
        if tags == ["markdown"]
        else {"cell_type": "code", "source": source, "metadata": {"tags": tags}}
        for source, tags in cells
    ]
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": written})


def read(*cells: tuple[str, list[str]], name: str = "nb", **metadata: Any) -> Reading:
    return assign_roles(parse_notebook(document(*cells, **metadata), name))


def steps(reading: Reading) -> list[tuple[str, list[int]]]:
    return [(step.name, [cell.cell for cell in step.cells]) for step in reading.steps]


def found(reading: Reading) -> list[tuple[str, int | None, int | None]]:
    assert all(d.remedy or d.code == "K122" for d in reading.diagnostics)
    return [(d.code, d.cell, d.line) for d in reading.diagnostics]


@pytest.mark.parametrize("parameters", ["parameters", "pipeline-parameters", "injected-parameters"])
@pytest.mark.parametrize("step", ["step", "block"])
@pytest.mark.parametrize("after", ["after", "prev"])
@pytest.mark.parametrize("outputs", ["outputs", "pipeline-metrics"])
def test_every_role_and_alias(parameters: str, step: str, after: str, outputs: str) -> None:
    reading = read(
        ("# Title", ["markdown"]),
        ("import a", []),
        ("lr = 1", [parameters]),
        ("x = 1", [f"{step}:load"]),
        ("y = x", []),
        ("def f(): pass", ["functions"]),
        ("z = y", []),
        ("junk", ["skip", "step:junk"]),
        ("%%component train --cpu 1\nw = z", [f"{after}:load"]),
        ("import b", ["imports"]),
        ("v = 1", ["step:load"]),
        ("print(w)\nv", [outputs]),
        ("u = 1", []),
    )
    assert found(reading) == []
    assert [c.cell for c in reading.preamble] == [1, 5, 9]
    assert [c.cell for c in reading.parameters] == [2]
    assert [c.cell for c in reading.skipped] == [7]
    assert steps(reading) == [("load", [3, 4, 6, 10, 12]), ("train", [8])]
    assert [s.after for s in reading.steps] == [(), ("load",)]
    assert [(o.name, o.cell, o.line, o.metric) for o in reading.outputs] == [
        ("w", 11, 1, True),
        ("v", 11, 2, False),
    ]
    assert reading.steps[1].cells[0].source == "\nw = z"


def test_order_is_written_as_tag_flag_line_or_metadata() -> None:
    cells = [("x = 1", ["step:a"]), ("x = 1", ["step:b"]), ("x = 1", ["step:c"])]
    for cell in (
        ("x = 1", ["step:d", "after:a,b", "after:c"]),
        ("%%component d --after a b --after c\nx = 1", []),
        ("%%component d\n#| after: [a, b, c]\nx = 1", []),
    ):
        assert read(*cells, cell).steps[3].after == ("a", "b", "c")


def test_blank_cells_do_not_make_a_step_empty() -> None:
    reading = read(("", []), ("x = 1", ["step:a"]), ("\n", []))
    assert found(reading) == []
    assert reading.preamble == ()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([("x = 1", [])], ("K110", None, None)),
        ([("x = 1", ["step:"])], ("K111", 0, None)),
        ([("x = 1", ["step:1st"])], ("K111", 0, None)),
        ([("x = 1", ["step:a b"])], ("K111", 0, None)),
        ([("x = 1", ["step:" + "a" * 64])], ("K111", 0, None)),
        ([("x = 1", ["step:for-loop-1"])], ("K111", 0, None)),
        ([("x = 1", ["step:tr\u00e4in"])], ("K111", 0, None)),
        ([("\n%%component\nx = 1", [])], ("K111", 0, 2)),
        ([("x = 1", ["step:train_model"]), ("x = 1", ["step:train-model"])], ("K112", 1, None)),
        ([("x = 1", ["step:a"]), ("%%component A\nx = 1", [])], ("K112", 1, 1)),
        ([("x = 1", ["step:a", "step:b"])], ("K113", 0, None)),
        ([("x = 1", ["step:a"]), ("%%component b\nx = 1", ["imports"])], ("K113", 1, 1)),
        ([("x = 1", ["step:a", "after:b"])], ("K114", 0, None)),
        ([("%%component a --after b\nx = 1", [])], ("K114", 0, 1)),
        ([("x = 1", ["step:a", "after:a"])], ("K115", 0, None)),
        ([("\n", ["step:a"])], ("K116", 0, None)),
        ([("%pip install x", ["step:a"])], ("K116", 0, None)),
        ([("%%component a\n#| cpu: 1", [])], ("K116", 0, None)),
        ([("x = 1", ["step:a"]), ("x\n\nx = 2", ["outputs"])], ("K117", 1, 3)),
        ([("x = 1", ["step:a"]), ("print(x.y)", ["outputs"])], ("K117", 1, 1)),
        ([("x = 1", ["step:a"]), ("print('text', x)", ["outputs"])], ("K117", 1, 1)),
        ([("x = 1", ["step:a"]), ("x = = 1", ["outputs"])], ("K125", 1, 1)),
        ([("x = 1", ["step:a"]), ("x = 1\n%%component b\ny = 1", [])], ("K118", 1, 2)),
        ([("x = 1", ["step:a"]), ("# text\n%%component b\ny = 1", [])], ("K118", 1, 2)),
        ([("x = 1", ["step:a"]), ("%%pipeline\na()", []), ("%%pipeline\na()", [])], ("K119", 2, None)),
        ([("%%component a --if True\nx = 1", []), ("y = 1", [])], ("K128", 1, None)),
        ([("%%component a --on-exit\nx = 1", []), ("%%component b --on-exit\nx = 1", [])], ("K129", 1, 1)),
        ([("x = 1", ["step:a"]), ("import a", ["imports", "after:a"])], ("K127", 1, None)),
    ],
)
def test_what_cannot_be_is_said_once(
    cells: list[tuple[str, list[str]]], expected: tuple[str, int | None, int | None]
) -> None:
    assert found(read(*cells)) == [expected]


def test_a_misspelt_step_to_wait_for_is_suggested() -> None:
    (diagnostic,) = read(("x = 1", ["step:load_data"]), ("x = 1", ["step:b", "after:load-data"])).diagnostics
    assert "load_data" in diagnostic.remedy


def test_outputs_are_listed_in_any_way() -> None:
    reading = read(("a = b = c = d = 1", ["step:s"]), ("a, b\nprint(c, d)\nprint(a)\n# done", ["outputs"]))
    assert [(o.name, o.line, o.metric) for o in reading.outputs] == [
        ("a", 3, True),
        ("b", 1, False),
        ("c", 2, True),
        ("d", 2, True),
    ]


@pytest.mark.parametrize(
    ("name", "metadata", "expected"),
    [
        ("My Notebook_2", {}, "my-notebook-2"),
        ("Übung 1", {}, "ubung-1"),
        ("日本", {}, "pipeline"),
        ("nb", {"kfp": {"name": "Iris: train!"}}, "iris-train"),
    ],
)
def test_names_of_pipelines_are_kfps(name: str, metadata: dict[str, Any], expected: str) -> None:
    reading = read(("x = 1", ["step:a"]), name=name, **metadata)
    assert (reading.name, found(reading)) == (expected, [])


def test_a_given_name_of_which_nothing_is_left_is_an_error() -> None:
    assert found(read(("x = 1", ["step:a"]), kfp={"name": "日本"})) == [("K126", None, None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Iris\n\nFinds the\nspecies.\n\nMore.", "Finds the species."),
        ("# Iris\nFinds the species.", "Finds the species."),
        ("# Iris", "Iris"),
        ("![](x.png)\n\nText", "Text"),
        ("word " * 100, "…"),
    ],
)
def test_the_description_is_the_first_paragraph(text: str, expected: str) -> None:
    description = read((text, ["markdown"]), ("x = 1", ["step:a"])).description
    assert description.endswith(expected)
    assert len(description) <= 250


def packages(reading: Reading) -> dict[str, tuple[str, ...]]:
    return {step.name: step.options.packages for step in reading.steps}


def test_what_is_installed_is_there_from_then_on() -> None:
    reading = read(
        ("%pip install one", []),
        ("x = 1", ["step:a"]),
        ("!pip install two\ny = 1", ["step:b"]),
        ("%%component c --packages three\nz = 1", []),
        ("!pip install four\nimport four", ["imports"]),
        ("%pip install never", ["skip"]),
    )
    assert packages(reading) == {
        "a": ("one", "four"),
        "b": ("one", "two", "four"),
        "c": ("one", "two", "four", "three"),
    }
    assert reading.steps[1].cells[0].source == "\ny = 1"
    assert [c.cell for c in reading.preamble] == [4]


def test_requirements_files_stand_beside_the_notebook(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "# all\npandas>=2  # why\n-r more/extra.txt\n--index-url https://x.org\n\n"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "extra.txt").write_text(
        "numpy==1.26 \\\n  --hash=sha256:abc\ngit+https://x.org/a.git\n-r extra.txt\n"
    )
    path = tmp_path / "nb.ipynb"
    path.write_text(document(("%pip install -r requirements.txt", []), ("x = 1", ["step:a"])))
    reading = assign_roles(read_notebook(path))
    assert packages(reading) == {"a": ("pandas>=2", "numpy==1.26", "git+https://x.org/a.git")}
    # The index cannot travel; a file that includes itself ends as one that cannot be read.
    assert {d.code for d in reading.diagnostics} == {"K122", "K123"}


def test_a_missing_requirements_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "nb.ipynb"
    path.write_text(document(("x = 1\n%pip install -r none.txt", ["step:a"])))
    assert found(assign_roles(read_notebook(path))) == [("K123", 0, 2)]


def test_what_of_an_install_cannot_travel_is_a_warning() -> None:
    reading = read(("import a\n%pip install -e .", []), ("x = 1", ["step:a"]))
    assert found(reading) == [("K122", 0, 2)]
    assert reading.diagnostics[0].severity is Severity.WARNING


def test_a_hundred_steps_are_read_at_once() -> None:
    cells = [
        (f"%%component s{i} --memory 8G\n#| cpu: 1\nx{i} = f(1)\ny = x{i} + 1", [f"label:a:{i}"])
        for i in range(100)
    ]
    read(cells[0])
    start = time.perf_counter()
    assert len(read(*cells).steps) == 100
    # Far above what it takes (some 50 ms), far below what importing something slow per cell would.
    assert time.perf_counter() - start < 1.5
