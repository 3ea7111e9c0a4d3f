"""The four spellings of options: each fills the schema, the nearer wins, mistakes name their place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.notebook.header import Control, ControlKind, read_flags, read_header
from jupyter_kfp.notebook.roles import Reading, assign_roles
from jupyter_kfp.notebook.source import parse_notebook
from jupyter_kfp.notebook.spellings import Findings
from jupyter_kfp.options import EmptyDir, Secret, StepOptions, Volume


def read(*cells: str | dict[str, Any], **metadata: Any) -> Reading:
    """A notebook of code cells; a mapping gives ``source``, ``tags`` and ``kfp`` of one."""
    written = []
    for given_cell in cells:
        cell = {"source": given_cell} if isinstance(given_cell, str) else given_cell
        own = {"tags": cell.get("tags", []), **({"kfp": cell["kfp"]} if "kfp" in cell else {})}
        written.append({"cell_type": "code", "source": cell.get("source", "x = 1"), "metadata": own})
    return assign_roles(
        parse_notebook(json.dumps({"nbformat": 4, "metadata": metadata, "cells": written}), "nb")
    )


def options(reading: Reading) -> dict[str, Any]:
    assert not reading.diagnostics, [str(d) for d in reading.diagnostics]
    (step,) = reading.steps
    return {name: getattr(step.options, name) for name in step.options.model_fields_set}


def only(reading: Reading) -> Diagnostic:
    (diagnostic,) = reading.diagnostics
    assert diagnostic.remedy
    return diagnostic


# Every option in every spelling: flags, YAML, tag (None: has no compact form of one line), value.
ALL = [
    ("image", "python:3.12", "python:3.12", "image:python:3.12", "python:3.12"),
    ("packages", "pandas>=2 --packages 'a @ https://x.org/a'", "[pandas>=2, 'a @ https://x.org/a']", None, ("pandas>=2", "a @ https://x.org/a")),
    ("cpu", "500m", "500m", "cpu:500m", "500m"),
    ("memory", "8G", "8G", "memory:8G", "8G"),
    ("cpu_request", "1", "1", "cpu-request:1", "1"),
    ("memory_request", "1Gi", "1Gi", "memory_request:1Gi", "1Gi"),
    ("gpu", "2", "2", "gpu:2", 2),
    ("retries", "3", "3", "retries:3", 3),
    ("timeout", "1h30m", "1h30m", "timeout:1h30m", 5400),
    ("cache", "24h", "24h", "cache:24h", 86400),
    ("cache_key", "v1", "v1", "cache_key:v1", "v1"),
    ("pickle", "off", "off", "pickle:off", False),
    ("env", "A=1 --env B=x=y", "{A: 1, B: x=y}", None, {"A": "1", "B": "x=y"}),
    ("secret", "s:k=V", "{name: s, key: k, env: V}", "secret:s:k:V", (Secret(name="s", key="k", env="V"),)),
    ("volume", "c/sub=/data:ro", "[c/sub=/data:ro]", "volume:c/sub=/data:ro", (Volume(pvc="c", sub_path="sub", mount_path="/data", read_only=True),)),
    ("empty_dir", "/s:1Gi", "/s:1Gi", "empty-dir:/s:1Gi", (EmptyDir(mount_path="/s", size="1Gi"),)),
    ("shm", "1Gi", "1Gi", "shm:1Gi", "1Gi"),
    ("node_selector", "disk=ssd", "{disk: ssd}", "node-selector:disk=ssd", {"disk": "ssd"}),
    ("labels", "team=a", "{team: a}", "label:team:a", {"team": "a"}),
    ("annotations", "x.org/a=b", "{x.org/a: b}", "annotation:x.org/a:b", {"x.org/a": "b"}),
    ("affinity", '\'{"node_affinity": {"w": 1}}\'', "{node_affinity: {w: 1}}", 'affinity:{"node_affinity": {"w": 1}}', {"node_affinity": {"w": 1}}),
    ("image_pull_secret", "a b", "[a, b]", "image_pull_secret:a,b", ("a", "b")),
    ("service_account", "runner", "runner", "service-account:runner", "runner"),
    ("display_name", "'Train it'", "Train it", "display-name:Train it", "Train it"),
    ("outputs", "model:Model --outputs x", "{model: Model, x: }", "outputs:model:Model,x", {"model": "Model", "x": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "flag", "yaml", "tag", "value"), ALL, ids=[row[0] for row in ALL])
def test_every_spelling_gives_the_same(name: str, flag: str, yaml: str, tag: str | None, value: Any) -> None:
    dashed = name.replace("_", "-")
    assert options(read(f"%%component a --{dashed} {flag}\nx = 1")) == {name: value}
    assert options(read(f"%%component a\n#| {name}: {yaml}\nx = 1")) == {name: value}
    assert options(read(f"%%component a\n#|{dashed}: {yaml}\nx = 1")) == {name: value}
    raw = json.loads(StepOptions(**{name: value}).model_dump_json(include={name}, exclude_none=True))
    assert options(read({"tags": ["step:a"], "kfp": raw})) == {name: value}
    assert options(read({"tags": ["step:a"]}, kfp={"defaults": raw})) == {name: value}
    if tag is not None:
        assert options(read({"tags": ["step:a", tag]})) == {name: value}


def test_the_schema_is_covered() -> None:
    dependent = {"accelerator", "backoff", "backoff_factor", "backoff_max", "configmap", "tolerations"}
    assert {row[0] for row in ALL} | dependent == set(StepOptions.model_fields)


def test_switches() -> None:
    assert options(read("%%component a --no-cache\nx = 1")) == {"cache": False}
    assert options(read("%%component a --cache\nx = 1")) == {"cache": True}
    assert options(read("%%component a\n#| cache: off\nx = 1")) == {"cache": False}
    assert options(read("%%component a --memory=8G --gpu=1\nx = 1")) == {"memory": "8G", "gpu": 1}


def test_yaml_blocks_nest() -> None:
    source = "#| memory: 8G\n#| env:\n#|   A: yes\n#|   B: 1.20\n#| secret:\n#|   - s:k=V\n#|   - {name: t, mount_path: /t}\nx = 1"
    found = options(read({"source": source, "tags": ["step:a"]}))
    assert found["env"] == {"A": "yes", "B": "1.20"}
    assert found["secret"] == (Secret(name="s", key="k", env="V"), Secret(name="t", mount_path="/t"))


def test_the_nearer_wins_and_lists_are_joined() -> None:
    near = {
        "source": "%%component a --memory 5G --env A=5 --packages p5\n#| memory: 4G\n#| cpu: 4\n#| env: {A: 4, B: 4}\nx = 1",
        "tags": ["memory:3G", "cpu:3", "gpu:3", "env:C=3"],
        "kfp": {"memory": "2G", "cpu": "2", "gpu": 2, "retries": 2, "packages": ["p2"]},
    }
    found = options(
        read(near, kfp={"memory": "1G", "defaults": {"retries": 1, "shm": "1G", "packages": ["p1"]}})
    )
    assert found == {
        "memory": "5G", "cpu": "4", "gpu": 3, "retries": 2, "shm": "1G",
        "env": {"C": "3", "A": "5", "B": "4"}, "packages": ("p1", "p2", "p5"),
    }  # fmt: skip


def test_options_of_two_places_complete_each_other() -> None:
    found = options(read("%%component a --gpu 1\nx = 1", kfp={"defaults": {"accelerator": "amd.com/gpu"}}))
    assert found == {"gpu": 1, "accelerator": "amd.com/gpu"}
    wrong = only(read("%%component a --accelerator amd.com/gpu\nx = 1"))
    assert (wrong.code, wrong.step) == ("K105", "a")


def test_notebook_metadata_holds_pipeline_options() -> None:
    reading = read(
        {"tags": ["step:a"]},
        kfp={
            "name": "My Pipeline",
            "description": "d",
            "experiment": "e",
            "pipeline_root": "s3://b",
            "cpu": "1",
        },
    )
    assert (reading.name, reading.description) == ("my-pipeline", "d")
    assert (reading.options.experiment, reading.options.pipeline_root) == ("e", "s3://b")
    assert options(reading) == {"cpu": "1"}


def test_empty_values_of_a_form_are_not_given() -> None:
    assert options(read({"tags": ["step:a"], "kfp": {"memory": "", "gpu": None}})) == {}


def test_cells_of_a_step_are_joined_and_must_agree() -> None:
    one, other = (
        "%%component a --memory 8G --env A=1\nx = 1",
        "%%component a --memory 8G --env B=1 --cpu 1\ny = 1",
    )
    assert options(read(one, other)) == {"memory": "8G", "cpu": "1", "env": {"A": "1", "B": "1"}}
    wrong = only(read(one, "%%component a\n#| memory: 4G\nx = 1"))
    assert (wrong.code, wrong.cell, wrong.line) == ("K105", 1, 2)
    assert "cell 1" in wrong.message
    assert only(read(one, "%%component a --env A=2\nx = 1")).code == "K105"


@pytest.mark.parametrize(
    ("cell", "code", "line", "words"),
    [
        ("%%component a --memry 8G\nx = 1", "K101", 1, "`memory`"),
        ("%%component a --base-image b\nx = 1", "K101", 1, "`image`"),
        ("%%component a\n\n#| cpu: 1\n#| gpus: 1\nx = 1", "K101", 4, "`gpu`"),
        ({"tags": ["step:a"], "kfp": {"imag": "x"}}, "K101", None, "`image`"),
        ("%%component a --zzz 1\nx = 1", "K101", 1, "The options are"),
        ("%%component a --memory lots\nx = 1", "K102", 1, "Kubernetes quantity"),
        ("%%component a\n#| gpu: many\nx = 1", "K102", 2, "integer"),
        ("%%component a\n#| volume: {pvc: a}\nx = 1", "K102", 2, "mount_path"),
        ({"tags": ["step:a", "memory:lots"]}, "K102", None, "quantity"),
        ({"tags": ["step:a", "memory:"]}, "K102", None, "no value"),
        ({"tags": ["step:a"], "kfp": {"timeout": "soon"}}, "K102", None, "duration"),
        ("%%component a\n#| memory: [\nx = 1", "K103", 2, "YAML"),
        ("%%component a\n#| - memory\nx = 1", "K103", 2, "mapping"),
        ("%%component a\n#| cpu: 1\n#| cpu: 2\nx = 1", "K103", 3, "twice"),
        ("%%component a\n#| memory: !!python/object:x {}\nx = 1", "K103", 2, "YAML"),
        ("%%component a --env 'A=1\nx = 1", "K104", 1, "quot"),
        ("%%component a --memory\nx = 1", "K104", 1, "no value"),
        ("%%component a 8G\nx = 1", "K104", 1, "8G"),
        ("%%component a --display-name Train it\nx = 1", "K104", 1, "'Train it'"),
        ("%%component a --if x > --memory 8G\nx = 1", "K107", 1, "x >"),
        ("%%component a --if\nx = 1", "K107", 1, "--if"),
        ("%%component a --if (y := 3)\nx = 1", "K107", 1, "binds"),
        ("%%component a --for x of y\nx = 1", "K107", 1, "--for x of y"),
        ("%%component a --for a, b in y\nx = 1", "K107", 1, "dicts"),
        ("%%component a --collect xs=x\nx = 1", "K107", 1, "loop"),
        ("%%component a --for x in y --parallelism many\nx = 1", "K107", 1, "positive"),
        ("%%component a --for x in y --collect xs\nx = 1", "K107", 1, "LIST=NAME"),
        ("%%component a --on-exit --if x\nx = 1", "K107", 1, "alone"),
        ("%%component a --notebook\nx = 1", "K107", 1, "file"),
        ({"tags": ["step:a"], "kfp": [1]}, "K108", None, "cell.metadata.kfp"),
        ({"tags": ["step:a", "stpe:b"]}, "K109", None, "`step`"),
        ({"tags": ["step:a", "limits:cpu:1"]}, "K109", None, "`limit`"),
        ({"tags": ["step:a", "output"]}, "K109", None, "`outputs`"),
        ({"tags": ["step:a"], "source": "x = 1\n#| memory: 8G"}, "K106", 2, "top"),
    ],
)
def test_mistakes_name_their_place(cell: Any, code: str, line: int | None, words: str) -> None:
    found = only(read(cell))
    assert (found.code, found.cell, found.line) == (code, 0, line), str(found)
    assert words in str(found)
    assert (found.severity is Severity.WARNING) is (code in {"K106", "K109"})


def test_mistakes_in_notebook_metadata() -> None:
    for kfp, code in [
        ([1], "K108"),
        ({"defaults": 3}, "K108"),
        ({"memry": "1"}, "K101"),
        ({"name": 3}, "K102"),
        ({"cpu": "?"}, "K102"),
    ]:
        found = only(read({"tags": ["step:a"]}, kfp=kfp))
        assert (found.code, found.cell) == (code, None)


def test_options_on_a_cell_that_is_no_step_are_said() -> None:
    reading = read({"source": "#| memory: 8G\nimport x", "tags": ["imports"]}, {"tags": ["step:a"]})
    found = only(reading)
    assert (found.code, found.cell, found.line, found.severity) == ("K106", 0, 1, Severity.WARNING)


@pytest.mark.parametrize(
    "line", ["export", "hide", "default_exp core", "label: fig-a", "echo: false", "fig-cap: 'A: b'", ""]
)
def test_lines_of_nbdev_and_quarto_are_theirs(line: str) -> None:
    assert options(read({"source": f"#| {line}\n#| cpu: 1\nx = 1", "tags": ["step:a"]})) == {"cpu": "1"}


@pytest.mark.parametrize("tag", ["hide-input", "remove-cell", "slide:x", "todo", "raises-exception"])
def test_tags_of_others_are_theirs(tag: str) -> None:
    assert options(read({"tags": ["step:a", tag]})) == {}


def test_own_lines_are_blank_in_the_code() -> None:
    (step,) = read("\n%%component a --cpu 1\n#| memory: 8G\n#| gpu: 1\n\n%%time\nx = 1").steps
    assert step.cells[0].source == "\n\n\n\n\n%%time\nx = 1"
    assert read_header("%%time\n#| cpu: 1\nx = 1").code == "%%time\n\nx = 1"
    assert read_header("x = 1\n#| cpu: 1").code == "x = 1\n#| cpu: 1"


def controls(text: str) -> tuple[Control, ...]:
    findings = Findings()
    name, layer, found = read_flags(read_header(f"%%component a {text} --memory 8G\nx = 1"), 0, findings)
    assert (name, layer.settings["memory"].value, findings.items) == ("a", "8G", [])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--if accuracy > 0.9 and ok", [(ControlKind.IF, "accuracy > 0.9 and ok")]),
        ("--if 'a == \"--b\"'", [(ControlKind.IF, 'a == "--b"')]),
        ("--if x == '--else'", [(ControlKind.IF, "x == '--else'")]),
        ("--if 'a' == 'b'", [(ControlKind.IF, "'a' == 'b'")]),
        ("--else", [(ControlKind.ELSE, "")]),
        (
            "--for lr in [0.1, 0.2] --parallelism 2 --collect models=model --if x",
            [
                (ControlKind.FOR, "lr in [0.1, 0.2]"),
                (ControlKind.PARALLELISM, "2"),
                (ControlKind.COLLECT, "models=model"),
                (ControlKind.IF, "x"),
            ],
        ),
        ("--on-exit", [(ControlKind.ON_EXIT, "")]),
        (
            "--notebook other.ipynb --from c.yaml",
            [(ControlKind.NOTEBOOK, "other.ipynb"), (ControlKind.FROM, "c.yaml")],
        ),
    ],
)
def test_expressions_run_to_the_next_option(text: str, expected: list[tuple[ControlKind, str]]) -> None:
    assert [(control.kind, control.text) for control in controls(text)] == expected


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab -'\"=\\#|:{}[]\t,!&*%\n1"), max_size=40))
def test_any_header_is_read_or_diagnosed(text: str) -> None:
    reading = read(
        f"%%component a {text}\nx = 1",
        f"#| {text}\nx = 1",
        {"tags": ["step:b", text, f"memory:{text}", f"limit:{text}"]},
    )
    assert all(diagnostic.message for diagnostic in reading.diagnostics)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=4), children, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*StepOptions.model_fields, "after", "x"]), JSON, max_size=4))
def test_any_metadata_is_read_or_diagnosed(kfp: dict[str, Any]) -> None:
    assert all(
        d.message for d in read({"tags": ["step:a"], "kfp": kfp}, kfp={**kfp, "defaults": kfp}).diagnostics
    )
