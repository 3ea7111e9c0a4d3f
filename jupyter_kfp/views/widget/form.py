"""The parameters of a pipeline as a form: a field each, of the parameter's type, checked as everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from jupyter_kfp.engine import parameters
from jupyter_kfp.engine.plan import ParameterKind, ParameterSpec

if TYPE_CHECKING:
    from jupyter_kfp.pipeline import Json


class ParameterForm(widgets.GridBox):
    """One row a parameter: its name, its field and its type."""

    def __init__(self, specs: Mapping[str, ParameterSpec], given: Mapping[str, Json] | None = None) -> None:
        """Show ``specs``; ``given`` are values to begin with, in place of the defaults."""
        self._specs = specs
        self._fields = {name: _field(name, spec, given or {}) for name, spec in specs.items()}
        rows = [
            cell
            for name, field in self._fields.items()
            for cell in (
                _text(f"<b>{escape(name)}</b>"),
                field,
                _text(_remark(specs[name])),
            )
        ]
        layout = widgets.Layout(
            grid_template_columns="max-content minmax(16em, 28em) 1fr", grid_gap="2px 10px", width="100%"
        )
        super().__init__(rows, layout=layout)

    def field(self, name: str) -> Any:
        """The field of a parameter."""
        return self._fields[name]

    def values(self) -> dict[str, Json]:
        """What the fields say, all parameters checked.

        Raises:
            UsageError: a text is not of its parameter's type, or a parameter without a default has no value.
        """
        given: dict[str, Any] = {}
        texts: dict[str, str] = {}
        for name, field in self._fields.items():
            if not isinstance(field, widgets.Text | widgets.Textarea):
                given[name] = field.value
            elif field.value or not _may_be_empty(self._specs[name]):
                texts[name] = field.value
        return parameters.validate(self._specs, given | parameters.from_texts(self._specs, texts))

    def lock(self) -> None:
        """Let nobody edit the fields."""
        for field in self._fields.values():
            field.disabled = True


def _may_be_empty(spec: ParameterSpec) -> bool:
    """Whether an empty text is no value: a parameter of a text may well be empty where that is its default."""
    return not (spec.kind is ParameterKind.STRING and spec.has_default and spec.default is not None)


def _field(name: str, spec: ParameterSpec, given: Mapping[str, Any]) -> Any:
    value: Any = given.get(name, spec.default if spec.has_default else None)
    # The name is told to screen readers, too.
    common = {
        "layout": widgets.Layout(width="auto", min_width="16em"),
        "tooltip": f"{name}: {spec.kind.python_name}",
    }
    if spec.literals:
        return widgets.Dropdown(
            options=spec.literals, value=value if value in spec.literals else spec.literals[0], **common
        )
    if value is None:
        return widgets.Text(placeholder=_placeholder(spec), **common)
    match spec.kind:
        case ParameterKind.BOOLEAN:
            return widgets.Checkbox(value=bool(value), indent=False, **common)
        case ParameterKind.NUMBER_INTEGER:
            return widgets.IntText(value=int(value), **common)
        case ParameterKind.NUMBER_DOUBLE:
            return widgets.FloatText(value=float(value), **common)
        case ParameterKind.STRING:
            kind = widgets.Textarea if "\n" in value else widgets.Text
            return kind(value=value, **common)
    return widgets.Text(value=json.dumps(value, ensure_ascii=False), **common)


def _text(html: str) -> Any:
    return widgets.HTML(html, layout=widgets.Layout(width="auto"))


def _placeholder(spec: ParameterSpec) -> str:
    return "none" if spec.optional or spec.has_default else "required"


def _remark(spec: ParameterSpec) -> str:
    json_note = " (JSON)" if spec.kind in (ParameterKind.LIST, ParameterKind.STRUCT) else ""
    need = "" if spec.has_default or spec.optional else ", required"
    return f"<i>{escape(spec.kind.python_name)}{json_note}{need}</i>"
