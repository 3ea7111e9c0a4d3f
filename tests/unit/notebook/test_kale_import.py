"""Kale's notebooks in this package's form: the same pipeline, and nothing of Kale's left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kfp.api import load
from jupyter_kfp.cli import main
from jupyter_kfp.notebook import kale
from jupyter_kfp.notebook.kale_import import Conversion, convert
from jupyter_kfp.notebook.roles import Reading, assign_roles
from jupyter_kfp.notebook.source import parse_notebook

NOTEBOOKS = sorted((Path(__file__).parents[2] / "data" / "kale").glob("*.ipynb"))


def notebook(*cells: tuple[str | list[str], list[str]], **metadata: Any) -> dict[str, Any]:
    written = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {"tags": tags},
            "outputs": [],
            "execution_count": None,
        }
        for source, tags in cells
    ]
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": written}


def read(document: dict[str, Any]) -> Reading:
    return assign_roles(parse_notebook(json.dumps(document), "nb"))


def tags(conversion: Conversion) -> list[list[str]]:
    return [cell["metadata"]["tags"] for cell in conversion.document["cells"]]


# ------------------------------------------------------------- whole notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_compiles_to_the_same_bytes_after_its_conversion(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "renamed.ipynb"
    assert run("import", path, "-o", target).exit_code == 0
    assert load(target).compile() == load(path).compile()
    assert load(target).check() == ()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_tags_and_metadata_are_changed(path: Path) -> None:
    old = json.loads(path.read_text("utf-8"))
    new = convert(old, path.stem).document
    nbformat.validate(nbformat.from_dict(new))
    assert not set(kale.KEYS) & set(new["metadata"])
    assert {k: v for k, v in new["metadata"].items() if k != "kfp"} == {
        k: v for k, v in old["metadata"].items() if k not in kale.KEYS
    }
    used = {tag.partition(":")[0] for cell in new["cells"] for tag in cell["metadata"].get("tags", [])}
    assert used <= {"step", "after", "imports", "functions", "parameters", "outputs", "skip"}
    for before, after in zip(old["cells"], new["cells"], strict=True):
        for cell in (before, after):
            cell["metadata"].pop("tags", None)
            cell["metadata"].pop("kfp", None)
        assert after == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_converting_twice_changes_nothing_more(path: Path) -> None:
    once = convert(json.loads(path.read_text("utf-8")), path.stem).document
    again = convert(once, path.stem)
    assert (again.changes, again.document) == ((), once)


ROLES = st.sampled_from([[], ["imports"], ["functions"], ["pipeline-parameters"], ["pipeline-metrics"], ["skip"], ["step:a"], ["block:b"], ["step:"], ["block:c", "prev:a"]])  # fmt: skip
OPTIONS = st.lists(
    st.sampled_from(["limit:cpu:2", "limit:memory:4G", "limit:amd.com/gpu:1", "cache:disabled", "cache:enabled", "image:i:1", "label:x:y", "label:z:", "annotation:a.io/b:c:d", "secret:s:k:V", "report:enabled", "memory:1G", "limit:cpu", "own"]),
    max_size=3, unique=True,
)  # fmt: skip
SOURCES = st.sampled_from(["x = 1", "print(x)", "", "%%component d --cpu 3\ny = 1", "%%component e\ny = 1"])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "pipeline_name": st.sampled_from(["", "named"]),
        "experiment_name": st.just("e"),
        "base_image": st.just("base:1"),
        "enable_caching": st.booleans(),
        "timeout": st.just(60),
        "steps_defaults": st.just(["label:x:far", "limit:cpu:1", "secret:t:k:W"]),
        "katib_run": st.booleans(),
    },
)
OWN = st.none() | st.sampled_from(
    [
        {"image": "own:1"},
        {"name": "own", "defaults": {"labels": {"x": "own"}}},
        {"cpu": 4, "defaults": {"memory": "2G"}},
    ]
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(SOURCES, st.builds(lambda a, b: a + b, ROLES, OPTIONS)), max_size=6),
    SETTINGS,
    OWN,
)
def test_every_cell_keeps_its_role_and_every_step_its_options(
    cells: list[tuple[str, list[str]]], panel: dict[str, Any], own: dict[str, Any] | None
) -> None:
    document = notebook(*cells, kubeflow_notebook=panel, **({"kfp": own} if own else {}))
    before, after = read(document), read(convert(document, "nb").document)
    for part in ("preamble", "parameters", "skipped", "outputs", "options", "name", "description"):
        if part in {"preamble", "parameters", "skipped"}:  # an empty cell has no part to play
            old, new = ([c.cell for c in getattr(r, part) if c.source.strip()] for r in (before, after))
        elif part == "options":
            old, new = (r.options.model_copy(update={"name": r.name}) for r in (before, after))
        else:
            old, new = getattr(before, part), getattr(after, part)
        assert new == old, part
    steps = [
        [(s.name, [c.cell for c in s.cells if c.source.strip()], s.after, s.options) for s in r.steps]
        for r in (before, after)
    ]
    assert steps[1] == steps[0]
    errors = [
        {(d.code, d.cell) for d in r.diagnostics if d.code not in {"K106", "K109", "K120"}}
        for r in (before, after)
    ]
    assert errors[1] == errors[0]


# ------------------------------------------------------------------ in detail


def test_untagged_cells_get_the_tag_they_had_by_their_place() -> None:
    converted = convert(
        notebook(
            ("first", []), ("import a", ["imports"]), ("import b", []), ("x = 1", ["step:one"]), ("x += 1", []),
            ("n = 1", ["pipeline-parameters"]), ("skipped", ["skip"]), ("m = 2", []), ("", []),
            kubeflow_notebook={},
        ),
        "nb",
    )  # fmt: skip
    assert tags(converted) == [
        [], ["imports"], ["imports"], ["step:one"], [], ["parameters"], ["skip"], ["parameters"], ["parameters"],
    ]  # fmt: skip


def test_without_kales_metadata_only_tags_are_written_anew() -> None:
    converted = convert(notebook(("import a", ["imports"]), ("x = 1", []), ("y = x", ["block:one"])), "nb")
    assert tags(converted) == [["imports"], [], ["step:one"]]
    assert "kfp" not in converted.document["metadata"]


def test_own_options_of_a_cell_are_joined_with_kales_nearer_ones() -> None:
    document = notebook(("x = 1", ["step:a", "limit:memory:4G", "label:b:kale"]), kubeflow_notebook={})
    document["cells"][0]["metadata"]["kfp"] = {"memory": "1G", "labels": "a=own", "after": "z"}
    assert convert(document, "nb").document["cells"][0]["metadata"]["kfp"] == {
        "memory": "4G", "labels": {"a": "own", "b": "kale"}, "after": "z",
    }  # fmt: skip


def test_a_wrong_tag_stays_to_be_found() -> None:
    converted = convert(notebook(("x = 1", ["block:a", "limit:cpu"]), kubeflow_notebook={}), "nb")
    assert tags(converted) == [["step:a", "limit:cpu"]]


def test_a_reference_to_a_notebook_becomes_a_header() -> None:
    document = notebook(("# the panel's comment", ["notebook:prepare"]), kubeflow_notebook={})
    document["cells"][0]["metadata"]["notebook_path"] = "./my prepare.ipynb"
    cell = convert(document, "nb").document["cells"][0]
    assert cell["source"] == "%%component prepare --notebook './my prepare.ipynb'\n# the panel's comment"
    assert cell["metadata"] == {"tags": []}


def test_a_composition_stays_the_same_pipeline(tmp_path: Path) -> None:
    part = notebook(("n: int = 2", ["pipeline-parameters"]), ("total: int = n * 2", ["step:double"]), ("print(total)", ["pipeline-metrics"]), kubeflow_notebook={})  # fmt: skip
    whole = notebook(("", ["notebook:part"]), ("rest: int = 1", ["step:rest"]), kubeflow_notebook={})
    whole["cells"][0]["metadata"]["notebook_path"] = "./part.ipynb"
    (tmp_path / "part.ipynb").write_text(json.dumps(part))
    (tmp_path / "whole.ipynb").write_text(json.dumps(whole))
    assert run("import", tmp_path / "whole.ipynb", "-o", tmp_path / "new.ipynb").exit_code == 0
    assert load(tmp_path / "new.ipynb").compile() == load(tmp_path / "whole.ipynb").compile()


def test_what_has_no_counterpart_is_told_with_a_remedy() -> None:
    panel = {"katib_run": True, "snapshot_volumes": True, "pipeline_name": "p"}
    document = notebook(("x = 1", ["step:a", "report:disabled"]), kubeflow_notebook=panel)
    told = convert(document, "nb").left_out
    assert [(d.code, d.cell) for d in told] == [("K120", None), ("K120", None), ("K120", 0)]
    assert all(d.remedy for d in told)


# ---------------------------------------------------------------- the command


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def kales(tmp_path: Path) -> Path:
    path = tmp_path / "old.ipynb"
    panel = {"pipeline_name": "p", "katib_run": True}
    path.write_text(json.dumps(notebook((["x = 'é'"], ["block:a"]), kubeflow_notebook=panel)))
    return path


def test_the_command_says_what_it_changed_and_what_it_left_out(kales: Path, tmp_path: Path) -> None:
    done = run("import", kales)
    target = tmp_path / "old.kfp.ipynb"
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"{target}:",
        '  notebook: metadata kubeflow_notebook → kfp {"name": "p"}',
        "  cell 1: tags block:a → tags step:a",
        "Without a counterpart, left out:",
        "  The metadata kubeflow_notebook.katib_run does not count here. Tune with a loop over the parameter instead.",
    ]
    text = target.read_text("utf-8")
    assert "é" in text
    assert text == nbformat.writes(nbformat.reads(text, 4)) + "\n"


def test_a_file_is_overwritten_only_by_force(kales: Path, tmp_path: Path) -> None:
    before = kales.read_text()
    refused = run("import", kales, "-o", kales)
    assert (refused.exit_code, kales.read_text()) == (2, before)
    assert "--force" in refused.stderr
    assert run("import", kales, "-o", kales, "--force").exit_code == 0
    assert "kubeflow_notebook" not in kales.read_text()
    assert "Nothing in" in run("import", kales, "-o", tmp_path / "again.ipynb").stderr


def test_a_notebook_is_not_written_as_a_text(kales: Path, tmp_path: Path) -> None:
    assert run("import", kales, "-o", tmp_path / "new.py").exit_code == 2
    assert not (tmp_path / "new.py").exists()


def test_a_script_becomes_a_notebook(tmp_path: Path) -> None:
    script = tmp_path / "old.py"
    script.write_text('# %% tags=["block:a", "limit:cpu:2"]\nx = 1\n')
    assert run("import", script).exit_code == 0
    assert load(tmp_path / "old.kfp.ipynb").pipeline.steps[0].options.cpu == "2"
