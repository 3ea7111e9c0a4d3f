"""Where artifacts are kept: a directory, or any URL that fsspec knows.

Steps read and write local files only. With a local root these are the artifacts themselves; with another,
steps work in a staging directory and what they made is copied to the root when they succeed.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_kfp.errors import JupyterKfpError

_PROBE = ".jupyter-kfp-probe"
_CHUNK = 1 << 20


class ArtifactRootError(JupyterKfpError):
    """Artifacts cannot be written or read where they should be."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file or directory holds: a digest of names and bytes, and the size in bytes."""

    sha256: str
    size: int


class ArtifactRoot:
    """The place of one run's artifacts. ``staging`` is where steps write if ``url`` is not local."""

    def __init__(self, url: str, staging: Path) -> None:
        self.url = url.rstrip("/")
        self._local = local_path(url)
        self._staging = staging

    @property
    def is_local(self) -> bool:
        """Whether steps write the artifacts in place."""
        return self._local is not None

    def working_path(self, *parts: str) -> Path:
        """The local path a step writes to."""
        return (self._local or self._staging).joinpath(*parts)

    def publish(self, *parts: str) -> str:
        """Put what a step wrote at `working_path` where it belongs; returns its URI. Nothing written: no copy."""
        path = self.working_path(*parts)
        if self._local is not None:
            return str(path)
        uri = "/".join((self.url, *parts))
        if path.exists():
            with _explained(self.url):
                upload(path, uri)
        return uri

    def check(self) -> None:
        """Write and remove a small file. Raises ArtifactRootError if that cannot be done."""
        data = b"\0" * 4096  # more than a file system keeps inside an inode
        with _explained(self.url):
            if self._local is not None:
                self._local.mkdir(parents=True, exist_ok=True)
                probe = self._local / _PROBE
                try:
                    probe.write_bytes(data)
                finally:
                    probe.unlink(missing_ok=True)
                return
            filesystem, remote = _filesystem(f"{self.url}/{_PROBE}")
            filesystem.makedirs(remote.rpartition("/")[0], exist_ok=True)
            filesystem.pipe_file(remote, data)
            filesystem.rm_file(remote)

    def is_full(self) -> bool:
        """Whether a local root's disk has next to nothing left."""
        if self._local is None:
            return False
        status = os.statvfs(self._local)
        return status.f_bavail * status.f_frsize < _CHUNK // 16


def local_path(uri: str) -> Path | None:
    """The path a URI (``file://...`` or a plain path) means on this machine; None for other schemes."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in uri else Path(uri).expanduser().absolute()


def upload(path: Path, uri: str) -> None:
    """Put a file, or all files of a directory, at a URI.

    One by one: where fsspec is given several, it takes the brackets in the path of a loop's task for a pattern.
    """
    filesystem, remote = _filesystem(uri)
    for file in _files(path) if path.is_dir() else [path]:
        target = f"{remote}/{file.relative_to(path).as_posix()}" if file != path else remote
        filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
        filesystem.put_file(str(file), target)


def local_copy(uri: str, directory: Path) -> Path:
    """The artifact as a local path: itself if it is local, else copied into ``directory``."""
    path = local_path(uri)
    if path is not None:
        return path
    target = directory / uri.rpartition("/")[2]
    with _explained(uri):
        filesystem, remote = _filesystem(uri)
        for file in filesystem.find(remote) if filesystem.isdir(remote) else [remote]:
            copy = target / file[len(remote) :].strip("/") if file != remote else target
            copy.parent.mkdir(parents=True, exist_ok=True)
            filesystem.get_file(file, str(copy))
    return target


def remove(uri: str) -> int:
    """Remove all that is kept under a URI that is not local; returns how many bytes that were.

    Raises ArtifactRootError if that cannot be done. Nothing there is nothing to do.
    """
    with _explained(uri):
        filesystem, remote = _filesystem(uri)
        if not filesystem.exists(remote):
            return 0
        size = sum(filesystem.sizes(filesystem.find(remote)))
        filesystem.rm(remote, recursive=True)
        return int(size)


def content(path: Path) -> Content | None:
    """Digest and size of a file or a directory tree; None if there is nothing."""
    if path.is_dir():
        digest, size = hashlib.sha256(), 0
        for file in _files(path):
            inner = _file_content(file)
            digest.update(
                f"{file.relative_to(path).as_posix()}\0{inner.sha256}\0".encode("utf-8", "surrogateescape")
            )
            size += inner.size
        return Content(digest.hexdigest(), size)
    return _file_content(path) if path.is_file() else None


def _file_content(path: Path) -> Content:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Content(digest.hexdigest(), size)


def _files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path


def _filesystem(uri: str) -> tuple[Any, str]:
    """Fsspec's file system of a URI, and the path in it."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    return filesystem, str(path)


class _explained:  # noqa: N801 (a context manager, read as a verb)
    """Turns what goes wrong inside into an ArtifactRootError about ``place``."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        # fsspec's file systems raise their libraries' own errors, which share no base but Exception.
        if not isinstance(error, Exception) or isinstance(error, ArtifactRootError):
            return
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            message, remedy = f"The disk of the artifact root {self._place} is full.", "Free space there"
        elif isinstance(error, ImportError | ValueError):
            message = f"Artifacts cannot be kept at {self._place} ({error})."
            remedy = "Install the package that knows this kind of URL"
        else:
            message, remedy = f"The artifact root {self._place} cannot be used ({error}).", "Make it writable"
        raise ArtifactRootError(message, f"{remedy}, or choose another root.") from error
