"""Measuring processes that do the same job, turn by turn, on a machine that may be doing other things."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One measurement, in seconds. ``cpu`` is that of the process and its children, 0 where it was not measured."""

    wall: float
    cpu: float = 0.0


def process(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Sample:
    """Run a command from cold to its end. Raises AssertionError with its output if it fails."""
    log = cwd / "benchmark.log"
    began = time.perf_counter()
    with log.open("wb") as out:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"{' '.join(map(str, command))} failed:\n{log.read_text(errors='replace')}"
    return Sample(wall, usage.ru_utime + usage.ru_stime)


def printed(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Sample:
    """What a process measured itself, printed as its last line, in seconds."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Sample(float(done.stdout.split()[-1]))


def per_unit(few: Sample, many: Sample, units: int) -> Sample:
    """What each of ``units`` takes that ``many`` has more than ``few``."""
    return Sample((many.wall - few.wall) / units)


def seconds(sample: Sample) -> str:
    """As the table has it."""
    cpu = f" ({sample.cpu:.2f} s CPU)" if sample.cpu else ""
    return f"{sample.wall:.2f} s{cpu}"


def alternate(contenders: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, Sample]:
    """The median of each contender over ``rounds``, after one round that fills caches.

    They take turns, so that what else the machine does meets all of them.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, measure in contenders.items():
            sample = measure()
            if number:
                samples[name].append(sample)
    return {
        name: Sample(statistics.median(s.wall for s in taken), statistics.median(s.cpu for s in taken))
        for name, taken in samples.items()
    }
