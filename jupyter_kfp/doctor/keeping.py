"""Where runs are kept: the store, the disk, the artifact root; and who is told of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from jupyter_kfp.doctor.finding import Finding, error, off, ok, warning
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import location

_LITTLE: Final = 1 << 30
_NOTHING: Final = 100 << 20


def store() -> Iterator[Finding]:
    """Whether the store can be read and is whole. One of an earlier version is not upgraded."""
    from sqlalchemy import func, select

    from jupyter_kfp.store import schema
    from jupyter_kfp.store.database import HEAD, Database, place_of_url, version_of

    check, url = "store", location.store_url()
    try:
        version = version_of(url)
        place = place_of_url(url)
        if version is None:
            yield ok(check, f"{place} will be made by the first run")
            return
        if version != HEAD and version < HEAD:
            yield warning(
                check, f"{place} is at version {version}, not {HEAD}.", "Run: jupyter kfp store upgrade"
            )
            return
        with closing(Database(url)) as database:
            broken = database.problems()
            with database.reading() as session:
                runs = session.scalar(select(func.count()).select_from(schema.Run)) or 0
    except JupyterKfpError as problem:
        yield error(check, problem.message, problem.remedy)
        return
    if broken:
        remedy = "Put a copy back with `jupyter kfp store restore FILE`, or move the file away to start anew."
        yield error(check, f"{place} is damaged: {'; '.join(broken[:3])}.", remedy)
    else:
        yield ok(check, f"{place}, version {version}, {runs} runs, whole")


def disk() -> Iterator[Finding]:
    """Whether there is room for runs, and they can be written."""
    home = location.home()
    there = next(path for path in (home, *home.parents) if path.exists())
    remedy = (
        f"Free some, for instance with `jupyter kfp gc --older-than 30d`, or set {location.HOME_VARIABLE}."
    )
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"\0" * 4096)
    except OSError as problem:
        yield error(
            "disk",
            f"{there} cannot be written ({problem.strerror}).",
            f"Make it writable, or set {location.HOME_VARIABLE}.",
        )
        return
    free = shutil.disk_usage(there).free
    words = f"{free / 1e9:.1f} GB are free in {there}"
    if free < _NOTHING:
        yield error("disk", f"Only {words}.", remedy)
    elif free < _LITTLE:
        yield warning("disk", f"Only {words}.", remedy)
    else:
        yield ok("disk", words)


def artifact_root() -> Iterator[Finding]:
    """Whether artifacts can be written where the environment says."""
    from jupyter_kfp.engine.launch import ROOT_VARIABLE
    from jupyter_kfp.store.artifacts import ArtifactRoot

    root = os.environ.get(ROOT_VARIABLE)
    if not root:
        yield ok("artifacts", f"kept in {location.home() / 'artifacts'}")
        return
    try:
        ArtifactRoot(root, Path(tempfile.gettempdir())).check()
    except JupyterKfpError as problem:
        yield error("artifacts", problem.message, problem.remedy)
        return
    yield ok("artifacts", f"kept at {root}, which can be written")


def observers() -> Iterator[Finding]:
    """Whether the settings of notifications, metrics and spans can be used. Nothing is sent."""
    from jupyter_kfp.observe import notify, settings

    check = "observers"
    try:
        found = settings.load()
    except JupyterKfpError as problem:
        yield error(check, problem.message, problem.remedy)
        return
    told = [
        f"webhook {notify.place_of(found.webhook)}" if found.webhook else "",
        f"mail by {notify.place_of(found.mail.server)}" if found.mail else "",
        f"metrics in {found.file}" if found.file else "",
        f"Pushgateway {notify.place_of(found.pushgateway)}" if found.pushgateway else "",
        "OpenTelemetry" if found.traces else "",
    ]
    yield ok(check, ", ".join(filter(None, told))) if any(told) else off(check, "Nobody is told of runs.")
