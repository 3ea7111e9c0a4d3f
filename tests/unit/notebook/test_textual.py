"""Notebooks kept as text: the same pipeline as the same cells in a notebook file."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import nbformat
import pytest

from jupyter_kfp.api import load
from jupyter_kfp.compiler import provenance
from jupyter_kfp.errors import Diagnostic, DiagnosticsError, NotebookError, Severity
from jupyter_kfp.notebook.source import read_notebook

SCRIPT = """\
# ---
# jupyter:
#   kfp:
#     name: from-text
# ---

# %% [markdown]
# # Title

# %% tags=["parameters"]
n: int = 3

# %% tags=["step:load"] kfp={"memory": "1G"}
xs = [n] * 2
# %time ys = xs

# %%
# %%component train --memory 8G
#| cpu: 2
total: int = sum(xs)

# %% tags=["outputs"]
total
"""
MARKDOWN = """\
---
jupyter:
  kfp:
    name: from-text
---

# Title

```python tags=["parameters"]
n: int = 3
```

```python tags=["step:load"] kfp={"memory": "1G"}
xs = [n] * 2
%time ys = xs
```

```python
%%component train --memory 8G
#| cpu: 2
total: int = sum(xs)
```

```python tags=["outputs"]
total
```
"""
MYST = """\
---
kernelspec:
  name: python3
  display_name: Python 3
kfp:
  name: from-text
---

# Title

```{code-cell} ipython3
:tags: [parameters]

n: int = 3
```

```{code-cell} ipython3
---
tags: [step:load]
kfp:
  memory: 1G
---
xs = [n] * 2
%time ys = xs
```

```{code-cell} ipython3
%%component train --memory 8G
#| cpu: 2
total: int = sum(xs)
```

```{code-cell} ipython3
:tags: [outputs]

total
```
"""
LIGHT = """\
# + tags=["step:load"]
x = 1

y = 2
# +
# %%component train
z = x + y
"""
TEXTS = {"percent.py": SCRIPT, "fenced.md": MARKDOWN, "myst.md": MYST}


def written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def as_ipynb(path: Path, text: str) -> Path:
    nbformat.write(jupytext.reads(text, fmt={"extension": path.suffix}), path.with_suffix(".ipynb"))
    return path.with_suffix(".ipynb")


@pytest.mark.parametrize("name", TEXTS)
def test_tags_metadata_and_magics_arrive(name: str, tmp_path: Path) -> None:
    notebook = read_notebook(written(tmp_path, name, TEXTS[name]))
    assert (notebook.name, notebook.directory) == (name.split(".", maxsplit=1)[0], tmp_path)
    assert notebook.metadata["kfp"] == {"name": "from-text"}
    code = [cell for cell in notebook.cells if cell.kind == "code"]
    assert [cell.tags for cell in code] == [("parameters",), ("step:load",), (), ("outputs",)]
    assert code[1].metadata["kfp"] == {"memory": "1G"}
    assert code[1].source.endswith("\n%time ys = xs")
    assert code[2].source.startswith("%%component train --memory 8G\n#| cpu: 2\n")


def test_a_light_script_with_marked_cells(tmp_path: Path) -> None:
    cells = read_notebook(written(tmp_path, "a.py", LIGHT)).cells
    assert [(c.tags, c.source) for c in cells] == [
        (("step:load",), "x = 1\n\ny = 2"),
        ((), "%%component train\nz = x + y"),
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_text_and_notebook_compile_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, name, TEXTS[name])
    twin = as_ipynb(path, TEXTS[name])
    assert load(path).compile() == load(twin).compile()
    assert read_notebook(path).sha256 == read_notebook(twin).sha256
    assert provenance.notebook_digest(path) == provenance.notebook_digest(twin) is not None


@pytest.mark.parametrize("format_", ["py:percent", "py:light", "md", "md:myst", "Rmd"])
def test_the_quickstart_in_every_format(format_: str, tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "notebooks" / "quickstart.ipynb"
    document = nbformat.read(source, as_version=4)
    document.metadata["jupytext"] = {"notebook_metadata_filter": "kfp,kernelspec"}
    text = jupytext.writes(document, fmt=format_)
    path = written(tmp_path, f"quickstart.{format_.split(':', maxsplit=1)[0]}", text)
    assert load(path).compile() == load(source).compile()


@pytest.mark.parametrize("name", TEXTS)
def test_findings_name_the_line_of_the_file(name: str, tmp_path: Path) -> None:
    text = TEXTS[name].replace("sum(xs)", "sum(nobody)")
    (found,) = [d for d in load(written(tmp_path, name, text)).check() if d.severity is Severity.ERROR]
    assert found.code == "K201"
    assert text.splitlines()[(found.file_line or 0) - 1] == "total: int = sum(nobody)"
    assert found.place == f"cell 4, line 3 (line {found.file_line} of the file)"


def test_what_only_compiling_finds_names_the_line_too(tmp_path: Path) -> None:
    text = '# %% tags=["step:a"]\nx = 1\n\n# %% tags=["step:b"]\n#| image: "{{x}}"\ny = 2\n'
    path = written(tmp_path, "a.py", text)
    with pytest.raises(DiagnosticsError) as raised:
        load(path).compile()
    expected = [("kfp-option", 5)]
    assert [(d.code, d.file_line) for d in raised.value.diagnostics] == expected
    assert [(d.code, d.file_line) for d in load(path).check()] == expected


def test_a_block_of_another_language_keeps_its_lines(tmp_path: Path) -> None:
    text = "# T\n\n```bash\nls\n```\n\n```python\nx = 1\n```\n"
    notebook = read_notebook(written(tmp_path, "a.md", text))
    assert [(c.source, c.start) for c in notebook.cells] == [("# T", None), ("%%bash\nls", 3), ("x = 1", 8)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "import os\n\nx = 1\n", "is a script without cells"),
        ("a.py", "", "has no cells of code"),
        ("a.py", "# %% [markdown]\n# text\n", "has no cells of code"),
        ("a.md", "# Title\n\nWords, and\n\n```yaml\na: 1\n```\n", "has no cells of code"),
        ("a.md", "```{code-cell} ipython3\n:tags: [step:a\n\nx = 1\n```\n", "cannot be read as a notebook"),
        ("a.py", '# %%\nx = 1\n\n# %% tags=["step:a]\ny = 1\n', "cell 2 (before line 5): the options"),
        ("a.py", "# %% tags='step:a'\nx = 1\n", "metadata of a cell is wrong"),
        ("a.py", "# ---\n# jupyter: [\n# ---\n\n# %%\nx = 1\n", "the header is not YAML"),
        ("a.py", "# ---\n# kfp:\n#   name: x\n# ---\n\n# %%\nx = 1\n", "`kfp` in the header does not count"),
        (
            "a.md",
            "---\njupyter:\n  kernelspec: {name: sas, language: sas, display_name: SAS}\n---\n\n```sas\nx\n```\n",
            "language sas",
        ),
    ],
)
def test_what_jupytext_would_pass_over_is_an_error(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(NotebookError) as raised:
        read_notebook(written(tmp_path, name, text))
    assert message in raised.value.message
    assert raised.value.remedy


def test_another_header_stays_a_raw_cell(tmp_path: Path) -> None:
    notebook = read_notebook(written(tmp_path, "a.py", "# ---\n# title: T\n# ---\n\n# %%\nx = 1\n"))
    assert [c.kind for c in notebook.cells] == ["raw", "code"]


# ---------------------------------------------------------------------- pairs


def pair(directory: Path, **filters: str) -> tuple[Path, Path]:
    """An .ipynb and a script that jupytext keeps as a pair."""
    document = nbformat.v4.new_notebook(
        metadata={"kfp": {"name": "p"}, "jupytext": {"formats": "ipynb,py:percent", **filters}}
    )
    document.cells = [nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["step:a"]})]
    notebook, script = directory / "a.ipynb", directory / "a.py"
    nbformat.write(document, notebook)
    script.write_text(jupytext.writes(document, fmt="py:percent"))
    return notebook, script


def of_pair(path: Path) -> list[Diagnostic]:
    return [d for d in load(path).check() if d.code == "K140"]


def test_a_pair_in_step_is_fine(tmp_path: Path) -> None:
    notebook, script = pair(tmp_path, notebook_metadata_filter="kfp")
    assert of_pair(notebook) == of_pair(script) == []
    assert load(notebook).compile() == load(script).compile()


def test_the_named_file_of_a_pair_counts_and_a_difference_is_said(tmp_path: Path) -> None:
    notebook, script = pair(tmp_path, notebook_metadata_filter="kfp")
    script.write_text(script.read_text().replace("x = 1", "x = 2"))
    assert read_notebook(script).cells[0].source == "x = 2"
    for path, other in [(notebook, script), (script, notebook)]:
        (found,) = of_pair(path)
        assert found.severity is Severity.WARNING
        assert path.name in found.message
        assert f"paired with {other.name}, which has other cells" in found.message
        assert "jupytext --sync" in found.remedy


def test_metadata_that_the_pair_does_not_keep_is_said(tmp_path: Path) -> None:
    # jupytext leaves `kfp` of the notebook out of the script unless it is told.
    notebook, script = pair(tmp_path)
    assert "kfp" not in script.read_text()
    assert ["other metadata" in d.message for d in of_pair(notebook) + of_pair(script)] == [True, True]


def test_executing_one_of_a_pair_changes_nothing(tmp_path: Path) -> None:
    notebook, script = pair(tmp_path, notebook_metadata_filter="kfp")
    document = json.loads(notebook.read_text())
    document["cells"][0] |= {
        "execution_count": 1,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
    }
    notebook.write_text(json.dumps(document))
    assert of_pair(script) == []


def test_a_pair_that_was_moved_apart_is_no_pair(tmp_path: Path) -> None:
    _, script = pair(tmp_path, notebook_metadata_filter="kfp")
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    assert of_pair(script.rename(alone / "renamed.py")) == []
