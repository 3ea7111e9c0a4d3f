"""The log of an attempt once more, as JSON Lines: one object a line, for programs that collect logs.

::

    {"time": "2026-01-31T12:00:00.123+00:00", "level": "INFO", "run_id": "…", "task": "train[2]", "attempt": 1,
     "source": "step", "message": "epoch 1"}

``source`` is ``step`` for what the step printed, ``engine`` for what the engine says of it (with ``state`` and
``exit_code`` at the end). The step writes its plain log itself, which so outlives this engine; it is read here as it
grows, already masked. ``time`` is when a line was seen, up to a quarter of a second after it was written.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from jupyter_kfp.store.records import AttemptRecord, Failure, State

_LOOK_SECONDS = 0.25
_LAST_SECONDS = 0.5
_LONGEST_LINE = 1 << 16
_AT_ONCE = 1 << 18  # bytes
# As Python's logging and most others write it: in capitals, near the beginning of a line.
_LEVEL = re.compile(rb"\b(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_LEVELS = {b"WARN": "WARNING", b"FATAL": "CRITICAL"}


def path_of(log: Path) -> Path:
    """The JSON log beside a plain one."""
    return log.with_suffix(".jsonl")


class JsonLog:
    """The JSON log of one attempt."""

    def __init__(self, log: Path, *, run_id: str, task: str, attempt: int) -> None:
        self._log = log
        self._ids = {"run_id": run_id, "task": task, "attempt": attempt}
        self._done = threading.Event()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Copies what is written to the plain log meanwhile."""
        thread = threading.Thread(target=self._follow, name=f"json {self._log}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def end(self, state: State, exit_code: int | None, failure: Failure | None) -> None:
        """The last line: how the attempt ended."""
        level = "ERROR" if state is State.FAILED else "INFO"
        message = failure.message if failure else f"Attempt {self._ids['attempt']} ended: {state.value}."
        more = {"state": state.value, "exit_code": exit_code}
        # A full disk loses log lines, not runs.
        with suppress(OSError), path_of(self._log).open("a", encoding="utf-8") as target:
            target.write(_line(self._ids, level, "engine", message, **more))

    def _follow(self) -> None:
        # Made by the attempt, with its directory.
        while not self._log.exists() and not self._done.wait(_LOOK_SECONDS):
            pass
        with (
            suppress(OSError),
            self._log.open("rb") as source,
            path_of(self._log).open("a", encoding="utf-8") as target,
        ):
            rest, last = b"", False
            while not last:
                last = self._done.wait(_LOOK_SECONDS)
                rest = self._copy(source, rest, target)
                target.flush()
            if rest:
                target.writelines(_step_lines(self._ids, [rest]))

    def _copy(self, source: IO[bytes], rest: bytes, target: IO[str]) -> bytes:
        """Copy the lines there are; returns the beginning of one that is not complete.

        Once the attempt has ended the run does not wait for all of a long log: `read` finds the rest.
        """
        deadline = None
        while lines := source.readlines(_AT_ONCE):
            lines[0] = rest + lines[0]
            rest = b"" if lines[-1].endswith(b"\n") or len(lines[-1]) > _LONGEST_LINE else lines.pop()
            target.writelines(_step_lines(self._ids, lines))
            if self._done.is_set():
                deadline = deadline or time.monotonic() + _LAST_SECONDS
                if time.monotonic() > deadline:
                    return b""
        return rest


def read(run_id: str, task: str, attempt: AttemptRecord) -> Iterator[dict[str, Any]]:
    """The JSON log of an attempt.

    Where there is none, or less than the plain log has (its engine died, or it ran on a cluster), the lines of that,
    without a time.
    """
    told = list(_read(path_of(Path(attempt.log))))
    yield from (each for each in told if each["source"] == "step")
    seen = sum(each["source"] == "step" for each in told)
    ids = {"run_id": run_id, "task": task, "attempt": attempt.number}
    with suppress(FileNotFoundError), Path(attempt.log).open("rb") as source:
        rest = [line for number, line in enumerate(source) if number >= seen]
        yield from map(json.loads, _step_lines(ids, rest, known=False))
    yield from (each for each in told if each["source"] != "step")


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with suppress(FileNotFoundError), path.open(encoding="utf-8") as lines:
        for line in lines:
            with suppress(ValueError):  # half a line, where the engine died
                yield json.loads(line)


def _step_lines(ids: dict[str, Any], lines: list[bytes], *, known: bool = True) -> Iterator[str]:
    """Lines of a step that were seen now, or (not ``known``) at some time."""
    seen = json.dumps(_now()) if known else "null"
    told = json.dumps(ids, ensure_ascii=False)[1:-1]
    for line in lines:
        found = _LEVEL.search(line, 0, 100)
        level = _LEVELS.get(found[1], found[1].decode()) if found else "INFO"
        message = json.dumps(line.decode("utf-8", "replace").rstrip("\r\n"), ensure_ascii=False)
        yield f'{{"time": {seen}, "level": "{level}", {told}, "source": "step", "message": {message}}}\n'


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _line(ids: dict[str, Any], level: str, source: str, message: str, **more: object) -> str:
    told = {"time": _now(), "level": level, **ids, "source": source, "message": message, **more}
    return json.dumps(told, ensure_ascii=False) + "\n"
