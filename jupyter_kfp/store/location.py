"""Where the store and the files of runs are.

::

    <home>/store.sqlite                       the default database
    <home>/runs/<run id>/                     logs and working directories of a run; ``lock`` is its engine's
    <home>/artifacts/<run id>/<task>/<n>/...  artifacts, n being the attempt that made them
    <home>/environments/                      cached environments of steps with packages
    <home>/compiled/                          what notebooks were last compiled to

``JUPYTER_KFP_HOME`` replaces ``<home>`` (the Jupyter data directory's ``kfp``), ``JUPYTER_KFP_STORE_URL``
the database.
"""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "JUPYTER_KFP_HOME"
URL_VARIABLE = "JUPYTER_KFP_STORE_URL"


def home() -> Path:
    """The directory all runs are kept under; it need not exist yet."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "kfp"


def store_url() -> str:
    """The SQLAlchemy URL of the store."""
    return os.environ.get(URL_VARIABLE) or f"sqlite:///{home() / 'store.sqlite'}"


def run_directory(run_id: str) -> Path:
    """Where the logs and working directories of one run are."""
    return home() / "runs" / run_id


def artifact_directory(run_id: str) -> Path:
    """Where the artifacts of one run are unless another root was asked for."""
    return home() / "artifacts" / run_id


def compiled_directory() -> Path:
    """Where compiled pipelines are kept, so that the same need not be compiled twice."""
    return home() / "compiled"


def own_paths() -> frozenset[Path]:
    """The home directory and the files of the default database, wherever they are: none of the user's data.

    Nobody but SQLite may open its files: whoever closes one lets go of the locks that this process has on it.
    """
    file = store_url().partition("sqlite:///")[2]
    database = (
        [f"{Path(file).resolve()}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")] if file else []
    )
    return frozenset({home().resolve(), *map(Path, database)})
