"""Where one try at a task keeps its things.

::

    <run>/tasks/<task>/<n>/work/                  the working directory
    <run>/tasks/<task>/<n>/log.txt                standard output and error
    <run>/tasks/<task>/<n>/log.jsonl              the same with times and ids, see `jsonlog`
    <run>/tasks/<task>/<n>/executor_output.json   KFP's executor output
    <run>/tasks/<task>/<n>/parameters/<port>      output parameters written as files
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class AttemptDirectory:
    """The paths of one attempt, under ``base``."""

    base: Path

    @property
    def work(self) -> Path:
        """The working directory of the step's process."""
        return self.base / "work"

    @property
    def log(self) -> Path:
        """The log file."""
        return self.base / "log.txt"

    @property
    def executor_output(self) -> Path:
        """Where the step says what it made."""
        return self.base / "executor_output.json"

    def parameter(self, port: str) -> Path:
        """The file of an output parameter."""
        return self.base / "parameters" / safe(port)

    def create(self, source: Path | None) -> None:
        """Make the directories, with the entries of the notebook's directory visible in the working one."""
        self.work.mkdir(parents=True)
        (self.base / "parameters").mkdir()
        if source is not None:
            link_entries(source, self.work)


def attempt_directory(run: Path, task: str, number: int) -> AttemptDirectory:
    """The directory of try ``number`` at the task with the path ``task``."""
    return AttemptDirectory(run / "tasks" / safe(task) / str(number))


def safe(name: str) -> str:
    """A name as a single, harmless path component."""
    return quote(name, safe="[] ") if name.strip(".") else name.replace(".", "%2E")


def link_entries(source: Path, target: Path) -> None:
    """Symlinks in ``target`` to what a step may read in ``source``."""
    for entry in visible_entries(source):
        (target / entry.name).symlink_to(entry.absolute())


def visible_entries(source: Path) -> list[Path]:
    """What a step may read in ``source``, the notebook's directory.

    Hidden entries (checkpoints, ``.env``), Python's caches and notebooks with their HTML are left out: they
    are the author's, not the pipeline's data. A source that does not exist gives nothing.
    """
    if not source.is_dir():
        return []
    entries = list(source.iterdir())
    notebooks = {entry.stem for entry in entries if entry.suffix == ".ipynb"}

    def is_visible(entry: Path) -> bool:
        own_output = entry.suffix == ".ipynb" or (entry.suffix == ".html" and entry.stem in notebooks)
        return not (entry.name.startswith(".") or entry.name == "__pycache__" or own_output)

    return [entry for entry in entries if is_visible(entry)]
