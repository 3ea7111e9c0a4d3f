"""What a task's outputs come from: code, installed distributions, files that it names."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path

import pytest

from jupyter_kfp.engine import emitting
from jupyter_kfp.engine.containers.run import image_facts
from jupyter_kfp.engine.input_files import named_files
from jupyter_kfp.engine.plan import Container
from jupyter_kfp.engine.provenance import code_of, environment, environment_hash, image_of


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_distributions_are_those_that_python_finds() -> None:
    found = environment()
    known = {
        each.metadata["Name"].lower().replace("_", "-").replace(".", "-"): each.version
        for each in metadata.distributions()
    }
    assert found["distributions"] == known
    assert found["python"] == platform.python_version()
    assert (
        environment_hash(found)
        == environment_hash(environment())
        != environment_hash({**found, "python": "2"})
    )


def test_an_environment_of_a_step_comes_before_the_users(tmp_path: Path) -> None:
    place = tmp_path / "lib" / "python3.11" / "site-packages"
    (place / "numpy-0.0.1.dist-info").mkdir(parents=True)
    (place / "Own.Thing-3.dist-info").mkdir()
    (place / "bare.egg-info").write_text("Metadata-Version: 2.1\nName: bare\nVersion: 7\n", encoding="utf-8")
    found = environment(tmp_path)["distributions"]
    assert isinstance(found, dict)
    assert (found["numpy"], found["own-thing"], found["bare"], found["papermill"]) == (
        "0.0.1",
        "3",
        "7",
        metadata.version("papermill"),
    )


def test_the_code_of_a_notebook_step() -> None:
    step = {"cells": [{"source": "import os", "role": "preamble"}, {"source": "x = 1", "role": "step"}]}
    found = code_of(None, step, (0, 4))
    assert found["cells"] == [{"cell": 4, "sha256": sha256("x = 1")}]
    changed = {"cells": [{"source": "import sys", "role": "preamble"}, {"source": "x = 1", "role": "step"}]}
    assert code_of(None, changed, (0, 4))["code"] != found["code"]


def test_the_code_of_another_component_is_its_image_and_command() -> None:
    one, other = Container("i:1", ("echo",), ("a",)), Container("i:1", ("echo",), ("b",))
    assert code_of(one, None, ()) == code_of(one, None, ()) != code_of(other, None, ())


def test_an_image_and_its_digest() -> None:
    assert image_of("python:3.12") == {"image": "python:3.12"}
    assert image_of("python@sha256:ab")["image_digest"] == "sha256:ab"
    inspected = {"Id": "sha256:11", "RepoDigests": ["docker.io/library/python@sha256:ab"]}
    assert image_facts(inspected) == {"image_id": "sha256:11", "image_digest": "sha256:ab"}
    assert image_facts({"Id": "sha256:11", "RepoDigests": None}) == {"image_id": "sha256:11"}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text("a", encoding="utf-8")
    (tmp_path / "out.csv").write_text("b", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_files_that_parameters_name(beside: Path) -> None:
    values = {
        "relative": "data.csv",
        "absolute": str(beside / "out.csv"),
        "again": (beside / "data.csv").as_uri(),
        "several": ["./out.csv", "no.csv"],
        "folder": str(beside / "folder"),
        "word": "folder",
        "remote": "s3://bucket/key.parquet",
        "service": "https://example.org/data.csv",
        "number": 3,
        "long": "x" * 10_000,
        "nothing": "",
    }
    found = {file.name: file for file in named_files(values, [], beside)}
    assert set(found) == {"relative", "absolute", "folder", "remote"}
    assert (found["relative"].uri, found["relative"].sha256, found["relative"].size) == (
        str(beside / "data.csv"),
        sha256("a"),
        1,
    )
    assert (found["remote"].uri, found["remote"].sha256, found["folder"].sha256) == (
        "s3://bucket/key.parquet",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("df = pd.read_csv('data.csv')", ["data.csv"]),
        ("PATH = 'data.csv'\ndf = load(PATH)", ["data.csv"]),
        ("%matplotlib inline\nopen('data.csv').read()", ["data.csv"]),
        ("open('data.csv', 'w')", []),
        ("open('data.csv', mode='a')", []),
        ("df.to_csv('out.csv')", []),
        ("fig.savefig(fname='out.csv')", []),
        ("x = 'folder'", []),
        ("x = 'no such file'", []),
        ("this is no Python 'data.csv'", []),
    ],
)
def test_files_that_code_names(beside: Path, source: str, names: list[str]) -> None:
    assert [file.name for file in named_files({}, [source], beside)] == names


@pytest.mark.parametrize(
    ("environ", "configured"),
    [
        ({}, False),
        ({"OPENLINEAGE_URL": "http://x"}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "console"}, True),
        ({"OPENLINEAGE_CONFIG": "mine.yml"}, True),
        ({"OPENLINEAGE_URL": "http://x", "OPENLINEAGE_DISABLED": "true"}, False),
    ],
)
def test_events_are_sent_where_openlineage_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, configured: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert (emitting.settings(tmp_path, environ) is not None) is configured


def test_the_file_beside_the_notebook_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "openlineage.yml").write_text("transport: {type: console}\n", encoding="utf-8")
    assert emitting.settings(tmp_path, {}) == {"OPENLINEAGE_CONFIG": str(tmp_path / "openlineage.yml")}
    (tmp_path / "sub").mkdir()
    (tmp_path / "openlineage.yml").rename(tmp_path / "sub" / "mine.yml")
    found = emitting.settings(tmp_path, {"OPENLINEAGE_CONFIG": "sub/mine.yml"})
    assert found == {"OPENLINEAGE_CONFIG": str(tmp_path / "sub" / "mine.yml")}


def test_a_file_that_dvc_tracks_has_its_version(beside: Path) -> None:
    md5 = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
    (beside / "data.csv.dvc").write_text(
        f"outs:\n- md5: {md5}\n  size: 1\n  path: data.csv\n", encoding="utf-8"
    )
    tracked, other = named_files({"x": "data.csv", "y": "out.csv"}, [], beside)
    assert tracked.version is not None
    assert (tracked.version["md5"], tracked.version["file"], other.version) == (md5, "data.csv.dvc", None)
