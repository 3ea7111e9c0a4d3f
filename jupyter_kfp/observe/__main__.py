"""Tells of one run that has ended: ``python -m jupyter_kfp.observe RUN``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.observe import metrics, notify, settings, tracing
from jupyter_kfp.observe.report import report
from jupyter_kfp.store.artifacts import local_copy
from jupyter_kfp.store.database import Database
from jupyter_kfp.store.location import store_url
from jupyter_kfp.store.records import RunRecord, TaskRecord
from jupyter_kfp.store.store import Store

_NOTEBOOK = "executed_notebook"


def main(arguments: list[str]) -> int:
    """Tell everybody who is configured; the exit status says how many could not be told."""
    try:
        chosen = settings.load()
        with closing(Database(store_url())) as database:
            store = Store(database)
            run = store.run(arguments[0])
            tasks = store.tasks(run.id)
            sinks = _sinks(chosen, database, run, tasks)
            failures = [name for name, tell in sinks.items() if not _told(name, tell)]
    except JupyterKfpError as error:
        _say(str(error))
        return 1
    return len(failures)


def _sinks(
    chosen: settings.Settings, database: Database, run: RunRecord, tasks: list[TaskRecord]
) -> dict[str, Callable[[], object]]:
    """What is to be done, by name; what is quick comes first."""
    sinks: dict[str, Callable[[], object]] = {}
    gateway, file, webhook, mail = chosen.pushgateway, chosen.file, chosen.webhook, chosen.mail
    if file is not None:
        sinks["metrics file"] = lambda: metrics.write_file(metrics.snapshot(database), file)
    if gateway is not None:
        sinks["Pushgateway"] = lambda: metrics.push(metrics.snapshot(database), gateway, run.pipeline)
    if chosen.traces:
        sinks["spans"] = lambda: _trace(run, tasks)
    if run.state in chosen.on:
        told = report(run, tasks)
        if webhook is not None:
            sinks["webhook"] = lambda: notify.persistently(lambda: notify.post(webhook, chosen.token, told))
        if mail is not None:
            sinks["mail"] = lambda: notify.persistently(lambda: notify.mail(mail, told))
    return sinks


def _told(name: str, tell: Callable[[], object]) -> bool:
    try:
        tell()
    except JupyterKfpError as error:
        _say(f"{name}: {error}")
        return False
    except Exception as error:  # noqa: BLE001 (the others are to be told all the same)
        # Without its words, which may repeat a URL with a secret in it.
        _say(f"{name}: {type(error).__name__}")
        return False
    _say(f"{name}: done")
    return True


def _trace(run: RunRecord, tasks: list[TaskRecord]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = tracing.spans(run, tasks, lambda task: _cells(task, Path(directory)))
    if root is not None:
        tracing.export(root, run.id)


def _cells(task: TaskRecord, directory: Path) -> Iterable[Mapping[str, Any]]:
    """The cells of the notebook that a task has executed; none where it has none, or that is gone."""
    made = task.output_artifacts.get(_NOTEBOOK)
    if not made:
        return []
    try:
        path = local_copy(made[0].uri, directory / str(made[0].id))
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, JupyterKfpError):
        return []
    return list(cells)


def _say(line: str) -> None:
    print(datetime.now(timezone.utc).isoformat(timespec="seconds"), line, flush=True)  # noqa: T201 (the log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
