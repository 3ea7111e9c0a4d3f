"""What of a run need not be executed: what it has finished before, or another run has.

A result of an earlier engine of this run (`resume`, `retry`), or of the run that ``run --from`` builds on, stands as
long as nothing before it came out anew. Results out of the cache stand by their key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_kfp.engine.dataflow import Produced, Values
from jupyter_kfp.engine.tree import Frame, Place, Spot
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import loading
from jupyter_kfp.store.artifacts import content, local_copy, local_path
from jupyter_kfp.store.records import ArtifactRecord, FinishedTask, RunRecord, Tries
from jupyter_kfp.store.store import Store


@dataclass(frozen=True, slots=True)
class Result:
    """What a task has made, and that it is still there."""

    source: FinishedTask
    outputs: Values


def checked(source: FinishedTask, downloads: Path) -> Result | None:
    """The task's outputs for use; None if a file of theirs is gone or is not what the task left.

    Every byte is read: a file's time and size say nothing of who wrote it. What is on another machine is fetched
    into ``downloads``.
    """
    found: dict[str, tuple[Produced, ...]] = {}
    for port, artifacts in source.artifacts.items():
        produced = []
        for artifact in artifacts:
            path = _path(artifact, downloads)
            if path is None:
                return None
            produced.append(Produced(artifact, artifact.id, path))
        found[port] = tuple(produced)
    return Result(source, Values(source.parameters, found))


def _path(artifact: ArtifactRecord, downloads: Path) -> Path | None:
    try:
        path = local_path(artifact.uri)
        if path is None:
            if artifact.sha256 is None:
                return None
            path = local_copy(artifact.uri, downloads / str(artifact.id))
        is_now = content(path)
    except (OSError, JupyterKfpError):
        return None
    same = (
        is_now is None if artifact.sha256 is None else is_now is not None and is_now.sha256 == artifact.sha256
    )
    return path if same else None


def all_checked(sources: Iterable[FinishedTask], downloads: Path) -> dict[str, Result]:
    """The results that still stand, by the path of their task."""
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda source: checked(source, downloads), sources)
        return {result.source.path: result for result in results if result is not None}


def trusted(store: Store, sources: Iterable[FinishedTask]) -> list[FinishedTask]:
    """The tasks whose outputs this user's steps may read: what somebody else has pickled would run code in them.

    Another user's runs are in the same store where that is a database for several. Where none may be written, none of
    one's own is taken, either.
    """
    forbidden = os.environ.get("JUPYTER_KFP_NO_PICKLE") == "1"
    if loading.consented() and not forbidden:
        return list(sources)
    runs: dict[str, RunRecord] = {}

    def is_fine(artifact: ArtifactRecord) -> bool:
        if loading.code_in(artifact) is None:
            return True
        if forbidden:
            return artifact.metadata.get("serializer") not in loading.PICKLES
        if artifact.run_id not in runs:
            runs[artifact.run_id] = store.unchecked_run(artifact.run_id)
        return loading.stranger(artifact, runs[artifact.run_id], local_path(artifact.uri)) is None

    return [s for s in sources if all(is_fine(each) for all_ in s.artifacts.values() for each in all_)]


@dataclass(slots=True)
class Earlier:
    """What is there when an engine begins.

    ``own``: the results are of this run, and are recorded as its own. ``lost``: tasks of this run whose results are
    recorded, but do not stand. ``anew``: the dotted place (without
    iterations) of a task that is executed whatever there is.
    """

    results: dict[str, Result] = field(default_factory=dict)
    tries: Mapping[str, Tries] = field(default_factory=dict)
    own: bool = True
    lost: tuple[str, ...] = ()
    anew: str | None = None


class Reuse:
    """Which earlier results stand, as a run goes along: a task is asked about before it begins."""

    def __init__(self, earlier: Earlier) -> None:
        self._earlier = earlier
        self.own = earlier.own
        # Tasks (and groups) that come out anew, and groups whose inputs do.
        self._changed: set[str] = set()
        self._stale_groups: set[str] = set()
        self._nothing = not earlier.results

    def holds(self, path: str) -> bool:
        """Whether there is a result of this task that has not been asked for."""
        return path in self._earlier.results

    @property
    def is_later(self) -> bool:
        """Whether another engine has worked on this run before."""
        return self.own and not (self._nothing and not self._earlier.tries)

    def left(self) -> list[str]:
        """The tasks of this run that nobody asked for: it does not have them any more."""
        return list(self._earlier.results) if self.own else []

    def tries(self, path: str) -> Tries:
        """The attempts at a task before this engine."""
        return self._earlier.tries.get(path, Tries(0, 0))

    def take(self, spot: Spot) -> Result | None:
        """The result of a task that is to begin, if it stands; else it counts as coming out anew."""
        if self._nothing:
            return None
        found = self._earlier.results.pop(spot.place.path, None)
        if found is not None and not self._is_stale(spot):
            return found
        self._change(spot)
        return None

    def enter(self, spot: Spot) -> None:
        """A group begins: where its inputs come out anew, so does all that is in it."""
        if not self._nothing and self._is_stale(spot):
            self._stale_groups.add(spot.place.path)
            self._change(spot)

    def skipped(self, spot: Spot) -> None:
        """A task or a group will not begin."""
        if not self._nothing and (self.holds(spot.place.path) or self._is_stale(spot)):
            self._change(spot)

    def drop(self, path: str) -> None:
        """The result of a task does not count any more."""
        del self._earlier.results[path]

    def is_wanted(self, spot: Spot) -> bool:
        """Whether a task is the one that the user wants executed."""
        return self._earlier.anew == ".".join(spot.place.keys)

    def _is_stale(self, spot: Spot) -> bool:
        frame = spot.frame
        return (
            self.is_wanted(spot)
            or _group(frame) in self._stale_groups
            or any(frame.place.task(key, 0).path in self._changed for key in spot.task.upstream)
        )

    def _change(self, spot: Spot) -> None:
        self._changed.add(spot.place.path)
        frame: Frame | None = spot.frame
        while frame is not None and frame.parent is not None:
            self._changed.add(_group(frame))
            frame = frame.parent


def _group(frame: Frame) -> str:
    """The path of the task that a frame is inside of; of a loop's iterations, that of the loop."""
    return "" if frame.parent is None else Place(frame.place.keys, frame.parent.place.iterations).path


def earlier(store: Store, run: RunRecord, downloads: Path) -> Earlier:
    """What is there when an engine begins with ``run``: its own results, or those it is to build on."""
    base = run.options.get("from")
    own, tries = store.finished_tasks(run.id), store.tries(run.id)
    # One that builds on another run and goes on: what it has taken and what it has made are its own.
    if base is None or own or tries:
        results = all_checked(own, downloads)
        lost = tuple(task.path for task in own if task.path not in results)
        return Earlier(results, tries, lost=lost)
    found = [
        task
        for task in trusted(store, store.finished_tasks(base["run"]))
        if task.state.is_success and _is_inside(task.path, base["before"])
    ]
    return Earlier(all_checked(found, downloads), own=False, anew=base["step"])


def _is_inside(path: str, places: Sequence[str]) -> bool:
    """Whether a task, whatever its iterations, is at one of these dotted places or inside of it."""
    place = path.partition("[")[0]
    return any(place == each or place.startswith(f"{each}.") for each in places)
