"""A notebook made for Kale in this package's own form: the same pipeline, without Kale's tags and metadata.

=======================================  ==============================================================
Kale                                     here
=======================================  ==============================================================
``block:NAME``, ``step:NAME``            ``step:NAME``
``prev:NAME``                            ``after:NAME``
``pipeline-parameters``                  ``parameters``
``pipeline-metrics``                     ``outputs``
``limit:``, ``image:``, ``cache:`` …     ``cell.metadata.kfp``
an untagged cell after one of            the tag of that cell: here only steps take untagged cells in
``imports``, ``functions``, parameters,
metrics
``notebook:NAME`` with ``notebook_path`` ``%%component NAME --notebook PATH``
``kubeflow_notebook`` metadata           ``notebook.metadata.kfp``
=======================================  ==============================================================

Pure: a document (nbformat, as JSON has it) in, a document out; cells keep everything else, outputs too.
"""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook import kale
from jupyter_kfp.notebook.header import read_header
from jupyter_kfp.notebook.spellings import Findings, Layer, Spelling, cell_metadata, notebook_metadata
from jupyter_kfp.options import StepOptions

_ROLES = {
    "pipeline-parameters": "parameters",
    "parameters": "parameters",
    "injected-parameters": "parameters",
    "pipeline-metrics": "outputs",
    "outputs": "outputs",
    "imports": "imports",
    "functions": "functions",
}
_STEPS = ("block:", "step:")
_AFTER = "prev:"
_REFERENCE = "notebook:"
_REPORT = "report:"


@dataclass(frozen=True, slots=True)
class Change:
    """What was written anew: in the cell ``cell`` (0-based), or in the notebook's metadata (None)."""

    cell: int | None
    old: str
    new: str

    def __str__(self) -> str:
        place = "notebook" if self.cell is None else f"cell {self.cell + 1}"
        return f"{place}: {self.old} → {self.new}"


@dataclass(frozen=True)
class Conversion:
    """The notebook in its new form, what was changed, and what has no counterpart."""

    document: dict[str, Any]
    changes: tuple[Change, ...]
    left_out: tuple[Diagnostic, ...]


def convert(document: Mapping[str, Any], name: str) -> Conversion:
    """``document`` without what is Kale's. ``name`` is what the pipeline is called where Kale's metadata does not say.

    The result has no changes if nothing in the notebook is Kale's. What Kale itself would not read (an
    incomplete tag) stays as it is, to be found by ``check``.
    """
    conversion = _Conversion(copy.deepcopy(dict(document)), name)
    return conversion.run()


@dataclass
class _Conversion:
    document: dict[str, Any]
    name: str
    findings: Findings = field(default_factory=Findings)
    changes: list[Change] = field(default_factory=list)

    def run(self) -> Conversion:
        metadata = self.document.setdefault("metadata", {})
        of_kale = kale.is_kale(metadata)
        self._notebook(metadata)
        last = ""  # the tag that untagged cells take over: "" from the beginning and after a step
        for index, cell in enumerate(self.document["cells"]):
            if cell.get("cell_type") == "code":
                last = self._cell(index, cell, last, of_kale=of_kale)
        return Conversion(self.document, tuple(self.changes), tuple(self.findings.items))

    # ------------------------------------------------------------------ metadata

    def _notebook(self, metadata: dict[str, Any]) -> None:
        present = [key for key in kale.KEYS if metadata.get(key) is not None]
        if not present:
            return
        own, defaults = kale.read_metadata(metadata, self.findings)
        nearer, near_defaults = notebook_metadata(metadata, self.findings)
        settings = {"name": self.name, **own, **nearer.model_dump(mode="json", exclude_unset=True)}
        merged = _joined(defaults.layer, near_defaults)
        metadata["kfp"] = {**settings, **({"defaults": merged} if merged else {})}
        for key in present:
            del metadata[key]
        self.changes.append(Change(None, f"metadata {', '.join(present)}", _kfp(metadata)))

    # --------------------------------------------------------------------- cells

    def _cell(self, index: int, cell: dict[str, Any], last: str, *, of_kale: bool) -> str:
        """Write one cell anew; gives the tag that the untagged cells after it take over."""
        metadata = cell.setdefault("metadata", {})
        old = [tag.strip() for tag in metadata.get("tags", [])]
        spelling = Spelling(Findings(), index)
        new = list(dict.fromkeys(self._tags(old, spelling, of_kale=of_kale)))
        role = next((tag for tag in new if tag in _ROLES.values()), "")
        references = [tag for tag in old if tag.startswith(_REFERENCE) and tag != _REFERENCE]
        reference = references[0] if references and of_kale else ""
        is_step = reference or any(tag.startswith("step:") for tag in new) or _header(cell) == "component"
        if of_kale and last and not (role or is_step or "skip" in new):
            new.append(last)
        if new != old:
            metadata["tags"] = new
        what = [_listed(new)]
        if spelling.layer.settings:
            options = _joined(cell_metadata(metadata, index, self.findings), spelling.layer)
            after = {k: v for k, v in _mapping(metadata.get("kfp")).items() if k == "after"}
            metadata["kfp"] = {**options, **after}
            what.append(_kfp(metadata))
        if reference:
            name = reference.removeprefix(_REFERENCE).strip()
            what.append(_refer(cell, name, str(metadata.pop("notebook_path", None) or name)))
        if new != old:
            self.changes.append(Change(index, _listed(old), "; ".join(what)))
        if "skip" in new:
            return last
        return role if role else "" if is_step else last

    def _tags(self, tags: list[str], spelling: Spelling, *, of_kale: bool) -> Iterator[str]:
        """The tags in the new form; options go into ``spelling`` instead.

        Own option tags go there, too, beside Kale's: of two that say the same thing the later one counts.
        """
        mixed = any(kale.read_tag(tag, Spelling(Findings(), None)) for tag in tags)
        for tag in tags:
            kind = next((kind for kind in _STEPS if tag.startswith(kind)), "")
            if tag in _ROLES:
                yield _ROLES[tag] if tag.startswith("pipeline-") else tag
            elif kind:
                # Kale's panel writes an empty name for a cell that belongs to the one before.
                if tag != kind or not of_kale:
                    yield f"step:{tag.removeprefix(kind).strip()}"
            elif tag.startswith(_AFTER) and tag != _AFTER:
                yield f"after:{tag.removeprefix(_AFTER).strip()}"
            elif tag.startswith(_REFERENCE) and tag != _REFERENCE and of_kale:
                continue
            elif not self._option(tag, spelling, mixed=mixed):
                yield tag

    def _option(self, tag: str, spelling: Spelling, *, mixed: bool) -> bool:
        """Take an option out of a tag; not one that is wrong, which stays to be found."""
        trial = Spelling(Findings(), spelling.cell)
        read = kale.read_tag(tag, trial) or (mixed and _own_option(tag, trial))
        if not read or any(d.code != "K120" for d in trial.findings.items):
            return False
        self.findings.items.extend(trial.findings.items)
        return tag.startswith(_REPORT) or kale.read_tag(tag, spelling) or _own_option(tag, spelling)


def _own_option(tag: str, spelling: Spelling) -> bool:
    kind, _, text = (part.strip() for part in tag.partition(":"))
    if not text or kind.replace("-", "_") not in StepOptions.model_fields:
        return False
    spelling.put(kind, text)
    return True


def _joined(*layers: Layer) -> dict[str, Any]:
    """Layers, the farthest first, as the metadata that says the same: lists and mappings joined, else the nearest."""
    joined: dict[str, Any] = {}
    for layer in layers:
        for name, setting in layer.settings.items():
            earlier, value = joined.get(name), setting.value
            if isinstance(earlier, dict) and isinstance(value, dict) and name != "affinity":
                value = {**earlier, **value}
            elif isinstance(earlier, tuple) and isinstance(value, tuple):
                value = tuple(dict.fromkeys((*earlier, *value)))
            joined[name] = value
    options = StepOptions.model_construct(_fields_set=set(joined), **joined)
    return options.model_dump(mode="json", exclude_unset=True)


def _refer(cell: dict[str, Any], name: str, path: str) -> str:
    """Begin the cell with the header that names another notebook."""
    header = f"%%component {name} --notebook {shlex.quote(path)}"
    source = f"{header}\n{_text(cell)}".rstrip("\n")
    cell["source"] = source.splitlines(keepends=True) if isinstance(cell.get("source"), list) else source
    return header


def _header(cell: Mapping[str, Any]) -> str:
    return read_header(_text(cell)).magic


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _kfp(metadata: Mapping[str, Any]) -> str:
    return f"kfp {json.dumps(metadata['kfp'], ensure_ascii=False)}"


def _listed(tags: list[str]) -> str:
    return f"tags {', '.join(tags)}" if tags else "no tags"
