"""Credentials in a notebook: each where it may stand, refused with its place, and let through with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.errors import Diagnostic, DiagnosticsError
from jupyter_kfp.notebook import Analysis, analyze_file
from jupyter_kfp.views.tables import diagnostics_view, plain
from tests.planted import credentials
from tests.unit.notebook.writing import analysis_of, codes

PLANTED = credentials()
TOKEN = PLANTED["github"]


def found(analysis: Analysis) -> list[Diagnostic]:
    return [d for d in analysis.diagnostics if d.code in ("K306", "K309", "K310")]


def places(analysis: Analysis) -> list[tuple[int | None, int | None]]:
    return [(d.cell, d.line) for d in found(analysis)]


def cell(source: str, *tags: str, outputs: Any = (), **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {"tags": list(tags), **metadata},
        "outputs": list(outputs),
        "execution_count": None,
    }


def analyzed(directory: Path, *cells: dict[str, Any], **metadata: Any) -> Analysis:
    document = {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (directory / "nb.ipynb").write_text(json.dumps(document))
    return analyze_file(directory / "nb.ipynb")


def test_every_kind_in_a_cell_of_its_own_is_found_there(tmp_path: Path) -> None:
    cells = [cell(f"n = {i}\ntext = {json.dumps(v)}", f"step:s{i}") for i, v in enumerate(PLANTED.values())]
    analysis = analyzed(tmp_path, *cells)
    assert places(analysis) == [(i, 2) for i in range(len(PLANTED))]
    with pytest.raises(DiagnosticsError) as refused:
        analysis.checked()
    assert not [
        kind for kind, value in PLANTED.items() for line in value.split("\n") if line in str(refused.value)
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"# %% step:a\ny = 1\nx = '{TOKEN}'", (0, 2)),
        (f"# %% parameters\nkey: str = '{TOKEN}'\n# %% step:a\nx = key", (0, 1)),
        ("# %% parameters\npassword: str = 'hunter2'\n# %% step:a\nx = password", (0, 1)),
        (f"# %% functions\nT = '{TOKEN}'\n# %% step:a\nx = T", (0, 1)),
        (f"# %%\n%%component a --env TOKEN={TOKEN}\nx = 1", (0, 1)),
        ("# %%\n%%component a --env DB_PASSWORD=hunter2\nx = 1", (0, 1)),
        (f"# %% step:a\n#| memory: 1G\n#| env: {{A: b, T: {TOKEN}}}\nx = 1", (0, 2)),
        (f"# %% step:a\n#| packages: ['git+https://bob:{PLANTED['gitlab']}@example.org/x']\nx = 1", (0, 1)),
        (f"# %%\n%%component a --if 'x' == '{TOKEN}'\nx = 1", (0, 1)),
        (f"# %% step:a env:TOKEN={TOKEN}\nx = 1", (0, None)),
        (f"# %% step:a\n!curl -H 'Authorization: Bearer {TOKEN}' x", (0, 1)),
    ],
    ids=[
        "code", "default", "annotated default", "preamble", "flag", "flag by its name", "option line", "packages",
        "condition", "tag", "shell",
    ],
)  # fmt: skip
def test_where_one_may_stand(text: str, place: tuple[int, int]) -> None:
    analysis = analysis_of(text)
    assert places(analysis) == [place]
    assert TOKEN not in str(found(analysis)[0])
    assert "hunter2" not in str(found(analysis)[0])


def test_in_metadata_and_in_the_description(tmp_path: Path) -> None:
    text = {"cell_type": "markdown", "metadata": {}, "source": f"Uses {TOKEN} to read."}
    analysis = analyzed(
        tmp_path,
        text,
        cell("x = 1", "step:a", kfp={"env": {"A": PLANTED["slack"]}}),
        kfp={"defaults": {"env": {"DB_PASSWORD": "hunter2"}}},
    )
    assert [(d.cell, d.step, d.message) for d in found(analysis)] == [
        (None, "a", "the option `env` DB_PASSWORD seems to hold a secret (Secret Keyword); it would be readable in the pipeline."),
        (None, None, "the pipeline's description seems to hold a secret (GitHub Token)."),
        (1, "a", "the option `env` A seems to hold a secret (Slack Token); it would be readable in the pipeline."),
    ]  # fmt: skip


def test_in_stored_outputs(tmp_path: Path) -> None:
    shown = {
        "output_type": "execute_result",
        "data": {"text/plain": ["one\n", f"'{TOKEN}'"], "image/png": "AKIA"},
    }
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "nothing"},
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n", PLANTED["aws access key"]]},
        shown,
        {"output_type": "error", "ename": "E", "evalue": "x", "traceback": [f"\x1b[0;31mE\x1b[0m: {TOKEN}"]},
    ]
    analysis = analyzed(tmp_path, cell("x = 1", "step:a", outputs=outputs))
    assert codes(analysis) == ["K310"] * 3
    assert [d.message.partition(" seems")[0] for d in found(analysis)] == [
        "line 2 of its output 3",
        "line 2 of its output 4",
        "line 3 of its output 2",
    ]
    assert {(d.cell, d.step) for d in found(analysis)} == {(0, "a")}
    assert "Clear the outputs of the cell" in found(analysis)[0].remedy


def test_other_kernels_have_them_too(tmp_path: Path) -> None:
    kernel = {"kernelspec": {"name": "bash", "language": "bash", "display_name": "Bash"}}
    analysis = analyzed(tmp_path, cell("echo 1\nexport DB_PASSWORD=hunter2"), **kernel)
    assert places(analysis) == [(0, 2)]
    let = analyzed(
        tmp_path, cell("export DB_PASSWORD=hunter2", kfp={"allow_secret": "of the demo"}), **kernel
    )
    assert found(let) == []


@pytest.mark.parametrize(
    "text",
    [
        f"# %% step:a\n#| allow_secret: of the public demo\nx = '{TOKEN}'",
        f"# %%\n%%component a --allow-secret 'of the demo' --env T={TOKEN}\nx = '{TOKEN}'",
        f"# %% step:a allow_secret:demo\nx = '{TOKEN}'",
        f"# %% parameters\n#| allow_secret: demo\ntoken: str = '{TOKEN}'\n# %% step:a\nx = token",
        f"# %% step:a\nx = '{TOKEN}'  # pragma: allowlist secret",
        f"# %% step:a\nx = 1\n# %% skip\ny = '{TOKEN}'",
    ],
    ids=["line", "flag", "tag", "parameters", "detect-secrets' own", "skipped"],
)
def test_what_is_let_through(text: str) -> None:
    assert codes(analysis_of(text)) == []


def test_only_the_cell_with_the_reason_is() -> None:
    analysis = analysis_of(f"# %% step:a\n#| allow_secret: demo\nx = '{TOKEN}'\n# %%\ny = '{TOKEN}'")
    assert places(analysis) == [(1, 1)]


@pytest.mark.parametrize("line", ["#| allow_secret: true", "#| allow_secret: ''", "#| allow_secret: [a]"])
def test_a_reason_is_needed(line: str) -> None:
    analysis = analysis_of(f"# %% step:a\n{line}\nx = '{TOKEN}'")
    assert "K102" in codes(analysis)
    assert "needs the reason why" in str(next(d for d in analysis.diagnostics if d.code == "K102"))
    assert places(analysis) == [(0, 2)]


def test_reasons_for_names_in_the_notebooks_metadata(tmp_path: Path) -> None:
    cells = cell("x = 1", "step:a", kfp={"env": {"DB_PASSWORD": "hunter2", "API_KEY": "hunter3"}})
    analysis = analyzed(tmp_path, cells, kfp={"allow_secrets": {"DB_PASSWORD": "of the local database"}})
    assert ["API_KEY" in d.message for d in found(analysis)] == [True]
    wrong = analyzed(tmp_path, cells, kfp={"allow_secrets": {"DB_PASSWORD": ""}})
    assert [(d.code, "no mapping of reasons" in d.message) for d in found(wrong)] == [("K309", True)]


def test_a_baseline_beside_the_notebook(tmp_path: Path) -> None:
    import hashlib

    hashed = hashlib.sha1(TOKEN.encode()).hexdigest()
    baseline = {
        "results": {"nb.ipynb": [{"type": "GitHub Token", "hashed_secret": hashed, "line_number": 1}]}
    }
    (tmp_path / ".secrets.baseline").write_text(json.dumps(baseline))
    assert found(analyzed(tmp_path, cell(f"x = '{TOKEN}'", "step:a"))) == []
    (tmp_path / ".secrets.baseline").write_text("{}")
    assert codes(analyzed(tmp_path, cell("x = 1", "step:a"))) == ["K309"]


def test_a_secret_that_is_given_is_none(tmp_path: Path) -> None:
    source = (
        "%%component a --secret creds:password=DB_PASSWORD --outputs password_hash:str --labels password=none\n"
        "#| secret: ['api:key=API_KEY']\nimport os\npassword = os.environ['DB_PASSWORD']\npassword_hash = 'x' * 3"
    )
    assert found(analyzed(tmp_path, cell(source))) == []


def test_no_other_finding_of_the_line_quotes_it() -> None:
    text = f"# %% parameters\nn: int = '{TOKEN}'\n# %%\n%%component a --env {TOKEN} --memory {TOKEN}\nx = n"
    analysis = analysis_of(text)
    assert {"K302", "K306", "K102"} <= set(codes(analysis))
    assert [str(d) for d in analysis.diagnostics if TOKEN in str(d)] == []


def test_no_line_with_one_is_shown() -> None:
    source = f"x = undefined + '{TOKEN}'\ny = undefined"
    analysis = analysis_of(f"# %% step:a\n{source}")
    shown = plain(diagnostics_view(analysis.diagnostics, [source]))
    assert "K201" in shown
    assert "K306" in shown
    assert TOKEN not in shown
    assert "y = undefined" not in shown or "x = undefined" not in shown
