"""The forms of JupyterLab: made from the schema of options, and what they write is what notebooks say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.notebook.roles import Reading, assign_roles
from jupyter_kfp.notebook.source import parse_notebook
from jupyter_kfp.options import JOINED, PipelineOptions, StepOptions
from jupyter_kfp.views.forms import settings_schema
from tests.unit.views.helpers import UPDATE

COMMITTED = Path(__file__).parents[3] / "labextension" / "schema" / "options.json"
FORMS = {form["id"]: form for form in json.loads(settings_schema())["jupyter.lab.metadataforms"]}
# What the form's user may have to give with it, and values where the schema has no example.
NEEDS = {
    "accelerator": {"gpu": 1},
    **{name: {"retries": 1} for name in ("backoff", "backoff_factor", "backoff_max")},
}
VALUES = {"gpu": 1, "retries": 2, "backoff_factor": 2, "affinity": '{"required": []}'}


def read(cell: dict[str, Any], notebook: dict[str, Any] | None = None) -> Reading:
    """A notebook of one step with these options in the metadata of its cell, and of itself."""
    metadata = {"tags": ["step:one"], "kfp": cell}
    document = {
        "nbformat": 4,
        "metadata": {"kfp": notebook or {}},
        "cells": [{"cell_type": "code", "source": "x = 1", "metadata": metadata}],
    }
    return assign_roles(parse_notebook(json.dumps(document), "nb"))


def test_the_committed_schema_is_that_of_the_options() -> None:
    """``JUPYTER_KFP_UPDATE_GOLDENS=1`` writes it anew, to be reviewed."""
    if os.environ.get(UPDATE):
        COMMITTED.write_text(settings_schema(), encoding="utf-8", newline="\n")
    assert COMMITTED.read_text(encoding="utf-8") == settings_schema()


def test_every_option_has_its_field() -> None:
    fields = {name: set(form["metadataSchema"]["properties"]) for name, form in FORMS.items()}
    assert fields["jupyter-kfp-cell"] >= {f"/kfp/{name}" for name in StepOptions.model_fields}
    assert fields["jupyter-kfp-notebook"] == {f"/kfp/{name}" for name in PipelineOptions.model_fields}
    left_out = {"display_name", "outputs", "cache_key"}
    assert fields["jupyter-kfp-defaults"] == {
        f"/kfp/defaults/{name}" for name in StepOptions.model_fields.keys() - left_out
    }


def test_no_field_writes_what_was_not_typed() -> None:
    text = settings_schema()
    assert '"default"' not in text
    for form in FORMS.values():
        for field in form["metadataSchema"]["properties"].values():
            # JupyterLab fills lists and mappings; those that have another first type it leaves alone.
            assert field["type"] in ("string", "integer", "number", "null") or field["type"][0] == "string"


@pytest.mark.parametrize("option", StepOptions.model_fields)
def test_the_example_of_a_field_is_read(option: str) -> None:
    shown = FORMS["jupyter-kfp-cell"]["uiSchema"].get(f"/kfp/{option}", {})
    value = VALUES.get(option, shown.get("ui:placeholder"))
    assert value is not None
    needed = NEEDS.get(option, {})
    for reading in (read({option: value, **needed}), read({}, {"defaults": {option: value, **needed}})):
        assert not reading.diagnostics
        assert getattr(reading.steps[0].options, option)


def test_the_fields_of_a_notebook_are_read() -> None:
    values = {name: f"a-{name}" for name in PipelineOptions.model_fields}
    reading = read({}, values)
    assert not reading.diagnostics
    assert reading.options == PipelineOptions(**values)


def test_lists_and_mappings_are_one_item_a_line() -> None:
    typed = {
        "env": "MODE=fast\n\n WITH=a = b, c \n",
        "packages": "pandas>=2,<3\nrequests, rich",
        "secret": 'creds:password=DB_PASSWORD\n{"name": "other", "mount_path": "/etc/other"}',
    }
    reading = read(typed)
    assert not reading.diagnostics
    options = reading.steps[0].options
    assert options.env == {"MODE": "fast", "WITH": "a = b, c"}
    assert options.packages == ("pandas>=2,<3", "requests", "rich")
    assert [(one.name, one.env, one.mount_path) for one in options.secret] == [
        ("creds", "DB_PASSWORD", None),
        ("other", None, "/etc/other"),
    ]


@pytest.mark.parametrize("option", sorted(JOINED - {"packages", "image_pull_secret", "tolerations"}))
def test_a_line_that_is_no_item_is_an_error(option: str) -> None:
    (found,) = read({option: "{not JSON"}).diagnostics
    assert found.code == "K102"
    assert "cell.metadata.kfp" in found.remedy
