"""Keeping the values of secrets out of logs, messages and reports, also where they are written in another form.

Masked are: the value, and of one in several lines every line; as JSON, Python and HTML write it; percent-encoded; in
hexadecimal; in base64, also as a part of a longer text (``user:password``). Not masked are values and lines under 4
characters, encoded ones under 8, and what a program has changed otherwise: cut, reversed, hashed, broken into lines.
"""

from __future__ import annotations

import contextlib
import html
import json
import mmap
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, quote_plus

MASK = "****"
# Shorter values ("1", "no") would blot out ordinary text and hide nothing.
_SHORTEST = 4
# Encoded, a short value is a few letters that anything may hold.
_SHORTEST_CODED = 8
_LONGEST_LINE = 1 << 16


class Masker:
    """Replaces secret values. False in a condition when there is nothing to hide."""

    def __init__(self, secrets: Iterable[str]) -> None:
        given = [secret for secret in secrets if len(secret) >= _SHORTEST]
        self._hidden = _longest_first(form for secret in given for form in _forms(secret))
        self._bytes = [form.encode("utf-8", "surrogateescape") for form in self._hidden]
        # What keeps a result from being kept must be no ordinary word, such as the name of a user.
        long = (secret for secret in given if len(secret) >= _SHORTEST_CODED)
        self._kept_out = _longest_first(
            form for secret in long for form in _forms(secret) if len(form) >= _SHORTEST_CODED
        )

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def mask(self, text: str) -> str:
        """The text without secrets."""
        for form in self._hidden:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def mask_json(self, value: Any) -> Any:
        """A JSON value without secrets in its texts and keys."""
        match value:
            case str():
                return self.mask(value)
            case list():
                return [self.mask_json(item) for item in value]
            case dict():
                return {self.mask(key): self.mask_json(item) for key, item in value.items()}
        return value

    def mask_file(self, path: Path) -> None:
        """Take secrets out of a text file, which may be JSON; does nothing if it is not there."""
        if not self or not path.is_file():
            return
        before = path.read_text(encoding="utf-8", errors="surrogateescape")
        try:
            document = json.loads(before)
            masked = self.mask_json(document)
            # Written anew only if it must be: a notebook keeps its layout.
            after = before if masked == document else json.dumps(masked, ensure_ascii=False, indent=1)
        except ValueError:
            after = self.mask(before)
        if after != before:
            path.write_text(after, encoding="utf-8", errors="surrogateescape")

    def is_in(self, value: Any) -> bool:
        """Whether a JSON value holds a secret that is no ordinary word (8 characters or more)."""
        match value:
            case str():
                return any(form in value for form in self._kept_out)
            case list() | tuple():
                return any(map(self.is_in, value))
            case dict():
                return any(map(self.is_in, (*value, *value.values())))
        return False

    def is_in_file(self, path: Path) -> bool:
        """The same of a file, or of the files below a directory, byte by byte: what is compressed is not seen."""
        if not self._kept_out or not path.exists():
            return False
        forms = [form.encode("utf-8", "surrogateescape") for form in self._kept_out]
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        return any(_holds(file, forms) for file in files)

    def pump(self, source: IO[bytes], log: Path) -> threading.Thread:
        """Copy ``source`` to the end of ``log``, line by line and masked, in a thread of its own."""
        thread = threading.Thread(target=self._copy, args=(source, log), name=f"log {log}", daemon=True)
        thread.start()
        return thread

    def _copy(self, source: IO[bytes], log: Path) -> None:
        with source, log.open("ab", buffering=0) as target:

            def write(data: bytes) -> None:
                # A full disk loses log lines; a step must not hang because nobody reads its output.
                with contextlib.suppress(OSError):
                    target.write(data)

            self._pass_on(source, write)

    def _pass_on(self, source: IO[bytes], write: Callable[[bytes], object]) -> None:
        """Write what ``source`` has, masked, holding back what may be the beginning of a secret."""
        # A line is what `\r` ends, too, in progress bars; but a secret is not cut by a line that is too long.
        behind, overlap = b"", max(map(len, self._bytes), default=1) - 1
        while line := source.readline(_LONGEST_LINE):
            behind = self._masked(behind + line)
            if line.endswith(b"\n"):
                write(behind)
                behind = b""
            elif len(behind) > overlap:
                write(behind[: len(behind) - overlap])
                behind = behind[len(behind) - overlap :]
        write(behind)

    def _masked(self, data: bytes) -> bytes:
        for form in self._bytes:
            if form in data:
                data = data.replace(form, MASK.encode())
        return data


def _longest_first(forms: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(forms), key=len, reverse=True)


def _forms(secret: str) -> Iterator[str]:
    """A secret in all the ways in which it may be written."""
    # A secret of several lines reaches a log line by line; those of a PEM file's armour hide nothing.
    lines = (line.strip() for line in secret.splitlines())
    for text in (secret, secret.strip(), *lines):
        if len(text) >= _SHORTEST and not text.startswith("-----BEGIN ") and not text.startswith("-----END "):
            for plain in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
                yield from (plain, html.escape(plain), html.escape(plain, quote=False))
            yield repr(text)[1:-1]
    if len(secret) >= _SHORTEST_CODED:
        yield from _coded(secret)


def _coded(secret: str) -> Iterator[str]:
    data = secret.encode("utf-8", "surrogateescape")
    for percent in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield from (percent, _lower_escapes(percent))
    yield from (data.hex(), data.hex().upper())
    for shift in range(3):
        # The letters that the secret alone decides, where it begins anywhere in a longer text.
        coded = b64encode(bytes(shift) + data).decode()
        part = coded[(0, 2, 3)[shift] : (shift + len(data)) * 8 // 6]
        yield from (part, part.translate(str.maketrans("+/", "-_")))


def _lower_escapes(text: str) -> str:
    first, *rest = text.split("%")
    return "".join([first, *(f"%{part[:2].lower()}{part[2:]}" for part in rest)])


def _holds(file: Path, forms: Iterable[bytes]) -> bool:
    with file.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            return False
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(data.find(form) >= 0 for form in forms)
