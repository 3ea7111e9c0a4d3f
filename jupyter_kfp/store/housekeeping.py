"""Removing runs: their rows, their artifacts, their logs and working directories. `retention` says which.

The rows go first, in one transaction that looks once more whether anybody uses the run, then the files. In between,
a note in ``<home>/removed`` says what is still to be done, should this process die.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Text, cast, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import location, schema
from jupyter_kfp.store.artifacts import ArtifactRootError, local_path, remove
from jupyter_kfp.store.database import Database, StoreError
from jupyter_kfp.store.records import RunRecord, State
from jupyter_kfp.store.retention import Candidate
from jupyter_kfp.store.store import Store


@dataclass(frozen=True, slots=True)
class Removed:
    """A run that is gone. ``freed``: bytes. ``left``: why its files (or some) are still there, or None."""

    id: str
    freed: int
    left: str | None = None


def candidates(database: Database) -> list[Candidate]:
    """All runs, with what housekeeping has to know of them. Those whose engine is dead have ended by now."""
    records = Store(database).runs()
    with database.reading() as session:
        pinned = set(session.scalars(select(schema.Run.id).where(schema.Run.pinned)))
        in_part = set(session.scalars(select(schema.Artifact.run_id).where(schema.Artifact.pinned)))
        approved = set(session.scalars(select(schema.Approval.run_id)))
        uses = _uses(session, records)
        away = _sizes_away(session)
    protected = dict.fromkeys(in_part, "an artifact of it is pinned")
    protected |= dict.fromkeys(approved, "an artifact of it is approved")
    protected |= dict.fromkeys(pinned, "it is pinned")
    for run in records:
        if not run.state.is_final:
            protected[run.id] = "it is going on"
            base = (run.options.get("from") or {}).get("run")
            if base:
                protected.setdefault(base, f"run {run.id}, which is going on, builds on it")
        elif _is_elsewhere(run):
            protected.setdefault(run.id, f"its files are on the machine {run.host!r}")
    return [
        Candidate(
            id=run.id,
            pipeline=run.pipeline,
            state=run.state.value,
            created_at=run.created_at,
            ended_at=run.ended_at,
            size=_size(_directories(run)) + (away.get(run.id, 0) if _remote_root(run) else 0),
            protected=protected.get(run.id),
            uses=frozenset(uses[run.id]),
        )
        for run in records
    ]


def pin(database: Database, run_id: str, *, pinned: bool = True) -> str:
    """Have housekeeping keep a run, or not. Returns its whole id. Raises UsageError if there is no such run."""
    run_id = Store(database).unchecked_run(run_id).id
    with database.writing() as session:
        session.execute(update(schema.Run).where(schema.Run.id == run_id).values(pinned=pinned))
    return run_id


def pinned(database: Database) -> list[str]:
    """The ids of the runs that are pinned, newest first."""
    query = select(schema.Run.id).where(schema.Run.pinned).order_by(schema.Run.created_at.desc())
    with database.reading() as session:
        return list(session.scalars(query))


def remove_runs(database: Database, run_ids: Sequence[str]) -> Iterator[Removed]:
    """Remove runs, each when those that use it are gone. What somebody has begun to use meanwhile stays."""
    waiting, done = list(run_ids), True
    while waiting and done:
        done = False
        for run_id in list(waiting):
            record = _record(database, run_id)
            if record is None:  # somebody else was quicker
                waiting.remove(run_id)
                continue
            note = _note(database, record)
            if not _remove_rows(database, run_id):
                note.unlink()
                continue
            waiting.remove(run_id)
            done = True
            yield _remove_files(record, note)


def finish(database: Database) -> list[Removed]:
    """Remove the files of runs that an earlier process had no time for."""
    done = []
    for note in sorted((location.home() / "removed").glob("*.json")):
        with suppress(ValueError, KeyError, FileNotFoundError):
            told = json.loads(note.read_text(encoding="utf-8"))
            if told["store"] != database.place:
                continue
            if _record(database, told["run"]) is not None:
                note.unlink()  # that process died before its transaction was committed
                continue
            done.append(_remove_paths(told["run"], [Path(path) for path in told["paths"]], told["url"], note))
    return done


def forget_environments(database: Database) -> int:
    """Remove the lists of installed packages that no run names any more; returns how many those were.

    None while a run is going on: it may have written down a list that it is about to name.
    """
    going = select(schema.Run.id).where(schema.Run.state.in_([State.PENDING, State.RUNNING]))
    named = or_(
        *(
            exists().where(cast(table.provenance, Text).contains(schema.Environment.sha256))
            for table in (schema.Run, schema.Task)
        )
    )
    with database.writing() as session:
        if session.scalar(going.limit(1)) is not None:
            return 0
        unused = session.scalars(select(schema.Environment.sha256).where(~named)).all()
        session.execute(delete(schema.Environment).where(schema.Environment.sha256.in_(unused)))
    return len(unused)


def shrink(database: Database) -> int:
    """Give the room of removed rows back to the disk; returns how many bytes that were. Only SQLite needs it."""
    if database.path is None:
        return 0
    before = database.path.stat().st_size
    with suppress(StoreError):  # a run is writing just now; the room is used by later runs
        database.compact()
    return max(0, before - database.path.stat().st_size)


# What runs have to do with each other --------------------------------------------------------------------


def _uses(session: Session, records: Iterable[RunRecord]) -> dict[str, set[str]]:
    """Of each run, the others that have made what it reads, took from the cache or gives out."""
    found: dict[str, set[str]] = defaultdict(set)
    owner = schema.Artifact.run_id
    read = (
        select(schema.Task.run_id, owner)
        .join(schema.Event, schema.Event.task_id == schema.Task.id)
        .join(schema.Artifact, schema.Artifact.id == schema.Event.artifact_id)
        .where(schema.Task.run_id != owner)
        .distinct()
    )
    given = (
        select(schema.RunOutput.run_id, owner)
        .join(schema.Artifact, schema.Artifact.id == schema.RunOutput.artifact_id)
        .where(schema.RunOutput.run_id != owner)
        .distinct()
    )
    for query in (read, given):
        for user, maker in session.execute(query):
            found[user].add(maker)
    # By name: an importer, or a parameter, that says where a file of another run is.
    ids = {run.id for run in records}
    for table in (schema.Artifact, schema.InputFile):
        for user, uri in session.execute(select(table.run_id, table.uri).distinct()):
            found[user] |= (ids & set(urlsplit(uri).path.split("/"))) - {user}
    return found


def _is_used(session: Session, run_id: str) -> bool:
    """Whether another run refers to an artifact of this one; what would do so from now on waits."""
    query = select(schema.Artifact.id).where(schema.Artifact.run_id == run_id).with_for_update()
    ids = list(session.scalars(query))
    of_run = schema.Artifact.run_id == run_id
    read = (
        select(schema.Task.id)
        .join(schema.Event, schema.Event.task_id == schema.Task.id)
        .join(schema.Artifact, schema.Artifact.id == schema.Event.artifact_id)
        .where(of_run, schema.Task.run_id != run_id)
    )
    given = (
        select(schema.RunOutput.run_id)
        .join(schema.Artifact, schema.Artifact.id == schema.RunOutput.artifact_id)
        .where(of_run, schema.RunOutput.run_id != run_id)
    )
    return bool(ids) and any(session.scalar(query.limit(1)) is not None for query in (read, given))


# Removing ------------------------------------------------------------------------------------------------


def _record(database: Database, run_id: str) -> RunRecord | None:
    try:
        found = Store(database).unchecked_run(run_id)
    except UsageError:
        return None
    return found if found.id == run_id else None


def _remove_rows(database: Database, run_id: str) -> bool:
    """Whether they are gone: not where the run goes on again, is pinned, or is used."""
    with database.writing() as session:
        run = session.get(schema.Run, run_id, with_for_update=True)
        if run is None or not run.state.is_final or run.pinned or _is_used(session, run_id):
            return False
        # Their numbers may be given to other tasks.
        of_run = select(schema.Task.id).where(schema.Task.run_id == run_id)
        forget = update(schema.Task).where(schema.Task.reused_from.in_(of_run)).values(reused_from=None)
        session.execute(forget.execution_options(synchronize_session=False))
        session.execute(delete(schema.Run).where(schema.Run.id == run_id))
    return True


def _note(database: Database, run: RunRecord) -> Path:
    """A note of what is to be done once the rows are gone."""
    note = location.home() / "removed" / f"{run.id}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    paths = [str(path) for path in _directories(run)]
    told = {"store": database.place, "run": run.id, "paths": paths, "url": _remote_root(run)}
    note.write_text(json.dumps(told), encoding="utf-8")
    return note


def _remove_files(run: RunRecord, note: Path) -> Removed:
    return _remove_paths(run.id, _directories(run), _remote_root(run), note)


def _remove_paths(run_id: str, paths: Sequence[Path], url: str | None, note: Path) -> Removed:
    """Remove files; what cannot be removed is tried again next time."""
    size, left = _size(paths), None
    for path in paths:
        with suppress(FileNotFoundError):
            shutil.rmtree(path, onerror=_keep_quiet)
        if path.exists():
            left = f"{path} cannot be removed"
    if url is not None:
        try:
            size += remove(url)
        except ArtifactRootError as error:
            left = str(error)
    if left is None:
        note.unlink(missing_ok=True)
    else:
        size -= _size(paths)
    return Removed(run_id, size, left)


def _keep_quiet(_function: object, _path: str, _error: object) -> None:
    """What is left is seen afterwards."""


# Files ---------------------------------------------------------------------------------------------------


def _directories(run: RunRecord) -> list[Path]:
    """The directories of this machine that belong to a run alone."""
    found = [location.run_directory(run.id), location.home() / "downloads" / run.id]
    root = local_path(run.root) if "remote" not in run.options else None
    # Made by the engine for this run, as its name says; anything else was there before.
    if root is not None and root.name == run.id:
        found.append(root)
    return [path for path in found if path.exists()]


def _remote_root(run: RunRecord) -> str | None:
    """The URL that the artifacts of a run of this package's own engine are kept under, if that is not local."""
    url = run.root.rstrip("/")
    is_own = "remote" not in run.options and local_path(run.root) is None and url.endswith(f"/{run.id}")
    return url if is_own else None


def _is_elsewhere(run: RunRecord) -> bool:
    """Whether another machine has executed it, whose files are not seen here."""
    other = run.host is not None and run.host != socket.gethostname() and "remote" not in run.options
    return other and not location.run_directory(run.id).exists()


def _sizes_away(session: Session) -> dict[str, int]:
    """The bytes of the artifacts of every run, as recorded."""
    query = select(schema.Artifact.run_id, func.sum(schema.Artifact.size)).group_by(schema.Artifact.run_id)
    return {run_id: int(size or 0) for run_id, size in session.execute(query)}


def _size(paths: Iterable[Path]) -> int:
    """The bytes that go when these directories do: not of files that have another name elsewhere."""
    names: dict[tuple[int, int], int] = defaultdict(int)
    known: dict[tuple[int, int], os.stat_result] = {}
    for path in paths:
        for place, _folders, files in os.walk(path):
            for name in files:
                with suppress(OSError):
                    status = os.lstat(Path(place, name))
                    key = (status.st_dev, status.st_ino)
                    names[key] += 1
                    known[key] = status
    return sum(status.st_size for key, status in known.items() if names[key] >= status.st_nlink)
