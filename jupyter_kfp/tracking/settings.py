"""Whether a run goes to MLflow, and where: noted with the run when it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_kfp.detached import start_module
from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import location
from jupyter_kfp.store.records import RunRecord

KEY = "mlflow"
"""The key of a run's options that holds where it goes, and once it is there ``run_id``, ``experiment_id``, ``url``."""

TRACKING_URI = "MLFLOW_TRACKING_URI"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
REGISTER = "JUPYTER_KFP_MLFLOW_REGISTER"
"""Outputs to register as models: ``forest=wine-forest, scaler=wine-scaler``."""


def wanted(tracking_uri: str | None = None) -> dict[str, Any]:
    """What goes into the options of a new run; empty where nothing says that it goes to MLflow.

    ``tracking_uri``: that of a profile or a flag; by default ``MLFLOW_TRACKING_URI``. Raises UsageError.
    """
    uri = tracking_uri or os.environ.get(TRACKING_URI)
    if not uri:
        return {}
    if urlsplit(uri).username or urlsplit(uri).password:
        raise UsageError(
            "No name or password must stand in MLflow's tracking URI: it would be kept with the run.",
            "Give it in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        )
    chosen = {"tracking_uri": uri, "experiment": os.environ.get(EXPERIMENT), "register": registered()}
    return {KEY: {name: value for name, value in chosen.items() if value}}


def registered(text: str | None = None) -> dict[str, str]:
    """Which outputs are registered under which names; by default as the environment says. Raises UsageError."""
    pairs = [pair.strip() for pair in (os.environ.get(REGISTER, "") if text is None else text).split(",")]
    found = {}
    for pair in filter(None, pairs):
        output, equals, name = (part.strip() for part in pair.partition("="))
        if not (output and equals and name):
            raise UsageError(
                f"{pair!r} names no model.", f"Write OUTPUT=MODEL, as in {REGISTER}=forest=wine."
            )
        found[output] = name
    return found


def is_pending(options: Mapping[str, Any]) -> bool:
    """Whether a run is to go to MLflow and is not there yet."""
    return KEY in options and not options[KEY].get("synced")


def begin(record: RunRecord) -> None:
    """Tell MLflow of a run that has ended, in a process of its own; nothing for runs that do not go there."""
    if KEY not in record.options:
        return
    log = location.run_directory(record.id) / "mlflow.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    start_module("jupyter_kfp.tracking", record.id, directory=Path.home(), log=log)
