"""Notebooks kept as text: scripts and Markdown files, read by jupytext.

======================  ===========================================================================
``.py``                 a script with cells: percent (``# %%``), hydrogen, light (``# +``), sphinx
``.md``, ``.markdown``  jupytext's Markdown (fenced ``python`` blocks) or MyST (``{code-cell}``)
``.Rmd``                R Markdown with Python chunks
======================  ===========================================================================

Tags and metadata are those jupytext reads (``# %% tags=["step:train"]``), lines that it comments out as
magics (``# %%component train``) are cells' magics again. What jupytext passes over in silence is an
error here: metadata it cannot read, a header that is no YAML, a script in which nothing marks a cell.

jupytext is imported only for such a file: it costs more than the whole analysis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_kfp.errors import NotebookError

# As jupytext spells them; a file may write them in any case.
_EXTENSIONS = {".py": ".py", ".md": ".md", ".markdown": ".markdown", ".rmd": ".Rmd"}
_MARKS_LIGHT_CELL = re.compile(r"^#\s*\+", re.MULTILINE)
# What jupytext keeps of metadata that it could not read.
_UNREAD = "incorrectly_encoded_metadata"
_HEADER_KEYS = ("jupyter", "kernelspec", "kfp", "kubeflow_notebook")


def is_text(path: Path) -> bool:
    """Whether the name of a file says that it is a notebook in text."""
    return path.suffix.lower() in _EXTENSIONS


def read_text(text: str, suffix: str, where: str) -> tuple[dict[str, Any], tuple[int | None, ...]]:
    """The notebook in ``text`` as an nbformat document, and each cell's first line in the file (1-based).

    That line is None for cells other than code, and where the source is not found as it stands. Raises
    NotebookError, naming the file as ``where``.
    """
    import jupytext
    from nbformat import ValidationError

    extension = _EXTENSIONS[suffix.lower()]
    try:
        document: dict[str, Any] = jupytext.reads(text, fmt={"extension": extension})
    except ValidationError as error:
        message, remedy = error.message, 'Write for instance tags=["step:train"].'
        raise NotebookError(f"{where}: metadata of a cell is wrong: {message}.", remedy) from None
    except Exception as error:  # noqa: BLE001 - each format has errors of its own; the text is at fault
        remedy = f"Correct it until `jupytext --to ipynb {Path(where).name}` can read it."
        raise NotebookError(f"{where} cannot be read as a notebook: {_one_line(error)}.", remedy) from None
    _check_header(document, where)
    _check_cells(document, text, extension, where)
    starts = tuple(_starts(document["cells"], text.splitlines()))
    _check_metadata(document["cells"], starts, where)
    return document, starts


def paired_files(path: Path, metadata: Mapping[str, Any]) -> tuple[Path, ...]:
    """The other files of the pair that the notebook's ``jupytext.formats`` declares, those there are."""
    own = metadata.get("jupytext")
    formats = own.get("formats") if isinstance(own, Mapping) else None
    if not formats or not isinstance(formats, str):
        return ()
    from jupytext.formats import long_form_multiple_formats
    from jupytext.paired_paths import InconsistentPath, find_base_path_and_format, paired_paths

    try:
        known = long_form_multiple_formats(formats, metadata)
        _, this = find_base_path_and_format(str(path), known)
        paths = [Path(other) for other, _ in paired_paths(str(path), this, known)]
    except (InconsistentPath, ValueError):
        return ()  # renamed or moved out of its pair
    return tuple(other for other in paths if other != path and other.is_file())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _check_header(document: Mapping[str, Any], where: str) -> None:
    """Refuse a header that was meant for Jupyter and became a raw cell, its settings lost."""
    first = document["cells"][0] if document["cells"] else {}
    source = first.get("source", "").strip()
    if first.get("cell_type") != "raw" or not (source.startswith("---") and source.endswith("---")):
        return
    import yaml

    try:
        content = yaml.safe_load(source.strip("-"))
    except yaml.YAMLError as error:
        raise NotebookError(
            f"{where}: the header is not YAML: {_one_line(error)}.",
            "Correct the lines between the two `---`.",
        ) from None
    meant = [key for key in _HEADER_KEYS if isinstance(content, dict) and key in content]
    if meant:
        raise NotebookError(
            f"{where}: `{meant[0]}` in the header does not count where it stands.",
            "Write it below `jupyter:`, indented by two blanks.",
        )


def _check_cells(document: Mapping[str, Any], text: str, extension: str, where: str) -> None:
    """Refuse a file without code, and a plain script, which jupytext cuts into cells at its blank lines."""
    if not any(cell["cell_type"] == "code" and cell["source"].strip() for cell in document["cells"]):
        remedy = (
            'Begin each cell with a line `# %% tags=["step:NAME"]` and write its code below.'
            if extension == ".py"
            else 'Write the code in blocks: ```python tags=["step:NAME"], or MyST\'s ```{code-cell}.'
        )
        raise NotebookError(f"{where} has no cells of code.", remedy)
    written = document["metadata"].get("jupytext", {}).get("text_representation", {})
    declared = "format_version" in written
    if written.get("format_name") == "light" and not declared and not _MARKS_LIGHT_CELL.search(text):
        raise NotebookError(
            f"{where} is a script without cells.",
            'Begin each cell with a line `# %%`, a step for instance with `# %% tags=["step:train"]`.',
        )


def _check_metadata(cells: Sequence[Mapping[str, Any]], starts: Sequence[int | None], where: str) -> None:
    for index, (cell, start) in enumerate(zip(cells, starts, strict=True)):
        if _UNREAD in cell["metadata"]:
            line = f" (before line {start})" if start else ""
            raise NotebookError(
                f"{where}, cell {index + 1}{line}: the options `{cell['metadata'][_UNREAD]}` cannot be read.",
                'Write them as NAME=JSON: tags=["step:train", "after:load"] kfp={"memory": "8G"}.',
            )


def _starts(cells: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> Iterator[int | None]:
    """Where each code cell's source stands in the file; jupytext does not tell.

    Cells keep their order and code its lines, but for magics, which are commented out in the file.
    """
    at = 0
    for cell in cells:
        source = cell["source"].split("\n") if cell["cell_type"] == "code" else []
        found = _find(source, lines, at)
        # A fenced block of another language: its fence became the cell's first line, `%%bash`.
        fenced = (
            _find(source[1:], lines, at) if found is None and source[:1] and source[0][:2] == "%%" else None
        )
        found = fenced - 1 if fenced else found
        yield None if found is None else found + 1
        at = at if found is None else found + len(source)


def _find(source: Sequence[str], lines: Sequence[str], start: int) -> int | None:
    if not any(source):
        return None
    return next((i for i in range(start, len(lines) - len(source) + 1) if _stands(source, lines, i)), None)


def _stands(source: Sequence[str], lines: Sequence[str], at: int) -> bool:
    return all(
        written == line or written.lstrip().removeprefix("#").strip() == line.strip()
        for line, written in zip(source, lines[at : at + len(source)], strict=True)
    )
