"""A notebook file as values: cells with their source, tags and metadata, checked while reading.

nbformat is not imported (it costs more than the whole analysis): the format is small, and the checks
here say in one sentence what is wrong with a file and what to do about it. Notebooks kept as text
(scripts, Markdown) are read by :mod:`jupyter_kfp.notebook.textual` first.

====  ===============================================================================
K140  (warning) a file that jupytext pairs with another one, which says something else
====  ===============================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from jupyter_kfp.errors import Diagnostic, NotebookError, Severity
from jupyter_kfp.notebook.textual import is_text, paired_files, read_text
from jupyter_kfp.pipeline import Kernel

CellKind: TypeAlias = Literal["code", "markdown", "raw"]

_KINDS = ("code", "markdown", "raw")
# Metadata that can change the pipeline; widgets' state, kernel versions and colours cannot.
_NOTEBOOK_KEYS = ("kfp", "kubeflow_notebook", "kubeflow_noteobok")
_CELL_KEYS = ("kfp", "notebook_path")
_PYTHON = frozenset({"python", "python3", "ipython"})
# Languages papermill can hand parameters to: its name of each, and what their kernel is usually called.
_LANGUAGES = {
    "r": ("R", "ir"),
    "julia": ("julia", "julia"),
    "scala": ("scala", "scala"),
    "matlab": ("matlab", "matlab"),
    "bash": ("bash", "bash"),
}


@dataclass(frozen=True)
class Cell:
    """One cell. ``index`` is 0-based in the notebook, counting cells of every kind.

    ``start`` is the 1-based line of a text notebook's file where the source begins, if that is known.
    ``outputs`` are what a code cell has left, as nbformat has them; they are no part of the pipeline.
    """

    index: int
    kind: CellKind
    source: str
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    start: int | None = field(default=None, compare=False)
    outputs: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Notebook:
    """A notebook. ``name`` is the file's name without its suffix.

    ``sha256`` is of what matters to the pipeline (sources, tags, the metadata that is read), so it
    stays the same when a notebook is merely executed. ``directory`` is where the file stands, for
    files named in it (``-r requirements.txt``); None for a notebook that came as text. ``findings`` are
    about the file as a whole.
    """

    name: str
    cells: tuple[Cell, ...]
    metadata: Mapping[str, Any]
    sha256: str
    directory: Path | None = field(default=None, compare=False)
    findings: tuple[Diagnostic, ...] = field(default=(), compare=False)

    @property
    def kernel(self) -> Kernel | None:
        """The kernel, where it is not Python's."""
        language, name = _language(self.metadata)
        if language in _PYTHON:
            return None
        spelt, usual = _LANGUAGES[language]
        return Kernel(name or usual, spelt)

    def located(self, diagnostic: Diagnostic) -> Diagnostic:
        """``diagnostic`` with the line of the file it is about, where the notebook is a text."""
        if diagnostic.cell is None or not 0 <= diagnostic.cell < len(self.cells):
            return diagnostic
        start = self.cells[diagnostic.cell].start
        return replace(diagnostic, file_line=start + (diagnostic.line or 1) - 1) if start else diagnostic


def read_notebook(path: Path) -> Notebook:
    """Read the notebook at ``path``: JSON, or text as its name says. Raises NotebookError, which says what to do.

    Of notebooks that jupytext keeps in pairs the named file alone counts; a finding says where they differ.
    """
    notebook = _read(path)
    return replace(notebook, findings=tuple(_pair_findings(path, notebook)))


def _read(path: Path) -> Notebook:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NotebookError(f"{path} does not exist.", "Check the path of the notebook.") from None
    except IsADirectoryError:
        raise NotebookError(f"{path} is a directory.", "Name a notebook file (.ipynb) inside it.") from None
    except PermissionError:
        raise NotebookError(f"{path} may not be read.", f"Allow it, for instance: chmod u+r {path}") from None
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"{path} is not a notebook: byte {error.start + 1} is not UTF-8 text.",
            "Notebooks are JSON in UTF-8; save it again from Jupyter.",
        ) from None
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror or error}.", "Check the disk.") from None
    directory = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow links
    if is_text(path):
        document, starts = read_text(text, path.suffix, str(path))
        return _notebook(document, path.stem, str(path), directory, starts)
    return _parse(text, path.name.removesuffix(".ipynb"), str(path), directory)


def _pair_findings(path: Path, notebook: Notebook) -> Iterator[Diagnostic]:
    for other in paired_files(path, notebook.metadata):
        try:
            twin = _read(other)
        except NotebookError:
            continue  # it is not the file that was asked for
        ours, theirs = _content(notebook), _content(twin)
        if ours["cells"] != theirs["cells"]:
            what, remedy = "other cells", f"Bring them together with `jupytext --sync {path.name}`."
        elif ours["metadata"] != theirs["metadata"]:
            what = "other metadata of the notebook (`kfp`)"
            remedy = 'Keep it in both files: set {"notebook_metadata_filter": "kfp"} in its `jupytext` metadata, and sync.'
        else:
            continue
        message = f"{path.name} is paired with {other.name}, which has {what}; {path.name} is what counts."
        yield Diagnostic("K140", Severity.WARNING, message, remedy)


def _content(notebook: Notebook) -> dict[str, Any]:
    """What jupytext keeps the same in a pair, of what matters to the pipeline."""
    written = (cell for cell in notebook.cells if cell.kind == "code" and cell.source.strip())
    return {
        "metadata": {key: notebook.metadata[key] for key in _NOTEBOOK_KEYS if key in notebook.metadata},
        "cells": [
            (
                cell.source.strip(),
                cell.tags,
                [(k, cell.metadata[k]) for k in _CELL_KEYS if k in cell.metadata],
            )
            for cell in written
        ],
    }


def parse_notebook(text: str, name: str) -> Notebook:
    """The notebook in ``text`` (JSON), called ``name``. Raises NotebookError."""
    return _parse(text, name, name, None)


def _parse(text: str, name: str, where: str, directory: Path | None) -> Notebook:
    document = _json(text, where)
    _check_version(document, where)
    return _notebook(document, name, where, directory)


def _notebook(
    document: Mapping[str, Any],
    name: str,
    where: str,
    directory: Path | None,
    starts: Sequence[int | None] = (),
) -> Notebook:
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise NotebookError(f"{where}: the notebook's metadata is no mapping.", "Save it again from Jupyter.")
    _check_language(metadata, where)
    cells = tuple(_cell(index, value, where) for index, value in enumerate(document["cells"]))
    if starts:
        cells = tuple(replace(cell, start=start) for cell, start in zip(cells, starts, strict=True))
    return Notebook(name, cells, metadata, _fingerprint(cells, metadata), directory)


def _json(text: str, where: str) -> dict[str, Any]:
    if not text.strip():
        raise NotebookError(f"{where} is empty.", "Open and save it in Jupyter, or restore it.")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        # An error at the very end means that the rest is missing.
        if not text[error.pos :].strip() or error.msg.startswith("Unterminated string"):
            raise NotebookError(
                f"{where} is cut off: its JSON ends unfinished (line {error.lineno}).",
                "The file was not saved completely; restore it from a copy, from git or from .ipynb_checkpoints.",
            ) from None
        raise NotebookError(
            f"{where} is not a notebook: no JSON at line {error.lineno}, column {error.colno} ({error.msg}).",
            "Name an .ipynb file; after a git merge look for conflict marks (<<<<<<<) in it.",
        ) from None
    except (RecursionError, ValueError):  # brackets in brackets, or a number of thousands of digits
        raise NotebookError(
            f"{where} is not a notebook: no JSON to work with.", "Name an .ipynb file."
        ) from None
    if not isinstance(document, dict) or not ("nbformat" in document or "cells" in document):
        raise NotebookError(
            f"{where} is JSON, but not a notebook: it has neither nbformat nor cells.", "Name an .ipynb file."
        )
    return document


def _check_version(document: Mapping[str, Any], where: str) -> None:
    version = document.get("nbformat")
    if isinstance(version, bool) or not isinstance(version, int):
        raise NotebookError(f"{where} does not say its nbformat version.", "Open and save it in Jupyter.")
    if version < 4:
        raise NotebookError(
            f"{where} is in nbformat {version}; nbformat 4 is needed.",
            f"Convert it with `jupyter nbconvert --to notebook --inplace {where}`.",
        )
    if version > 4:
        raise NotebookError(
            f"{where} is in nbformat {version}, which is newer than this version knows (4).",
            "Upgrade jupyter_kfp, or save the notebook as nbformat 4.",
        )
    if not isinstance(document.get("cells"), list):
        raise NotebookError(f"{where} has no list of cells.", "Open and save it in Jupyter.")


def _language(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """The language of a notebook, in lower case, and the name of its kernel; one that says nothing is Python."""
    spec, info = metadata.get("kernelspec"), metadata.get("language_info")
    spec = spec if isinstance(spec, dict) else {}
    info = info if isinstance(info, dict) else {}
    text = metadata.get("jupytext")
    text = text if isinstance(text, dict) else {}
    language = spec.get("language") or info.get("name") or text.get("main_language")
    name = spec.get("name")
    name = name if isinstance(name, str) else ""
    # Kernels of Python say so in their name: python3, xpython, conda-env-x-py, pyspark.
    if language is None:
        language = "python" if "py" in (name or "python").lower() else "unknown"
    return str(language).lower(), name


def _check_language(metadata: Mapping[str, Any], where: str) -> None:
    """Refuse a notebook of a language to which papermill cannot hand parameters."""
    language, name = _language(metadata)
    if language in _PYTHON or language in _LANGUAGES:
        return
    spec = metadata.get("kernelspec")
    title = (spec.get("display_name") if isinstance(spec, dict) else None) or name or language
    raise NotebookError(
        f"{where} is for the kernel {title!r} (language {language}), which papermill cannot hand parameters to.",
        "Choose a kernel of Python, R, Julia, Scala, MATLAB or Bash in Jupyter (Kernel, Change Kernel) and save the notebook.",
    )


def _cell(index: int, value: object, where: str) -> Cell:
    place = f"{where}, cell {index + 1}"
    remedy = "Correct the cell in the file, or delete it and write it again in Jupyter."
    if not isinstance(value, dict):
        raise NotebookError(f"{place}: not a mapping.", remedy)
    kind = value.get("cell_type")
    if kind not in _KINDS:
        raise NotebookError(f"{place}: unknown cell_type {kind!r}.", "It is one of code, markdown and raw.")
    metadata = value.get("metadata", {})
    if not isinstance(metadata, dict):
        raise NotebookError(f"{place}: its metadata is no mapping.", remedy)
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise NotebookError(f"{place}: its tags are no list of texts.", 'Write "tags": ["step:NAME"].')
    clean = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    outputs = value.get("outputs")
    shown = tuple(each for each in outputs if isinstance(each, dict)) if isinstance(outputs, list) else ()
    source = _source(value.get("source"), place, remedy)
    return Cell(index, cast("CellKind", kind), source, clean, metadata, outputs=shown)


def _source(value: object, place: str, remedy: str) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "".join(value)
    if not isinstance(value, str):
        raise NotebookError(f"{place}: its source is no text.", remedy)
    # The line ends Python's tokenizer counts; others (form feed, U+2028) stay inside their line.
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _fingerprint(cells: tuple[Cell, ...], metadata: Mapping[str, Any]) -> str:
    content = {
        "metadata": {key: metadata[key] for key in _NOTEBOOK_KEYS if key in metadata},
        "cells": [
            [
                cell.kind,
                cell.source,
                cell.tags,
                {k: cell.metadata[k] for k in _CELL_KEYS if k in cell.metadata},
            ]
            for cell in cells
        ],
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
