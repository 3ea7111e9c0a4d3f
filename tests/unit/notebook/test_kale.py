"""Kale's notebooks: their tags and metadata mean here what they mean there, or are warned of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_kfp.compiler import diagnose
from jupyter_kfp.errors import Severity
from jupyter_kfp.notebook import analyze
from jupyter_kfp.notebook.roles import Reading, assign_roles
from jupyter_kfp.notebook.source import parse_notebook
from jupyter_kfp.options import Secret, Volume


def read(*cells: tuple[str, list[Any]], **metadata: Any) -> Reading:
    written = [{"cell_type": "code", "source": source, "metadata": {"tags": tags}} for source, tags in cells]
    return assign_roles(
        parse_notebook(json.dumps({"nbformat": 4, "metadata": metadata, "cells": written}), "nb")
    )


def kale(*cells: tuple[str, list[Any]], **metadata: Any) -> Reading:
    return read(*(cells or (("x = 1", ["step:a"]),)), kubeflow_notebook=metadata)


def given_options(reading: Reading) -> dict[str, Any]:
    assert not reading.diagnostics, [str(d) for d in reading.diagnostics]
    options = reading.steps[0].options
    return {name: getattr(options, name) for name in options.model_fields_set}


def test_a_notebook_of_kale_2_reads_unchanged() -> None:
    reading = kale(
        ("import numpy as np", ["imports"]),
        ("import os", []),
        ("def f(): pass", ["functions"]),
        ("a = 1", ["pipeline-parameters"]),
        ("b = 2", []),
        ("m = np.zeros(a)", ["step:create", "limit:nvidia.com/gpu:2", "cache:enabled"]),
        ("m += b", []),
        ("s = m.sum()", ["prev:create", "step:sum", "report:enabled"]),
        ("junk", ["skip"]),
        ("t = s", []),
        ("print(s)", ["pipeline-metrics"]),
        ("print(a)", []),
        pipeline_name="hp-test",
        experiment_name="hp-tuning",
        experiment={"id": "new", "name": "hp-tuning"},
        pipeline_description="tunes",
        base_image="",
        enable_caching=False,
        katib_run=False,
        volumes=[],
    )
    assert not reading.diagnostics
    assert [c.cell for c in reading.preamble] == [0, 1, 2]
    assert [c.cell for c in reading.parameters] == [3, 4]
    assert [(s.name, [c.cell for c in s.cells], s.after) for s in reading.steps] == [
        ("create", [5, 6], ()),
        ("sum", [7, 9], ("create",)),
    ]
    assert [(o.name, o.cell, o.metric) for o in reading.outputs] == [("s", 10, True), ("a", 11, True)]
    assert (reading.name, reading.description, reading.options.experiment) == (
        "hp-test",
        "tunes",
        "hp-tuning",
    )
    create, total = (step.options for step in reading.steps)
    assert (create.gpu, create.cache, total.cache) == (2, True, False)


def test_a_legacy_notebook_reads_unchanged() -> None:
    reading = kale(
        ("x = 1", ["block:load"]),
        ("y = x", ["block:"]),
        ("z = y", ["block:train", "prev:load"]),
        pipeline_name="old",
        docker_image="old:1",
        autosnapshot=False,
        snapshot_volumes=False,
        volumes=[
            {
                "name": "data",
                "mount_point": "/d",
                "type": "pvc",
                "annotations": [],
                "snapshot": False,
                "size": 5,
            }
        ],
    )
    assert [(s.name, [c.cell for c in s.cells], s.after) for s in reading.steps] == [
        ("load", [0, 1], ()),
        ("train", [2], ("load",)),
    ]
    assert given_options(reading) == {"image": "old:1", "volume": (Volume(pvc="data", mount_path="/d"),)}


def test_an_empty_step_name_is_only_kales() -> None:
    assert {d.code for d in read(("x = 1", ["step:"])).diagnostics} == {"K111"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["image:python:3.11-slim"], {"image": "python:3.11-slim"}),
        (["limit:cpu:2", "limit:memory:4G"], {"cpu": "2", "memory": "4G"}),
        (["limit:nvidia.com/gpu:1"], {"gpu": 1}),
        (["limit:amd.com/gpu:1"], {"gpu": 1, "accelerator": "amd.com/gpu"}),
        (["cache:enabled"], {"cache": True}),
        (["cache:disabled"], {"cache": False}),
        (
            ["secret:db.prod:pass-word:DB_PW"],
            {"secret": (Secret(name="db.prod", key="pass-word", env="DB_PW"),)},
        ),
        (["secret:db=/etc/db"], {"secret": (Secret(name="db", mount_path="/etc/db"),)}),
        (["annotation:a.io/b:c:d", "label:x:y"], {"annotations": {"a.io/b": "c:d"}, "labels": {"x": "y"}}),
        (["label:x:"], {"labels": {"x": ""}}),
        (["report:enabled"], {}),
    ],
)
def test_option_tags(tags: list[str], expected: dict[str, Any]) -> None:
    assert given_options(read(("x = 1", ["step:a", *tags]))) == expected
    # The same language gives the defaults of every step.
    assert given_options(kale(steps_defaults=tags)) == expected


def test_step_defaults_of_the_sdk() -> None:
    expected = {
        "labels": {"a": "b"}, "annotations": {"c": "d"}, "gpu": 1, "image": "i", "cache": False, "retries": 3, "backoff": 10,
        "backoff_factor": 2.0, "backoff_max": 60, "timeout": 90, "secret": (Secret(name="s", key="k", env="V"),),
    }  # fmt: skip
    defaults = {
        "labels": {"a": "b"}, "annotations": {"c": "d"}, "limits": {"nvidia.com/gpu": "1"}, "base_image": "i",
        "enable_caching": False, "retry_count": 3, "retry_interval": "10s", "retry_factor": 2, "retry_max_interval": "60s",
        "timeout": 90, "secrets": {"V": {"secret_name": "s", "secret_key": "k"}}, "generate_html_report": True,
    }  # fmt: skip
    assert given_options(kale(steps_defaults=defaults)) == expected


def test_a_volume_known_to_the_steps() -> None:
    volume = {"name": "raw-data", "mount_point": "/data", "type": "pvc", "expose_as_env_var": True}
    found = given_options(kale(volumes=[volume]))
    assert found == {
        "volume": (Volume(pvc="raw-data", mount_path="/data"),),
        "env": {"KALE_VOLUME_RAW_DATA": "/data"},
    }


def test_own_metadata_is_nearer_than_kales() -> None:
    reading = read(
        ("x = 1", ["step:a"]),
        kubeflow_notebook={
            "pipeline_name": "far",
            "experiment_name": "e",
            "base_image": "far",
            "timeout": 60,
        },
        kfp={"name": "near", "image": "near"},
    )
    assert (reading.name, reading.options.experiment) == ("near", "e")
    assert given_options(reading) == {"image": "near", "timeout": 60}


def test_the_first_notebooks_of_kale_had_the_key_misspelt() -> None:
    old = {"pipeline_name": "old", "run_name": "r", "docker_image": "old:1", "volumes": []}
    reading = read(("x = 1", ["imports"]), ("y = 1", []), ("z = x", ["block:a"]), kubeflow_noteobok=old)
    assert (reading.name, [c.cell for c in reading.preamble]) == ("old", [0, 1])
    assert given_options(reading) == {"image": "old:1"}


def test_what_the_panel_writes_into_every_notebook_is_no_warning() -> None:
    panel = {
        "katib_run": False,
        "katib_metadata": {"algorithm": {"algorithmName": "grid"}, "parameters": []},
        "snapshot_volumes": False,
        "volume_access_mode": "rwm",
        "storage_class_name": "standard",
        "volumes": [{"name": "n", "mount_point": "/d", "type": "pvc", "snapshot": False}],
    }
    assert kale(**panel).diagnostics == ()


def test_a_parameter_among_the_metrics_is_left_out_with_a_warning() -> None:
    cells = [("d = 5", ["pipeline-parameters"]), ("x: int = d * 2", ["step:a"]), ("print(d)\nprint(x)", ["pipeline-metrics"])]  # fmt: skip
    written = [{"cell_type": "code", "source": source, "metadata": {"tags": tags}} for source, tags in cells]
    analysis = analyze(parse_notebook(json.dumps({"nbformat": 4, "metadata": {}, "cells": written}), "nb"))
    (warning,) = analysis.diagnostics
    assert (warning.code, warning.severity, warning.cell, warning.line) == ("K308", Severity.WARNING, 2, 1)
    assert [output.name for output in analysis.pipeline.outputs] == ["x"]
    assert diagnose(analysis.pipeline) == ()


def test_settings_of_new_volumes_are_said_where_there_is_one() -> None:
    volume = {"name": "n", "mount_point": "/d", "type": "new_pvc", "size": 1, "size_type": "Gi"}
    said = [d.message for d in kale(volume_access_mode="rwm", volumes=[volume]).diagnostics]
    assert ["volume_access_mode" in message for message in said] == [True, False]


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"katib_run": True}, "katib_run"),
        ({"snapshot_volumes": True}, "snapshot_volumes"),
        ({"security_context": {"enabled": True}}, "security_context"),
        ({"of_tomorrow": 1}, "of_tomorrow"),
        ({"volumes": [{"name": "n", "mount_point": "/d", "type": "new_pvc"}]}, "new_pvc"),
        ({"volumes": [{"name": "n", "mount_point": "/d", "type": "pvc", "snapshot": True}]}, "snapshot"),
        ({"volumes": 3}, "volumes"),
        ({"steps_defaults": ["nonsense"]}, "nonsense"),
        ({"steps_defaults": {"nonsense": 1}}, "nonsense"),
        ({"steps_defaults": 3}, "steps_defaults"),
    ],
)
def test_what_does_not_count_is_a_warning(metadata: dict[str, Any], word: str) -> None:
    (found,) = kale(**metadata).diagnostics
    assert (found.code, found.severity) == ("K120", Severity.WARNING)
    assert word in found.message
    assert found.remedy


@pytest.mark.parametrize(
    "tag", ["limit:cpu", "secret:a:b", "label:x", "limit:disk:1G", "limit:cpu:much", "image:"]
)
def test_wrong_tags_are_errors(tag: str) -> None:
    (found,) = read(("x = 1", ["step:a", tag])).diagnostics
    assert (found.code, found.severity, found.cell) == ("K102", Severity.ERROR, 0)


def test_other_tags_of_kale_are_said() -> None:
    assert [d.code for d in read(("x = 1", ["step:a", "report:disabled"])).diagnostics] == ["K120"]
    nested, own = kale(("# other", ["notebook:other"]), ("x = 1", ["step:a"])).steps
    assert (nested.name, nested.control.notebook, own.control.notebook) == ("other", "other", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "pipeline_name",
    "volumes",
    "steps_defaults",
    "base_image",
    "timeout",
    "enable_caching",
    "experiment_name",
    "x",
]
TAGS = st.lists(
    st.text(max_size=12)
    | st.builds(
        "{}:{}".format,
        st.sampled_from(
            [
                "step",
                "block",
                "prev",
                "after",
                "limit",
                "image",
                "cache",
                "secret",
                "label",
                "annotation",
                "gpu",
                "report",
            ]
        ),
        st.text(max_size=10),
    ),
    max_size=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5),
    JSON,
    st.lists(st.tuples(st.sampled_from(["x = 1", ""]), TAGS), max_size=3),
)
def test_any_metadata_and_tags_are_read_or_diagnosed(
    metadata: Any, kfp: Any, cells: list[tuple[str, list[str]]]
) -> None:
    reading = read(*cells, kubeflow_notebook=metadata, kfp=kfp)
    assert all(diagnostic.message for diagnostic in reading.diagnostics)
    assert reading.name
