"""Tell MLflow of one run that has ended, again and again while it does not answer: ``python -m jupyter_kfp.tracking RUN``."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.store import open_store
from jupyter_kfp.tracking.sync import TrackingError, sync

# Seconds before each try; some 17 minutes in all.
_PAUSES = (0.0, 5.0, 30.0, 120.0, 300.0, 600.0)
log = logging.getLogger(__name__)


def main(run_id: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Returns 0 once MLflow knows of the run; else 1, with a warning in the run's history."""
    with closing(open_store()) as store:
        error: JupyterKfpError | None = None
        for pause in _PAUSES:
            sleep(pause)
            try:
                log.info("%s is at %s", run_id, sync(store, run_id))
            except TrackingError as found:
                log.warning("%s", found)
                error = found
            else:
                return 0
        store.recorder(run_id).note(f"{error} It was given up; the run is not at fault.", kind="warning")
        return 1


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    sys.exit(main(sys.argv[1]))
