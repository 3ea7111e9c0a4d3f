"""The engine process of one run: ``python -m jupyter_kfp.engine RUN_ID [DOORBELL]``.

DOORBELL is an inherited file descriptor: a byte on it says that the store has news. It is never a reason
to wait; a follower that does not listen misses nothing, as the news itself is in the store.
"""

from __future__ import annotations

import sys

from jupyter_kfp.engine.guard import Guard
from jupyter_kfp.store import location


def main(arguments: list[str]) -> int:
    """Execute the run; returns the exit status of the process."""
    run_id = arguments[0]
    # First of all: it forks, and must not copy threads, connections or megabytes of imports.
    guard = Guard(run_id, location.run_directory(run_id) / "lock")
    from jupyter_kfp.engine.execute import execute

    status = execute(run_id, int(arguments[1]) if len(arguments) > 1 else None)
    guard.release()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
