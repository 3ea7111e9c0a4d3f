"""A pipeline is compiled once; whatever may change the bytes has it compiled again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_kfp import compiler
from jupyter_kfp.compiler import kept
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.pipeline import Pipeline

from .cases import one_step

PIPELINE = replace(one_step(), name="p")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pipelines that were compiled."""
    names: list[str] = []

    def note(pipeline: Pipeline, *, provenance: Provenance | None = None) -> str:
        names.append(pipeline.name)
        return real(pipeline, provenance=provenance)

    real = compiler.compile_pipeline
    monkeypatch.setattr(compiler, "compile_pipeline", note)
    return names


def test_the_same_pipeline_is_compiled_once(tmp_path: Path, compiled: list[str]) -> None:
    first = kept.compile_pipeline(PIPELINE, None, tmp_path / "new")
    again = kept.compile_pipeline(replace(one_step(), name="p"), None, tmp_path / "new")
    assert first == again == compiler.compile_pipeline(PIPELINE)
    assert compiled == ["p", "p"], "once by us, and once by the comparison"


def test_what_changes_the_bytes_is_compiled_again(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept.compile_pipeline(PIPELINE, None, tmp_path)
    with_origin = kept.compile_pipeline(PIPELINE, Provenance(commit="c0ffee"), tmp_path)
    assert "c0ffee" in with_origin
    assert kept.compile_pipeline(replace(PIPELINE, name="q"), None, tmp_path) != first
    monkeypatch.setattr(kept, "_compiler", lambda: ("another version",))
    kept.compile_pipeline(PIPELINE, None, tmp_path)
    assert compiled == ["p", "p", "q", "p"]


def test_what_cannot_be_compiled_is_not_kept(tmp_path: Path) -> None:
    for _again in range(2):
        with pytest.raises(DiagnosticsError):
            kept.compile_pipeline(Pipeline("p", ()), None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 2)
    for number, name in enumerate("abc"):
        kept.compile_pipeline(replace(PIPELINE, name=name), None, tmp_path)
        for file in tmp_path.iterdir():
            os.utime(file, (number, file.stat().st_mtime - 1000))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert kept.compile_pipeline(PIPELINE, None, tmp_path / "file") == compiler.compile_pipeline(PIPELINE)
