"""Credentials in a notebook: in what travels in the pipeline (code, options, description), and in its stored outputs.

Let through is, each with its reason: a cell with ``#| allow_secret: REASON`` (or ``--allow-secret``, or the same in the
cell's ``kfp`` metadata); names of variables, and SHA-1 hashes, in the notebook's ``kfp`` metadata
(``allow_secrets: {NAME: REASON}``); what detect-secrets' baseline ``.secrets.baseline`` beside the notebook knows; lines
with detect-secrets' mark ``pragma: allowlist secret``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from jupyter_kfp.credentials import CODE, Credential, find, find_value
from jupyter_kfp.credentials import allowed as allowing
from jupyter_kfp.errors import Diagnostic, UsageError
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.header import read_header
from jupyter_kfp.notebook.source import Cell, Notebook
from jupyter_kfp.options import StepOptions

ALLOW = "allow_secrets"
"""The key of the notebook's ``kfp`` metadata."""

_QUOTED = re.compile(r"(['\"]).*\1")
# They name what is kept elsewhere.
_NAMES_ONLY = frozenset({"secret", "configmap", "image_pull_secret", "outputs"})


@dataclass(frozen=True, slots=True)
class Owner:
    """A step: its options, and the indices of its cells."""

    step: str
    options: StepOptions
    cells: tuple[int, ...]


def check_secrets(
    notebook: Notebook, owners: Sequence[Owner], allowed: Mapping[int, str], description: str = ""
) -> Iterator[Diagnostic]:
    """Everything that looks like a credential. ``allowed``: reasons by the index of a cell that may hold some."""
    try:
        search = _Search(notebook, owners, _reasons(notebook))
    except UsageError as error:
        yield diagnostic("K309", error.message, problem=error.remedy)
        return
    for cell in notebook.cells:
        if cell.kind == "code" and "skip" not in cell.tags and cell.index not in allowed:
            yield from search.sources(cell)
            yield from search.outputs(cell)
    for owner in owners:
        if not any(cell in allowed for cell in owner.cells):
            yield from search.options(owner)
    for found in search.new(find(description)):
        yield diagnostic(CODE, f"the pipeline's description seems to hold a secret ({found.kind}).")


def discreet(found: Collection[Diagnostic]) -> Iterator[Diagnostic]:
    """The findings, with none that quotes something of a line on which there seems to be a secret."""
    places = {(each.cell, each.line) for each in found if each.code == CODE}
    for each in found:
        is_about_it = each.code == CODE or (each.cell, each.line) not in places
        yield each if is_about_it else replace(each, message=_QUOTED.sub("'****'", each.message))


def _reasons(notebook: Notebook) -> dict[str, str]:
    """Reasons by name or hash. Raises UsageError where they cannot be read, or one is missing."""
    known = allowing.of_environment()
    if notebook.directory is not None:
        known |= dict.fromkeys(allowing.of_baseline(notebook.directory, notebook.name), allowing.BASELINE)
    given = notebook.metadata.get("kfp")
    given = given.get(ALLOW) if isinstance(given, Mapping) else None
    if given is None:
        return known
    if not isinstance(given, Mapping) or not all(isinstance(r, str) and r.strip() for r in given.values()):
        raise UsageError(
            f"notebook.metadata.kfp.{ALLOW} is no mapping of reasons.", 'Write {"NAME": "the reason why"}.'
        )
    return known | {str(name): reason for name, reason in given.items()}


class _Search:
    """One notebook, and what is let through in it."""

    def __init__(self, notebook: Notebook, owners: Sequence[Owner], reasons: Mapping[str, str]) -> None:
        self._cells = {cell.index: cell for cell in notebook.cells}
        self._reasons = reasons
        self._steps = {index: owner.step for owner in owners for index in owner.cells}
        self._places: set[tuple[int, int]] = set()

    def new(self, found: Iterable[Credential], name: str = "") -> Iterator[Credential]:
        """Those that are not let through."""
        return (each for each in found if not allowing.allows(self._reasons, each, name))

    def sources(self, cell: Cell) -> Iterator[Diagnostic]:
        """In the code, and in its header, whose options are looked at as such."""
        code = read_header(cell.source).code
        pairs = zip(cell.source.split("\n"), code.split("\n"), strict=True)
        header = "\n".join("" if line == of_code else line for line, of_code in pairs)
        for found in self.new(chain(find(code), find(header, names=False))):
            self._places.add((cell.index, found.line))
            yield diagnostic(
                CODE,
                f"this line seems to hold a secret ({found.kind}); it would be readable in the pipeline.",
                cell=cell.index,
                line=found.line,
                step=self._steps.get(cell.index),
            )

    def outputs(self, cell: Cell) -> Iterator[Diagnostic]:
        """In what the cell has printed and shown; the first of each output."""
        for number, text in enumerate(map(_text, cell.outputs), start=1):
            found = next(self.new(find(text)), None)
            if found is not None:
                yield diagnostic(
                    "K310",
                    f"line {found.line} of its output {number} seems to hold a secret ({found.kind}), which is saved "
                    "in the notebook.",
                    cell=cell.index,
                    step=self._steps.get(cell.index),
                )

    def options(self, owner: Owner) -> Iterator[Diagnostic]:
        """In the options of a step, wherever they are written."""
        for option in sorted(owner.options.model_fields_set - _NAMES_ONLY):
            value = getattr(owner.options, option)
            named = value if isinstance(value, Mapping) else {"": value}
            for name, item in named.items():
                plain = _plain(item)
                found = find_value(str(name) if option == "env" else "value", plain)
                if found is None or allowing.allows(self._reasons, found, str(name)):
                    continue
                cell, line = self._place(owner, plain)
                if cell is None or line is None or (cell, line) not in self._places:
                    what = f"`{option}`{f' {name}' if name else ''}"
                    yield diagnostic(
                        CODE,
                        f"the option {what} seems to hold a secret ({found.kind}); it would be readable in the pipeline.",
                        cell=cell,
                        line=line,
                        step=owner.step,
                    )

    def _place(self, owner: Owner, value: Any) -> tuple[int | None, int | None]:
        """The cell and the line an option's value stands in; none for metadata of the notebook."""
        texts = list(_texts(value))
        for index in owner.cells:
            for number, line in enumerate(self._cells[index].source.split("\n"), start=1):
                if any(text in line for text in texts):
                    return index, number
            elsewhere = list(_texts([self._cells[index].metadata, list(self._cells[index].tags)]))
            if any(text in other for text in texts for other in elsewhere):
                return index, None
        return None, None


def _plain(value: Any) -> Any:
    """An option's value as JSON would have it."""
    match value:
        case tuple() | list():
            return [_plain(item) for item in value]
        case _ if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        case _:
            return value


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str() if value:
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


def _text(output: Mapping[str, Any]) -> str:
    """What a stored output says: printed text, texts of its display, an error with its traceback."""
    data = output.get("data")
    shown = data.items() if isinstance(data, Mapping) else ()
    parts = [output.get("text"), output.get("evalue"), output.get("traceback")]
    parts += [
        value for kind, value in shown if str(kind).startswith("text/") or str(kind) == "application/json"
    ]
    return "\n".join(_joined(part) for part in parts if part)


def _joined(part: Any) -> str:
    # nbformat writes a text as a list of its lines, each with its end.
    return "".join(map(str, part)) if isinstance(part, list) else str(part)
