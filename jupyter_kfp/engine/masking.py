"""Keeping the values of secrets out of logs and messages."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO

MASK = "****"
# Shorter values ("1", "no") would blot out ordinary text and hide nothing.
_SHORTEST = 4
_LONGEST_LINE = 1 << 16


class Masker:
    """Replaces secret values. False in a condition when there is nothing to hide."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A secret of several lines reaches a log line by line.
        pieces = {piece for secret in secrets for piece in (secret, *secret.splitlines())}
        hidden = sorted((piece for piece in pieces if len(piece) >= _SHORTEST), key=len, reverse=True)
        self._text = re.compile("|".join(map(re.escape, hidden))) if hidden else None
        self._bytes = re.compile(b"|".join(re.escape(piece.encode()) for piece in hidden)) if hidden else None

    def __bool__(self) -> bool:
        return self._text is not None

    def mask(self, text: str) -> str:
        """The text without secrets."""
        return text if self._text is None else self._text.sub(MASK, text)

    def pump(self, source: IO[bytes], log: Path) -> threading.Thread:
        """Copy ``source`` to the end of ``log``, line by line and masked, in a thread of its own."""
        thread = threading.Thread(target=self._copy, args=(source, log), name=f"log {log}", daemon=True)
        thread.start()
        return thread

    def _copy(self, source: IO[bytes], log: Path) -> None:
        with source, log.open("ab", buffering=0) as target:
            while line := source.readline(_LONGEST_LINE):
                # A full disk loses log lines; a step must not hang because nobody reads its output.
                with contextlib.suppress(OSError):
                    target.write(line if self._bytes is None else self._bytes.sub(MASK.encode(), line))
