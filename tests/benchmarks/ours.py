"""This package as a user runs it: one command, from cold to the end of the run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from .timing import Sample

CLI = str(Path(sys.executable).with_name("jupyter-kfp"))
_LOOK_SECONDS = 0.2


@dataclass
class Ours:
    """Runs with a home directory of the benchmark's own. ``memory``: the most an engine took, in bytes."""

    home: Path
    memory: int = 0

    def run(self, pipeline: Path, *options: str, cache: bool = False, **environment: str) -> Sample:
        """Run to the end. Raises AssertionError with the output if that is not success."""
        command = [CLI, "run", str(pipeline), *options, *(() if cache else ("--no-cache",))]
        log = self.home.with_suffix(".log")
        began = time.perf_counter()
        with log.open("wb") as out:
            child = subprocess.Popen(
                command,
                cwd=pipeline.parent,
                env={**os.environ, "JUPYTER_KFP_HOME": str(self.home), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
            while child.poll() is None:
                self._look(child.pid)
                try:
                    child.wait(_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        wall = time.perf_counter() - began
        assert child.returncode == 0, f"{' '.join(command)} failed:\n{log.read_text(errors='replace')}"
        return Sample(wall)

    def _look(self, pid: int) -> None:
        try:
            for process in psutil.Process(pid).children():
                self.memory = max(self.memory, process.memory_info().rss)
        except psutil.Error:
            return

    @property
    def store_size(self) -> int:
        """Of the database, in bytes."""
        return sum(file.stat().st_size for file in self.home.glob("store.sqlite*"))


@pytest.fixture
def ours(tmp_path_factory: pytest.TempPathFactory) -> Ours:
    # Not beside the notebook: files there that change are a reason to execute steps anew.
    return Ours(tmp_path_factory.mktemp("ours") / "home")
