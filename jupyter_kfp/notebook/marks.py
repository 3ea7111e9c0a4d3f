"""What is written on a cell: its roles, its options and what its step waits for.

The tags and the codes of what can be wrong are listed in :mod:`jupyter_kfp.notebook.roles`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from enum import Enum

from jupyter_kfp.notebook import kale
from jupyter_kfp.notebook.control import CellControl, read_control
from jupyter_kfp.notebook.header import Header, read_flags, read_options
from jupyter_kfp.notebook.source import Cell
from jupyter_kfp.notebook.spellings import ALLOW_SECRET, Findings, Layer, Spelling, cell_metadata
from jupyter_kfp.options import StepOptions


class Role(str, Enum):
    """What a code cell is to the pipeline."""

    PARAMETERS = "parameters"
    PREAMBLE = "imports"
    OUTPUTS = "outputs"
    STEP = "step"
    DSL = "%%pipeline"
    SKIP = "skip"


_ROLE_TAGS = {
    "parameters": Role.PARAMETERS,
    "pipeline-parameters": Role.PARAMETERS,
    "injected-parameters": Role.PARAMETERS,
    "imports": Role.PREAMBLE,
    "functions": Role.PREAMBLE,
    "outputs": Role.OUTPUTS,
    "pipeline-metrics": Role.OUTPUTS,
    "skip": Role.SKIP,
}
_STEP_TAGS = ("step", "block")
_AFTER_TAGS = ("after", "prev")
_OPTION_KINDS = (*_AFTER_TAGS, ALLOW_SECRET, *kale.TAG_KINDS, *StepOptions.model_fields)


@dataclass
class Marks:
    """A code cell with what is written on it: roles as (role, step name), layers from far to near."""

    cell: Cell
    header: Header
    roles: dict[tuple[Role, str], int | None]
    layers: list[Layer]
    control: CellControl = field(default_factory=CellControl)


def read_marks(cell: Cell, header: Header, findings: Findings, *, of_kale: bool) -> Marks:
    """Everything that is written on ``cell``; ``of_kale``: the notebook was made for Kale."""
    reader = _Reader(cell, header, findings, of_kale)
    return reader.read()


@dataclass
class _Reader:
    cell: Cell
    header: Header
    findings: Findings
    kale: bool
    notebook: str = ""

    def read(self) -> Marks:
        cell, header = self.cell, self.header
        roles: dict[tuple[Role, str], int | None] = {}
        tags = Spelling(self.findings, cell.index)
        for tag in cell.tags:
            self._tag(tag, cell, roles, tags)
        layers = [cell_metadata(cell.metadata, cell.index, self.findings), tags.layer]
        layers.append(read_options(header, cell.index, self.findings))
        control = CellControl(notebook=self.notebook)
        if header.magic == "component":
            name, flags, controls = read_flags(header, cell.index, self.findings)
            layers.append(flags)
            roles[Role.STEP, name] = header.line
            control = read_control(controls, cell.index, self.findings) or control
        elif header.magic == "pipeline":
            roles[Role.DSL, ""] = header.line
            if header.flags:
                message, remedy = f"`{header.flags}` after %%pipeline is no option.", "Remove it."
                self.findings.error("K104", message, remedy, cell.index, header.line)
        return Marks(cell, header, roles, layers, control)

    def _tag(
        self, tag: str, cell: Cell, roles: dict[tuple[Role, str], int | None], spelling: Spelling
    ) -> None:
        kind, colon, text = (part.strip() for part in tag.partition(":"))
        if tag in _ROLE_TAGS:
            roles[_ROLE_TAGS[tag], ""] = None
        elif colon and kind in _STEP_TAGS:
            # Kale's panel writes an empty name for a cell that belongs to the one before.
            if text or not self.kale:
                roles[Role.STEP, text] = None
        elif text and kind in _AFTER_TAGS:
            spelling.put("after", text)
        elif text and kind == "notebook" and self.kale:
            # Kale keeps the path in the cell's metadata.
            roles[Role.STEP, text] = None
            self.notebook = str(cell.metadata.get("notebook_path") or text)
        elif kale.read_tag(tag, spelling):
            return
        elif colon and kind.replace("-", "_") in _OPTION_KINDS:
            if text:
                spelling.put(kind, text)
            else:
                message, remedy = f"The tag `{tag}` has no value.", f"Write `{kind}:VALUE`."
                self.findings.error("K102", message, remedy, cell.index)
        else:
            self._misspelt(tag, kind, bool(colon), cell)

    def _misspelt(self, tag: str, kind: str, colon: bool, cell: Cell) -> None:
        known = [*_STEP_TAGS, *_OPTION_KINDS] if colon else list(_ROLE_TAGS)
        close = difflib.get_close_matches(kind, known, 1, cutoff=0.75 if colon else 0.85)
        if close:
            self.findings.warning(
                "K109",
                f"The tag `{tag}` is unknown and does not count.",
                f"Did you mean `{close[0]}`?",
                cell.index,
            )
