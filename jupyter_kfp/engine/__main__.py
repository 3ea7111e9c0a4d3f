"""The engine process of one run: ``python -m jupyter_kfp.engine DOORBELL``, its order on standard input (`starting`).

DOORBELL is an inherited file descriptor: a byte on it says that the store has news. It is never a reason
to wait; a follower that does not listen misses nothing, as the news itself is in the store.
"""

from __future__ import annotations

import sys
from contextlib import closing, suppress

from jupyter_kfp.engine.guard import Guard
from jupyter_kfp.engine.starting import await_order
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import location


def main(arguments: list[str]) -> int:
    """Execute the run; returns the exit status of the process."""
    run_id = arguments[0]
    # First of all: it forks, and must not copy threads or connections.
    guard = Guard(run_id, location.run_directory(run_id) / "lock")
    from jupyter_kfp.engine.execute import execute
    from jupyter_kfp.observe.start import start

    status = execute(run_id, int(arguments[1]) if len(arguments) > 1 else None)
    guard.release()
    start(run_id)
    _tell(run_id)
    return status


def _tell(run_id: str) -> None:
    """Begin to tell others of the run; after the guard's end, which would end that, too."""
    from jupyter_kfp.store.store import open_store
    from jupyter_kfp.tracking import settings as tracking

    # The run has ended, and whoever is told later finds why the store could not be read in the engine's log.
    with suppress(JupyterKfpError), closing(open_store()) as store:
        tracking.begin(store.unchecked_run(run_id))


if __name__ == "__main__":
    sys.exit(main(await_order()))
