"""The files that a task is told of by name: in a parameter, or by the code of its cells. None of them is an artifact of the run."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_kfp.store import dvc
from jupyter_kfp.store.artifacts import content, local_path
from jupyter_kfp.store.records import InputFile

# Where data is kept under URLs; what is elsewhere (a service's address) is no file.
_SCHEMES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs", "minio", "oss"})
_LONGEST = 4096  # Linux' PATH_MAX
# Reading more would hold up the step; such a file is known by its place.
_LARGEST = 1 << 30
_MOST = 200
# Calls whose argument is a file that they write.
_WRITES = re.compile(r"^(to_|write|save|dump|mkdir|makedirs|export)")
_WRITE_MODES = frozenset("wax")


def named_files(
    parameters: Mapping[str, Any], sources: Iterable[str], beside: Path | None
) -> tuple[InputFile, ...]:
    """The files and URLs that are named, each once, as they are now.

    ``sources`` is the code of the task's cells; ``beside`` the notebook's directory, from which steps see files. Files of
    more than 1 GiB, directories, and what is on other machines have no hash. What DVC tracks has its version.
    """
    found: dict[str, InputFile] = {}
    named = [(name, text, True) for name, value in parameters.items() for text in _texts(value)]
    literals = dict.fromkeys(text for source in sources for text in _literals(source))
    for name, text, is_parameter in [*named, *((text, text, False) for text in literals)]:
        file = _file(name, text, beside, directories=is_parameter)
        if file is not None and len(found) < _MOST:
            found.setdefault(file.uri, file)
    return tuple(found.values())


def _texts(value: Any) -> list[str]:
    values = value[:_MOST] if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]


def _file(name: str, text: str, beside: Path | None, *, directories: bool) -> InputFile | None:
    if not text.strip() or len(text) > _LONGEST or "\0" in text or "\n" in text:
        return None
    url = urlsplit(text) if "://" in text else None
    if url is not None and url.scheme in _SCHEMES and "@" not in url.netloc:
        return InputFile(name[:255], text)
    try:
        is_absolute = "://" in text or Path(text).is_absolute()
        path = local_path(text) if is_absolute else beside / text if beside is not None else None
        if path is None:
            return None
        path = Path(os.path.normpath(path))
        if path.is_dir():
            # One that only happens to be called so (`.`, `data`) is not what a word means.
            if not (directories and is_absolute):
                return None
            return InputFile(name[:255], str(path), version=dvc.version(path, compare=False))
        if not path.is_file():
            return None
        size = path.stat().st_size
        held = content(path) if size <= _LARGEST else None
        version = dvc.version(path, compare=held is not None)
    except (OSError, ValueError):
        return None  # no step can read it either
    return InputFile(name[:255], str(path), held.sha256 if held else None, size, version)


def _literals(source: str) -> Iterator[str]:
    """The texts in code, apart from those that name what a call writes."""
    lines = ("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return  # another language, or more of IPython than its line magics
    written = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _is_write(call)
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in written:
            yield node.value


def _is_write(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            pass
        case _:
            return False
    if name != "open":
        return _WRITES.match(name) is not None
    modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and _WRITE_MODES.intersection(mode.value)
        for mode in modes
    )
