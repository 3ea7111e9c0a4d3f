"""Notebook files: what is read from them, and what is said of files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.errors import NotebookError
from jupyter_kfp.notebook.source import parse_notebook, read_notebook


def document(*cells: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **more}


def code(source: Any = "x = 1", **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        **more,
    }


def parse(*cells: dict[str, Any], **more: Any) -> Any:
    return parse_notebook(json.dumps(document(*cells, **more)), "nb")


def test_cells_keep_kind_source_tags_and_index() -> None:
    notebook = parse(
        {"cell_type": "markdown", "source": "# T", "metadata": {}},
        code(
            ["a = 1\n", "b = 2"], metadata={"tags": ["step:a", " after:b ", "step:a", ""], "kfp": {"gpu": 1}}
        ),
    )
    assert [(c.index, c.kind, c.source) for c in notebook.cells] == [
        (0, "markdown", "# T"),
        (1, "code", "a = 1\nb = 2"),
    ]
    assert notebook.cells[1].tags == ("step:a", "after:b")
    assert notebook.cells[1].metadata["kfp"] == {"gpu": 1}


def test_line_ends_are_newlines() -> None:
    assert parse(code("a\r\nb\rc")).cells[0].source == "a\nb\nc"


def test_the_file_gives_name_and_directory(tmp_path: Path) -> None:
    path = tmp_path / "my.notebook.ipynb"
    path.write_text("\ufeff" + json.dumps(document(code())), encoding="utf-8")
    notebook = read_notebook(path)
    assert (notebook.name, notebook.directory) == ("my.notebook", tmp_path)


def test_running_a_notebook_does_not_change_its_hash() -> None:
    fresh = parse(code(id="a"))
    run = parse(
        code(id="b", execution_count=3, outputs=[{"output_type": "stream", "name": "stdout", "text": "1"}]),
        metadata={"language_info": {"name": "python", "version": "3.12"}, "widgets": {"state": 1}},
    )
    assert fresh.sha256 == run.sha256


@pytest.mark.parametrize(
    "changed",
    [
        {"cells": [code("x = 2")]},
        {"cells": [code(metadata={"tags": ["step:a"]})]},
        {"cells": [code(metadata={"kfp": {"gpu": 1}})]},
        {"metadata": {"kfp": {"name": "p"}}},
        {"metadata": {"kubeflow_notebook": {"pipeline_name": "p"}}},
        {"cells": [code(), code()]},
    ],
)
def test_what_matters_changes_the_hash(changed: dict[str, Any]) -> None:
    assert parse(code()).sha256 != parse_notebook(json.dumps({**document(code()), **changed}), "nb").sha256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("print('hello')\n", ["not a notebook", "line 1"]),
        (json.dumps(document(code()), indent=1)[:-30], ["cut off", "line "]),
        ('{"nbformat": 4, "cells": [{"source": "abc', ["cut off", "line 1"]),
        ('{"nbformat": 4,\n<<<<<<< HEAD\n', ["line 2", "conflict"]),
        ('{"a": 1}', ["neither nbformat nor cells"]),
        ("[1, 2]", ["neither nbformat nor cells"]),
        ("[" * 100_000, ["not a notebook"]),
        ('{"nbformat": ' + "9" * 5000 + "}", ["not a notebook"]),
        ('{"nbformat": 3, "worksheets": []}', ["nbformat 3", "jupyter nbconvert --to notebook"]),
        ('{"nbformat": 5, "cells": []}', ["nbformat 5", "newer"]),
        ('{"nbformat": "4", "cells": []}', ["nbformat version"]),
        ('{"cells": []}', ["nbformat version"]),
        ('{"nbformat": 4, "cells": {}}', ["no list of cells"]),
        ('{"nbformat": 4, "cells": [], "metadata": []}', ["metadata"]),
        (json.dumps(document(1)), ["cell 1", "not a mapping"]),  # type: ignore[arg-type]
        (json.dumps(document(code(), code(3))), ["cell 2", "source"]),
        (json.dumps(document(code(["a", 3]))), ["cell 1", "source"]),
        (json.dumps(document(code(cell_type="heading"))), ["cell 1", "heading"]),
        (json.dumps(document(code(metadata=[]))), ["cell 1", "metadata"]),
        (json.dumps(document(code(metadata={"tags": "step:a"}))), ["cell 1", "tags"]),
        (json.dumps(document(code(metadata={"tags": [1]}))), ["cell 1", "tags"]),
        (
            json.dumps(
                document(
                    metadata={
                        "kernelspec": {"name": "f", "display_name": "Fortran 90", "language": "Fortran"}
                    }
                )
            ),
            ["Fortran 90", "kernel of Python"],
        ),
        (json.dumps(document(metadata={"language_info": {"name": "perl"}})), ["perl", "kernel of Python"]),
    ],
)
def test_what_is_no_notebook_says_so(text: str, words: list[str]) -> None:
    with pytest.raises(NotebookError) as caught:
        parse_notebook(text, "nb.ipynb")
    assert all(word in str(caught.value) for word in ["nb.ipynb", *words]), str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "metadata", [{}, {"kernelspec": {"name": "python3"}}, {"kernelspec": None, "language_info": 3}]
)
def test_a_notebook_that_names_no_language_is_python(metadata: dict[str, Any]) -> None:
    assert parse(code(), metadata=metadata).cells


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "b.ipynb"
    binary.write_bytes(b"{\xff\xfe}")
    for path, word in [(tmp_path / "none.ipynb", "exist"), (tmp_path, "directory"), (binary, "UTF-8")]:
        with pytest.raises(NotebookError, match=word) as caught:
            read_notebook(path)
        assert str(path) in str(caught.value)
        assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(NotebookError, match="may not be read"):
        read_notebook(path)


def test_a_forbidden_file_says_so_for_any_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(NotebookError, match="may not be read"):
        read_notebook(tmp_path / "n.ipynb")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "nbformat": st.just(4) | JSON,
            "metadata": JSON | st.fixed_dictionaries({"kernelspec": JSON, "language_info": JSON}),
            "cells": JSON
            | st.lists(
                st.fixed_dictionaries(
                    {
                        "cell_type": st.just("code") | JSON,
                        "source": JSON,
                        "metadata": st.fixed_dictionaries({"tags": JSON}),
                    }
                )
            ),
        },
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        parse_notebook(json.dumps(value), "nb")
    except NotebookError as error:
        assert error.remedy  # noqa: PT017 - either outcome is right


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_notebook(text, "nb")
    except NotebookError as error:
        assert error.remedy  # noqa: PT017 - either outcome is right
