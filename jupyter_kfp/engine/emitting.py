"""OpenLineage events of a run as it goes, sent by a process of its own: ``python -m jupyter_kfp.engine.emitting RUN AFTER``.

It follows the store, so that it neither delays nor fails a run, and tells of the end of one whose engine was killed.
Where events go is OpenLineage's own configuration: ``OPENLINEAGE_URL``, ``OPENLINEAGE__...`` or a file,
``openlineage.yml`` beside the notebook or in ``~/.openlineage``, or the one that ``OPENLINEAGE_CONFIG`` names (from the
notebook's directory on).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_kfp.detached import start_module
from jupyter_kfp.engine.marks import MARK
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import location
from jupyter_kfp.store.store import Store, open_store

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client import event_v2 as ol

_CONFIG, _FILE = "OPENLINEAGE_CONFIG", "openlineage.yml"
LOG = "openlineage.log"
# Who does not answer so often in a row is not asked again: each time takes the client's own retries.
_PATIENCE = 3


def settings(beside: Path | None, environ: Mapping[str, str] = os.environ) -> dict[str, str] | None:
    """The environment of the process that sends events; None where none are to be sent."""
    if environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return None
    file = Path(environ.get(_CONFIG) or _FILE)
    if beside is not None:
        file = beside / file
    named = bool(environ.get(_CONFIG) or environ.get("OPENLINEAGE_URL"))
    if not (named or any(name.startswith("OPENLINEAGE__") for name in environ)):
        home = Path("~/.openlineage").expanduser() / _FILE
        if not (beside is not None and file.is_file()) and not home.is_file():
            return None
    # Its end is not the end of a step, inside of which the run may be.
    wanted = {name: value for name, value in environ.items() if name != MARK}
    return {**wanted, _CONFIG: str(file)} if file.is_file() else wanted


def start(store: Store, run_id: str, beside: Path | None) -> None:
    """Have the events of a run sent that come from now on, if they are to be sent. Never fails."""
    environment = settings(beside)
    if environment is None:
        return
    directory = location.run_directory(run_id)
    after = str(store.last_event(run_id))
    with suppress(OSError):
        start_module(
            "jupyter_kfp.engine.emitting",
            run_id,
            after,
            directory=directory,
            log=directory / LOG,
            environment=environment,
        )


def main(run_id: str, after: int) -> int:
    """Send the events of a run from the one after ``after`` to its end; 1 if some could not be sent."""
    with closing(open_store()) as store:
        try:
            client = _client()
        except JupyterKfpError as error:
            store.recorder(run_id).note(str(error), kind="warning")
            return 1
        return _send(store, client, run_id, after)


def _send(store: Store, client: OpenLineageClient, run_id: str, after: int) -> int:
    from jupyter_kfp.engine import launch

    why, in_a_row = "", 0
    for news in launch.follow(run_id, after=after):
        for event in store.openlineage(run_id, [news]):
            problem = _problem(client, event)
            why, in_a_row = problem or why, in_a_row + 1 if problem else 0
        if in_a_row >= _PATIENCE:
            break
    if not why:
        client.close(timeout=60.0)
        return 0
    remedy = f"`jupyter kfp lineage {run_id} --format openlineage` prints them."
    store.recorder(run_id).note(
        f"Not all OpenLineage events could be sent ({' '.join(why.split())[:500]}). {remedy}", kind="warning"
    )
    return 1


def _problem(client: OpenLineageClient, event: ol.RunEvent) -> str:
    """Why an event could not be sent; empty if it could."""
    try:
        client.emit(event)
    except Exception as error:  # noqa: BLE001 (each transport's library has errors of its own)
        why = f"{type(error).__name__}: {error}"
        print(why, file=sys.stderr, flush=True)  # noqa: T201 (the log)
        return why
    return ""


def _client() -> OpenLineageClient:
    """The client as it is configured. Raises JupyterKfpError where that is wrong, or the extra is missing."""
    from jupyter_kfp.store.lineage.openlineage import MissingPackageError

    try:
        from openlineage.client import OpenLineageClient
    except ImportError as error:
        raise MissingPackageError from error
    try:
        return OpenLineageClient()
    except Exception as error:  # of the configuration, checked by each transport in its own way
        raise JupyterKfpError(
            f"OpenLineage events cannot be sent: {error}.", "Correct OpenLineage's configuration."
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
