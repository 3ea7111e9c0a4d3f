"""When a task's outputs may stand for executing it again: its cache key. Pure, but for `Surroundings`.

As on Kubeflow Pipelines, a task is reused where the same command ran on the same inputs in a pipeline of the same
name, unless it says otherwise (``cachingOptions``). Unlike there, artifacts count by content and not by name, and
what a process of this machine sees beside its inputs counts too: its environment variables, the packages of this
Python and the files beside the notebook. What it gets from elsewhere (network, clock, chance) cannot be seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_kfp.engine.dataflow import Produced, Values
from jupyter_kfp.engine.directories import visible_entries
from jupyter_kfp.engine.installed import installed_packages
from jupyter_kfp.engine.plan import Component, Container, FinalStatus, Task
from jupyter_kfp.engine.tree import is_exit_task
from jupyter_kfp.store import location
from jupyter_kfp.store.artifacts import local_path

OFF = "JUPYTER_KFP_CACHE"
"""The environment variable that, being 0, switches reuse off for all runs."""
_TTL = "JUPYTER_KFP_CACHE_TTL"
# What the compiler itself writes into the environment of a step; the code of the step does not look at it.
_OWN_VARIABLES = frozenset({_TTL, "JUPYTER_KFP_PROVENANCE"})
# Files up to this size count by content, larger ones by size and time of their last change.
_SMALL = 1 << 16
_MOST_FILES = 10_000


@dataclass(frozen=True)
class Surroundings:
    """What every step of a run sees: this Python, and the files beside the notebook (``file`` apart).

    ``runner``: what runs the steps, and in which image those that name none; empty for processes.
    """

    source: Path | None
    file: Path | None = None
    runner: str = ""

    @cached_property
    def digest(self) -> str | None:
        """One text for all of it; None where there are too many files to tell what changed."""
        files = [] if self.source is None else list(_first(_files(self.source, self.file), _MOST_FILES + 1))
        if len(files) > _MOST_FILES:
            return None
        return _digest([_python(), sorted(files), self.runner])


def time_to_live(container: Container) -> float | None:
    """For how many seconds a task's result may be reused; None: for ever. What is no number allows none."""
    text = container.env.get(_TTL)
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def cache_key(
    pipeline: str,
    task: Task,
    component: Component,
    executor: object,
    inputs: Values,
    *,
    config: Mapping[str, str],
    surroundings: Surroundings,
    place: Sequence[str] = (),
) -> str | None:
    """The key of a task; None for one that is always executed.

    Those are tasks with caching off, importers, tasks that clean up or ask how others ended, those that use the
    workspace (others change it), and those that read an artifact whose content is not known. ``config`` has the
    values of the task's ConfigMaps, ``place`` says what runs it where that is no process. A ``cacheKey`` of the task's own stands for its inputs, image and code.
    """
    if not task.enable_cache or not isinstance(executor, Container) or is_exit_task(task):
        return None
    if any(isinstance(source, FinalStatus) for source in task.parameters.values()):
        return None
    outputs = {
        "parameters": {name: spec.kind.value for name, spec in component.output_parameters.items()},
        "artifacts": {name: spec.schema_title for name, spec in component.output_artifacts.items()},
    }
    if task.cache_key:
        return _digest([pipeline, component.name, outputs, "key", task.cache_key])
    command = [*executor.command, *executor.args]
    if any("workspace_path" in word for word in command):
        return None
    artifacts = {port: [_content(each) for each in all_] for port, all_ in inputs.artifacts.items()}
    around = surroundings.digest
    if around is None or any(each is None for all_ in artifacts.values() for each in all_):
        return None
    env = {name: value for name, value in executor.env.items() if name not in _OWN_VARIABLES}
    secrets = [[each.variable, each.source, each.key] for each in executor.secrets]
    seen = [executor.image, command, env, secrets, dict(config), around, list(place)]
    return _digest([pipeline, outputs, seen, dict(inputs.parameters), artifacts])


def _content(produced: Produced) -> Any:
    """What a step can see of an artifact; None where its content is not known."""
    artifact = produced.artifact
    if artifact.sha256 is None and (local_path(artifact.uri) is None or produced.path.exists()):
        return None
    return [artifact.name, artifact.type, dict(artifact.metadata), artifact.sha256]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _first(items: Iterator[Any], count: int) -> Iterator[Any]:
    return (item for _number, item in zip(range(count), items, strict=False))


def _python() -> list[Any]:
    """This Python, with the packages that are installed."""
    return [sys.implementation.name, list(sys.version_info[:3]), installed_packages()]


def _files(directory: Path, own: Path | None) -> Iterator[list[Any]]:
    """The files that steps see beside the notebook, each with its name and what tells it from another one.

    Runs and their store may be kept there, too: they are no data, and reading SQLite's files would break its locks.
    """
    places = location.own_paths()
    for entry in visible_entries(directory):
        if own is not None and entry == own:
            continue
        for file in _inside(entry, places):
            try:
                status = file.stat()
                small = status.st_size <= _SMALL
                told = hashlib.sha256(file.read_bytes()).hexdigest() if small else status.st_mtime_ns
            except OSError:
                continue  # no step can read it either
            yield [file.relative_to(directory).as_posix(), status.st_size, told]


def _inside(entry: Path, own: frozenset[Path]) -> Iterator[Path]:
    """The files in ``entry``, be it a directory or a file, but for those of ``own``."""
    names_of_own = {path.name for path in own}

    def is_data(path: Path) -> bool:
        return path.name not in names_of_own or path.resolve() not in own

    if entry.resolve() in own:
        return
    if not entry.is_dir():
        if entry.is_file():
            yield entry
        return
    for place, folders, names in os.walk(entry):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name != "__pycache__" and is_data(Path(place, name))
        )
        files = (Path(place, name) for name in names)
        yield from (file for file in files if is_data(file) and file.is_file())
