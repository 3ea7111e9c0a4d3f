"""Compiled pipelines that are kept: the same pipeline, compiled by the same code, gives the same bytes."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.pipeline import Pipeline

_MOST = 200
_SUFFIX = ".yaml"
# What has a say in the bytes, beside this package.
_COMPILERS = ("kfp", "kfp-kubernetes", "kfp-pipeline-spec", "protobuf", "pyyaml")


def compile_pipeline(pipeline: Pipeline, provenance: Provenance | None, directory: Path) -> str:
    """As :func:`jupyter_kfp.compiler.compile_pipeline`, unless it is in ``directory`` from an earlier time.

    The last 200 are kept. Where nothing can be written there, nothing is kept.
    """
    key = hashlib.sha256(repr((pipeline, provenance, _compiler())).encode()).hexdigest()
    file = directory / f"{key}{_SUFFIX}"
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text(encoding="utf-8")
        os.utime(file)
        return text
    from jupyter_kfp.compiler import compile_pipeline as compile_anew

    text = compile_anew(pipeline, provenance=provenance)
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(f".{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(file)  # nobody reads half of it
        _forget_the_oldest(directory)
    return text


def _forget_the_oldest(directory: Path) -> None:
    files = sorted(directory.glob(f"*{_SUFFIX}"), key=lambda file: file.stat().st_mtime)
    for file in files[:-_MOST]:
        file.unlink(missing_ok=True)


@cache
def _compiler() -> tuple[object, ...]:
    """What tells this compiler from another one; its own files, too, as they may be edited where they are."""
    package = Path(__file__).parents[1]
    files = sorted(
        [*package.glob("*.py"), *(package / "compiler").glob("*.py"), *(package / "runtime").glob("*.py")]
    )
    stamps = tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return (sys.version, tuple(map(_version, _COMPILERS)), str(package), stamps)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
