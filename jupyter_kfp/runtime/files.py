"""Artifacts as files: digest, size, copying, removal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path


def files(path: Path) -> Iterator[Path]:
    """``path`` itself, or the files below it, in the order of their names."""
    return iter(sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes; of a directory: of each file's relative name and digest, sorted."""
    total = sha256()
    for file in files(path):
        if file != path:
            total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\0".encode())
        else:
            with file.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    total.update(chunk)
    return total.hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a directory."""
    return sum(file.stat().st_size for file in files(path))


def copy(source: Path, target: Path) -> None:
    """Copy a file or directory to ``target``, which does not exist yet; an empty file where there is none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copyfile(source, target)
    else:
        target.touch()


def remove(path: Path) -> None:
    """Remove a file or directory, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
