"""The four spellings of options, all filling the one schema of :mod:`jupyter_kfp.options`.

From far to near, and the nearer wins (lists and mappings are joined):

1. ``notebook.metadata.kfp``: pipeline options (``name``, ``description``, ``experiment``, ``pipeline_root``,
   ``service_account``), and defaults of every step, under ``defaults`` or directly beside them;
2. ``cell.metadata.kfp``: a mapping of step options, what forms edit (empty values count as not given; lists and
   mappings may be texts of one item a line);
3. tags: Kale's (:mod:`jupyter_kfp.notebook.kale`), and ``OPTION:VALUE`` in the compact form;
4. ``#| OPTION: VALUE`` lines at the top of the cell, YAML as in Quarto and nbdev;
5. flags of ``%%component NAME``: ``--memory 8G``, ``--memory=8G``, ``--no-cache``; repeated for lists.

Option names may be written with ``-`` for ``_``. ``after`` names earlier steps in 2, 4 and 5.

====  =======================================================================================
K101  an unknown option
K102  a value an option cannot have
K103  ``#|`` lines that are no YAML mapping, or give an option twice
K104  flags that cannot be read: an open quote, a missing value, a stray word
K105  options that contradict each other, in one step or between two cells of it
K106  (warning) options on a cell that is no step, or ``#|`` lines that are not at its top
K107  control flow that cannot be read
K108  ``kfp`` metadata that is no mapping
K109  (warning) a tag that looks like a misspelt one
====  =======================================================================================
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.options import JOINED, PipelineOptions, StepOptions, merge

# What other tools and Kubernetes call our options.
_SYNONYMS = {
    "annotation": "annotations",
    "base_image": "image",
    "caching": "cache",
    "environment": "env",
    "gpus": "gpu",
    "label": "labels",
    "mem": "memory",
    "packages_to_install": "packages",
    "pip": "packages",
    "requirements": "packages",
    "retry": "retries",
    "toleration": "tolerations",
}
_AFTER = "after"
ALLOW_SECRET = "allow_secret"  # noqa: S105 (no secret: the option's name)


@dataclass
class Findings:
    """Diagnostics as they are found."""

    items: list[Diagnostic] = field(default_factory=list)

    def error(
        self,
        code: str,
        message: str,
        remedy: str,
        cell: int | None = None,
        line: int | None = None,
        *,
        step: str | None = None,
    ) -> None:
        """Note what stops compiling."""
        self.items.append(Diagnostic(code, Severity.ERROR, message, remedy, cell, line, step))

    def warning(
        self,
        code: str,
        message: str,
        remedy: str,
        cell: int | None = None,
        line: int | None = None,
        *,
        step: str | None = None,
    ) -> None:
        """Note what does not."""
        self.items.append(Diagnostic(code, Severity.WARNING, message, remedy, cell, line, step))


@dataclass(frozen=True, slots=True)
class Setting:
    """One checked value of an option and where it stands (None: in metadata or a tag)."""

    value: Any
    line: int | None = None


@dataclass
class Layer:
    """What one place says: checked values of step options, names of steps to wait for, why the cell may hold a secret."""

    settings: dict[str, Setting] = field(default_factory=dict)
    after: dict[str, int | None] = field(default_factory=dict)
    allow_secret: str = ""

    def options(self) -> StepOptions:
        """The settings as options, not yet checked against each other (other layers may complete them)."""
        values = {name: setting.value for name, setting in self.settings.items()}
        return StepOptions.model_construct(_fields_set=set(values), **values)


@dataclass
class Spelling:
    """Fills a layer from names and raw values, and reports what is wrong with them."""

    findings: Findings
    cell: int | None
    layer: Layer = field(default_factory=Layer)

    def put(self, name: str, raw: object, line: int | None = None, how: str = "") -> None:
        """Check and keep one option; a second value for a list or a mapping is joined to the first."""
        option = name.strip().replace("-", "_")
        if option == _AFTER:
            self.layer.after.update(dict.fromkeys(_names(raw), line))
            return
        if option == ALLOW_SECRET:
            self._allow_secret(raw, line)
            return
        if option not in StepOptions.model_fields:
            self.findings.error("K101", f"There is no option `{name}`.", suggest(option), self.cell, line)
            return
        try:
            # Affinity is the one option without a compact form: as a text it is JSON.
            value = _adapter(option).validate_python(
                json.loads(raw) if option == "affinity" and isinstance(raw, str) else raw
            )
        except (ValueError, TypeError, OverflowError, RecursionError) as error:  # checks meet any JSON value
            remedy = how or f"`{name}` is: {StepOptions.model_fields[option].description}"
            self.findings.error("K102", f"Option `{name}`: {readable(error, raw)}.", remedy, self.cell, line)
            return
        earlier = self.layer.settings.get(option)
        if earlier is not None and isinstance(value, dict):
            value = {**earlier.value, **value}
        elif earlier is not None and isinstance(value, tuple):
            value = (*earlier.value, *value)
        self.layer.settings[option] = Setting(value, line)

    def _allow_secret(self, raw: object, line: int | None) -> None:
        if self.cell is None or not isinstance(raw, str) or not raw.strip():
            message = (
                f"Option `{ALLOW_SECRET}` needs the reason why what looks like a secret in a cell is none."
            )
            remedy = f"Write for instance `#| {ALLOW_SECRET}: the key of a public demo` in the cell."
            self.findings.error("K102", message, remedy, self.cell, line)
            return
        self.layer.allow_secret = raw.strip()

    def put_all(self, values: object, where: str) -> None:
        """Keep a mapping of metadata; empty values are those a form was not filled in with."""
        if not isinstance(values, Mapping):
            self.findings.error(
                "K108",
                f"{where} is no mapping of options.",
                'Write for instance {"memory": "8G"}.',
                self.cell,
            )
            return
        for name, raw in values.items():
            if raw is not None and raw != "":
                for item in _items(str(name), raw):
                    self.put(str(name), item, how=f"It stands in {where}.")


def _items(name: str, raw: object) -> list[object]:
    """What a form writes of a list or a mapping: a text with one item a line, as flags or JSON objects have it."""
    if not isinstance(raw, str) or name.replace("-", "_") not in JOINED:
        return [raw]
    return [_item(line.strip()) for line in raw.splitlines() if line.strip()]


def _item(text: str) -> object:
    try:
        return json.loads(text) if text.startswith("{") else text
    except (ValueError, RecursionError):
        return text  # no option has such an item: its check says so


def _names(raw: object) -> list[str]:
    items = raw if isinstance(raw, list | tuple) else str(raw).split(",")
    return [name for item in items for name in str(item).split() if name]


@cache
def _adapter(option: str) -> TypeAdapter[Any]:
    """The check of one option alone: what contradicts another option may be completed by a nearer layer."""
    info = StepOptions.model_fields[option]
    annotation: Any = info.annotation
    for part in info.metadata:
        annotation = Annotated[annotation, part]
    return TypeAdapter(annotation)


def readable(error: Exception, raw: object = None) -> str:
    """The first problem of a pydantic error as half a sentence; for any other error, what was given."""
    if not isinstance(error, ValidationError):
        return f"{raw!r} is not JSON" if isinstance(error, json.JSONDecodeError) else f"it cannot be {raw!r}"
    first = error.errors(include_url=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "value_error":
        return message
    place = ".".join(str(part) for part in first["loc"])
    given = first.get("input", raw)
    return f"{place + ': ' if place else ''}{message[:1].lower()}{message[1:]}, not {given!r}"


def suggest(option: str) -> str:
    """A remedy for an unknown option: the one that was probably meant, else where they are listed."""
    names = [*StepOptions.model_fields, _AFTER]
    meant = _SYNONYMS.get(option) or next(iter(difflib.get_close_matches(option, names, 1)), "")
    return f"Did you mean `{meant}`?" if meant else f"The options are {', '.join(sorted(names))}."


def cell_metadata(metadata: Mapping[str, Any], cell: int, findings: Findings) -> Layer:
    """The options in ``cell.metadata.kfp``."""
    spelling = Spelling(findings, cell)
    if metadata.get("kfp") not in (None, ""):
        spelling.put_all(metadata["kfp"], "cell.metadata.kfp")
    return spelling.layer


def notebook_metadata(metadata: Mapping[str, Any], findings: Findings) -> tuple[PipelineOptions, Layer]:
    """The pipeline's options and the defaults of its steps, from ``notebook.metadata.kfp``."""
    spelling = Spelling(findings, None)
    given = metadata.get("kfp")
    if given is None:
        return PipelineOptions(), spelling.layer
    if not isinstance(given, Mapping):
        spelling.put_all(given, "notebook.metadata.kfp")
        return PipelineOptions(), spelling.layer
    own = {n: v for n, v in given.items() if n in PipelineOptions.model_fields and v is not None and v != ""}
    rest = {
        n: v
        for n, v in given.items()
        if n not in (*PipelineOptions.model_fields, "defaults", "allow_secrets")
    }
    spelling.put_all(rest, "notebook.metadata.kfp")
    if given.get("defaults") is not None:
        nearer = Spelling(findings, None)
        nearer.put_all(given["defaults"], "notebook.metadata.kfp.defaults")
        spelling.layer.settings.update(nearer.layer.settings)
    return pipeline_options(own, findings), spelling.layer


def pipeline_options(values: Mapping[str, Any], findings: Findings) -> PipelineOptions:
    """The options of the pipeline; wrong ones are reported and left out."""
    good = dict(values)
    try:
        return PipelineOptions.model_validate(good)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            name = str(problem["loc"][0])
            good.pop(name, None)
            message = f"Pipeline option `{name}`: {problem['msg'][:1].lower()}{problem['msg'][1:]}."
            findings.error("K102", message, "Correct it in notebook.metadata.kfp.")
    return PipelineOptions.model_validate(good)


@dataclass
class StepLayers:
    """The options of one step, cell by cell: within a cell the nearer wins, two cells must agree."""

    step: str
    findings: Findings
    _cells: list[StepOptions] = field(default_factory=list)
    _given: dict[tuple[str, str], tuple[object, int]] = field(default_factory=dict)

    def add(self, layers: Iterable[Layer], cell: int) -> None:
        """Add a cell's layers, the farthest first."""
        lines: dict[str, int | None] = {}
        joined: dict[str, Any] = {}
        for layer in layers:
            for option, setting in layer.settings.items():
                lines[option] = setting.line
                joined[option] = _join(joined.get(option), setting.value)
        for option, value in joined.items():
            parts = value.items() if isinstance(value, dict) and option != "affinity" else [("", value)]
            for key, part in parts if not isinstance(value, tuple) else ():
                earlier, other = self._given.setdefault((option, key), (part, cell))
                if earlier != part:
                    self.findings.error(
                        "K105",
                        f"Step {self.step!r}: option `{option}`{f' {key}' if key else ''} is {_show(part)} here "
                        f"and {_show(earlier)} in cell {other + 1}.",
                        "Say it once, or the same in every cell of the step.",
                        cell,
                        lines[option],
                        step=self.step,
                    )
        self._cells.append(StepOptions.model_construct(_fields_set=set(joined), **joined))

    def merged(self, *far: StepOptions, cell: int | None = None) -> StepOptions:
        """All cells' options over the ``far`` ones (the notebook's defaults)."""
        try:
            return merge(*far, *self._cells)
        except ValidationError as error:
            self.findings.error(
                "K105",
                f"Step {self.step!r}: {readable(error)}.",
                "Give both, or neither.",
                cell,
                step=self.step,
            )
            return StepOptions()


def _join(earlier: Any, value: Any) -> Any:
    if isinstance(earlier, dict) and isinstance(value, dict):
        return {**earlier, **value}
    if isinstance(earlier, tuple) and isinstance(value, tuple):
        return tuple(dict.fromkeys((*earlier, *value)))
    return value


def _show(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else repr(value)
