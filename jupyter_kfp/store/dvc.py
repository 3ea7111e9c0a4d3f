"""Which version of a file DVC has recorded, from what it keeps beside the data: ``FILE.dvc`` and ``dvc.lock``.

DVC itself is not needed, and no git: https://dvc.org/doc/user-guide/project-structure/dvc-files
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "dvc"
"""The key of an artifact's metadata, and of a run's provenance, that holds versions."""

_LOCK = "dvc.lock"
_LIMIT = 1000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Tracked:
    """What a file of DVC's says of one of its outputs."""

    path: Path
    recorded_in: Path
    entry: Mapping[str, Any]
    repository: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """``{"path", "file", "md5", "size", "nfiles", "repo", "rev", "version_id"}``, of which what is known."""
        entry, cloud = self.entry, self.entry.get("cloud") or {}
        remote = next((each for each in cloud.values() if isinstance(each, Mapping)), {})
        known = {
            "path": self.path.name,
            "file": self.recorded_in.name,
            "md5": entry.get("md5") or entry.get("checksum"),
            "etag": entry.get("etag") or remote.get("etag"),
            "version_id": remote.get("version_id"),
            "size": entry.get("size"),
            "nfiles": entry.get("nfiles"),
            "repo": self.repository.get("url"),
            "rev": self.repository.get("rev_lock") or self.repository.get("rev"),
        }
        return {name: value for name, value in known.items() if value is not None}


def version(path: Path, *, compare: bool = True) -> dict[str, Any] | None:
    """The version of a file or directory that DVC tracks, itself or as part of a directory; None if it does not.

    ``{"path", "file", "md5", "size", ...}``: what is tracked, the file of DVC's that says so, the hash there (of a
    directory with ``.dir`` behind it), and for imported data ``repo`` and ``rev``. ``modified`` is true where the
    content is another one by now; it is left out where that cannot be told, or is not asked for (``compare``: it reads all
    of the data).
    """
    path = path.absolute()
    for place in (path, *path.parents):
        for found in _beside(place):
            told = found.as_dict()
            changed = _is_modified(place, found.entry) if compare else None
            if changed is not None:
                told["modified"] = changed
            return told
        if (place / ".dvc").is_dir() or (place / ".git").exists():
            return None  # the top of the project
    return None


def tracked(directory: Path) -> dict[str, dict[str, Any]]:
    """What DVC tracks in a directory and those below it, by path from there; at most 1,000.

    Nothing of the data is read.
    """
    found: dict[str, dict[str, Any]] = {}
    for file in _files(directory):
        for each in _read(file):
            if len(found) >= _LIMIT:
                return found
            if each.path.is_relative_to(directory):
                found[each.path.relative_to(directory).as_posix()] = each.as_dict()
    return found


def _files(directory: Path) -> Iterator[Path]:
    """The files of DVC's, the topmost first; nothing below hidden directories, such as environments and caches."""
    try:
        inside = sorted(directory.iterdir())
    except OSError:
        return
    yield from (path for path in inside if path.is_file() and (path.suffix == ".dvc" or path.name == _LOCK))
    for path in inside:
        if (
            path.is_dir()
            and not path.is_symlink()
            and path.name[0] not in "._"
            and path.name != "node_modules"
        ):
            yield from _files(path)


def _beside(path: Path) -> Iterator[_Tracked]:
    """What DVC's own file for ``path`` says of it, and the lock files of its directory and those above."""
    if not path.name:
        return
    locks = []
    for above in path.parents:
        locks.append(above / _LOCK)
        if (above / ".dvc").is_dir():
            break
    for file in (path.with_name(f"{path.name}.dvc"), *locks):
        if file.is_file():
            yield from (found for found in _read(file) if found.path == path)


def _read(file: Path) -> Iterator[_Tracked]:
    """What a file of DVC's tracks; nothing where it cannot be read."""
    document = _yaml(file)
    if file.name != _LOCK:
        wdir = _joined(file.parent, document.get("wdir") or ".")
        deps = document.get("deps") or [{}]
        repository = deps[0].get("repo") if isinstance(deps[0], Mapping) else None
        yield from _outputs(file, wdir, document.get("outs"), repository or {})
        return
    stages = document.get("stages") or {}
    written = _yaml(file.with_name("dvc.yaml")).get("stages") or {}
    for name, stage in stages.items() if isinstance(stages, Mapping) else ():
        stated = written.get(name) if isinstance(written, Mapping) else None
        place = stated.get("wdir") if isinstance(stated, Mapping) else None
        if isinstance(stage, Mapping):
            yield from _outputs(file, _joined(file.parent, str(place or ".")), stage.get("outs"), {})


def _outputs(file: Path, wdir: Path, outputs: Any, repository: Mapping[str, Any]) -> Iterator[_Tracked]:
    for entry in outputs if isinstance(outputs, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("path"), str):
            yield _Tracked(_joined(wdir, entry["path"]), file, entry, repository)


def _joined(directory: Path, path: str) -> Path:
    """The path without ``..``: symbolic links stay what they are."""
    parts: list[str] = []
    for part in (directory / path).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return Path(*parts)


def _yaml(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return document if isinstance(document, Mapping) else {}


def _is_modified(path: Path, entry: Mapping[str, Any]) -> bool | None:
    """Whether the content differs from the one recorded; None for hashes other than DVC 3's md5 of the bytes."""
    expected = entry.get("md5")
    if entry.get("hash") != "md5" or not isinstance(expected, str) or not path.exists():
        return None
    if path.is_dir():
        return f"{_directory_md5(path)}.dir" != expected
    return path.stat().st_size != entry.get("size", path.stat().st_size) or _md5(path) != expected


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _directory_md5(path: Path) -> str:
    """As DVC has it: of the JSON list of all files, by their paths (``dvc_data.hashfile.tree``)."""
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listed = [{"md5": _md5(file), "relpath": name} for name, file in files]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
