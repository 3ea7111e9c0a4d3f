"""The options as forms of JupyterLab (its setting ``metadataforms``), made from their schema.

The forms write ``cell.metadata.kfp`` and ``notebook.metadata.kfp``, which :mod:`jupyter_kfp.notebook.spellings`
reads. A field without a value must stay out of the metadata, and JupyterLab writes defaults, empty lists and empty
mappings into it: hence no field has a default, and all that is no number is a text first. Lists and mappings are
edited as texts, one item a line.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from pydantic import BaseModel

from jupyter_kfp.options import JOINED, PipelineOptions, StepOptions

# Fields that the labextension draws: the cell's role, and a value as text, which JupyterLab leaves without a label
# for screen readers, and without a way to show what was written as other JSON.
_ROLE, _VALUE = "jupyter-kfp:options.role", "jupyter-kfp:options.value"
_CAPITALS: Final = {
    "cpu": "CPU",
    "gpu": "GPU",
    "env": "Environment",
    "configmap": "ConfigMap",
    "shm": "Shared memory",
}
# They speak of one step.
_NO_DEFAULTS: Final = frozenset({"display_name", "outputs", "cache_key"})
_AFTER: Final = {"type": "string", "title": "After", "description": "Steps that must have ended before."}


def settings_schema() -> str:
    """The settings schema of the labextension's plugin of forms, as JSON."""
    forms = (_cell_form(), _notebook_form(), _defaults_form())
    document = {
        "title": "Pipeline options",
        "description": "Forms for the options of steps and pipelines. Made by jupyter_kfp/views/forms.py.",
        "jupyter.lab.metadataforms": forms,
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _cell_form() -> dict[str, Any]:
    form = _form("jupyter-kfp-cell", "Pipeline Step", "/kfp", StepOptions, {"cellTypes": ["code"]})
    schema, options = form["metadataSchema"]["properties"], form["metadataOptions"]
    # A cell's role is one of its tags, and a step's name part of it.
    role = {"/tags": {"type": ["string", "array"], "title": "Role"}, "/kfp/after": _AFTER}
    form["metadataSchema"]["properties"] = role | schema
    options["/tags"] = {"customRenderer": _ROLE, "cellTypes": ["code"]}
    options["/kfp/after"] = {"customRenderer": _VALUE, "cellTypes": ["code"]}
    return form


def _notebook_form() -> dict[str, Any]:
    return _form("jupyter-kfp-notebook", "Pipeline", "/kfp", PipelineOptions, {"metadataLevel": "notebook"})


def _defaults_form() -> dict[str, Any]:
    level = {"metadataLevel": "notebook"}
    return _form(
        "jupyter-kfp-defaults", "Pipeline Step Defaults", "/kfp/defaults", StepOptions, level, _NO_DEFAULTS
    )


def _form(
    name: str,
    label: str,
    path: str,
    model: type[BaseModel],
    options: dict[str, Any],
    without: Collection[str] = (),
) -> dict[str, Any]:
    """A form with a field for every option of a model, below ``path`` in the metadata."""
    properties, ui, metadata = {}, {}, {}
    for option, schema in model.model_json_schema()["properties"].items():
        if option in without:
            continue
        key = f"{path}/{option}"
        properties[key] = _field(option, schema)
        metadata[key] = {"customRenderer": _VALUE, **options}
        if examples := schema.get("examples"):
            ui[key] = {"ui:placeholder": examples[0]}
    return {
        "id": name,
        "label": label,
        "metadataSchema": {"type": "object", "properties": properties},
        "uiSchema": ui,
        "metadataOptions": metadata,
    }


def _field(option: str, schema: dict[str, Any]) -> dict[str, Any]:
    types = _types(schema)
    field: dict[str, Any] = {"type": types[0] if len(types) == 1 else types, "title": _title(option)}
    description = schema["description"]
    if types in (["array"], ["object"]):
        field["type"] = ["string", *types]
        description += " One a line." if option in JOINED else " JSON."
    field["description"] = description
    for choice in schema.get("anyOf", ()):
        field |= {bound: choice[bound] for bound in ("minimum", "maximum") if bound in choice}
    return field


def _types(schema: dict[str, Any]) -> list[str]:
    """The JSON types of a value, the one of a text first."""
    found: list[str] = []
    for choice in schema.get("anyOf", [schema]):
        kinds = choice["type"]
        found += kinds if isinstance(kinds, list) else [kinds]
    return sorted((kind for kind in found if kind != "null"), key=lambda kind: kind != "string")


def _title(option: str) -> str:
    first, *rest = option.split("_")
    return " ".join((_CAPITALS.get(first, first.capitalize()), *rest))
