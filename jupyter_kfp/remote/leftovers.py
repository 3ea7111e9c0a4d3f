"""What a run left under its pipeline root: ``<root>/<pipeline>/<run>/<task>/<salt>/<port>``.

backend/src/v2/driver/driver.go, provisionOutputs. The salt is new for every execution, so that a task of a loop has
several, and one that was executed again; which is which is told by when they ended.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jupyter_kfp.store.artifacts import ArtifactRootError
from jupyter_kfp.store.mirror import SeenTask
from jupyter_kfp.store.records import TaskKind

LOGS = "executor-logs"
# One per try: backend/src/v2/component/launcher_v2.go, qualifyExecutorLogsURI. Versions before wrote over it.
_LOG = re.compile(rf"{LOGS}(?:-(\d+))?")
_FAR = 1e12


@dataclass(slots=True)
class Leftovers:
    """What one execution of a task left: sizes of files by path below it, and when it was done."""

    uri: str
    files: dict[str, int] = field(default_factory=dict)
    modified: float = 0.0

    @property
    def ports(self) -> list[str]:
        """The names of its outputs."""
        return list(dict.fromkeys(path.partition("/")[0] for path in self.files))

    def logs(self, tries: int) -> dict[int, str]:
        """Where the logs of its tries are, by their position among so many."""
        found = {}
        for path in self.files:
            name = _LOG.fullmatch(path.partition("/")[0])
            if name is not None:
                found[tries - 1 if name[1] is None else int(name[1])] = f"{self.uri}/{path}"
        return found

    def size(self, port: str) -> int:
        """Bytes of an output, a file or a directory."""
        return sum(n for path, n in self.files.items() if path == port or path.startswith(f"{port}/"))


class Root:
    """The place of one run's artifacts. Raises ArtifactRootError where it cannot be read."""

    def __init__(self, url: str) -> None:
        # KFP's own name for its S3-compatible store; where that is, AWS_ENDPOINT_URL says.
        self.url = url.replace("minio://", "s3://", 1).rstrip("/")

    def executions(self) -> dict[str, list[Leftovers]]:
        """What there is, by task, in the order it was done."""
        filesystem, base = self._filesystem(self.url)
        try:
            if not filesystem.exists(base):
                return {}
            files: Mapping[str, Mapping[str, Any]] = filesystem.find(base, detail=True)
        except Exception as error:  # file systems raise their libraries' own errors
            raise _unreadable(self.url, error) from error
        found: dict[tuple[str, str], Leftovers] = {}
        for path, info in files.items():
            task, salt, *rest = path.removeprefix(base).strip("/").split("/")
            if rest:
                uri = f"{self.url}/{task}/{salt}"
                left = found.setdefault((task, salt), Leftovers(uri))
                left.files["/".join(rest)] = int(info.get("size") or 0)
                left.modified = max(left.modified, _modified(info))
        by_task: dict[str, list[Leftovers]] = defaultdict(list)
        for (task, _salt), left in sorted(found.items(), key=lambda item: item[1].modified):
            by_task[task].append(left)
        return by_task

    def text(self, uri: str) -> str:
        """A file."""
        filesystem, path = self._filesystem(uri)
        try:
            # All of it: S3 refuses any range of an empty file.
            return str(filesystem.cat_file(path).decode("utf-8", "replace"))
        except Exception as error:  # as above
            raise _unreadable(uri, error) from error

    def _filesystem(self, url: str) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(url)
        except Exception as error:  # a missing driver, too, raises what it likes
            raise _unreadable(url, error) from error
        filesystem.invalidate_cache()
        return filesystem, str(path).rstrip("/")


def matched(tasks: Iterable[SeenTask], executions: Mapping[str, Sequence[Leftovers]]) -> dict[str, Leftovers]:
    """What each task left, by path.

    Of those that were tried as often, in the order they ended. Where there is more than one for each (it was executed again) or less (results were
    reused), those nearest in time.
    """
    waiting: dict[str, list[SeenTask]] = defaultdict(list)
    for task in tasks:
        if task.task.kind is TaskKind.TASK and task.attempts:
            waiting[task.task.key].append(task)
    found = {}
    for key, all_of_key in waiting.items():
        for several, lefts in _alike(sorted(all_of_key, key=_ended), executions.get(key, ())):
            ends, moments = [_ended(task) for task in several], [left.modified for left in lefts]
            for number, which in _nearest(ends, moments):
                found[several[number].task.path] = lefts[which]
    return found


def _alike(
    tasks: Sequence[SeenTask], lefts: Sequence[Leftovers]
) -> Iterator[tuple[Sequence[SeenTask], Sequence[Leftovers]]]:
    """Tasks and what may be theirs: what was tried as often, if that comes out even."""
    tried: dict[int, tuple[list[SeenTask], list[Leftovers]]] = defaultdict(lambda: ([], []))
    for task in tasks:
        tried[len(task.attempts)][0].append(task)
    for left in lefts:
        tried[len(left.logs(1))][1].append(left)
    if all(len(some) == len(others) for some, others in tried.values()):
        yield from tried.values()
    else:
        yield tasks, lefts


def _ended(task: SeenTask) -> float:
    return task.ended_at.timestamp() if task.ended_at else _FAR


def _nearest(some: Sequence[float], others: Sequence[float]) -> list[tuple[int, int]]:
    """As many pairs of positions as there can be, both in their order, with the least distance in all."""
    if len(some) > len(others):
        return [(one, other) for other, one in _nearest(others, some)]
    spare = len(others) - len(some)
    # costs[i][s]: of the best pairs of the first i, after passing s of the others over.
    costs = [[0.0] * (spare + 1)]
    for number, moment in enumerate(some):
        costs.append([float("inf")] * (spare + 1))
        for passed in range(spare + 1):
            paired = costs[number][passed] + abs(moment - others[number + passed])
            costs[-1][passed] = min(paired, costs[-1][passed - 1] if passed else paired)
    pairs, passed = [], spare
    for number in range(len(some), 0, -1):
        while passed and costs[number][passed - 1] <= costs[number][passed]:
            passed -= 1
        pairs.append((number - 1, number - 1 + passed))
    return pairs[::-1]


def _modified(info: Mapping[str, Any]) -> float:
    moment = (
        info.get("mtime") or info.get("LastModified") or info.get("updated") or info.get("created") or 0.0
    )
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, str):
        try:
            return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return 0.0
    return float(moment)


def _unreadable(place: str, error: Exception) -> ArtifactRootError:
    return ArtifactRootError(
        f"What the run left at {place} cannot be read here ({error}).",
        "Install the package for this kind of URL (pip install 'jupyter-kfp[s3]' or [gcs]) and give its "
        "credentials, and AWS_ENDPOINT_URL for an S3-compatible store.",
    )
