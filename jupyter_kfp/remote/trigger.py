"""Starting a pinned version from outside: storage events, drift monitors, other pipelines."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from jupyter_kfp.engine import parameters
from jupyter_kfp.remote import profiles, versions
from jupyter_kfp.remote.preflight import connected
from jupyter_kfp.remote.submit import Options, Submission, start


def trigger(
    pin: str,
    values: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    profile: str | None = None,
    experiment: str | None = None,
    name: str | None = None,
) -> Submission:
    """Start a run of an uploaded version and return at once.

    Args:
        pin: ``PIPELINE_ID/VERSION_ID``, as `jupyter kfp upload --pin` prints it.
        values: Parameters by name; those not given have their defaults.
        key: Idempotency key, such as the id of the event that leads here: however often the event is
            delivered, the version is started once for it. None starts a run for every call.
        profile: The cluster; by default the one that is used by default.
        experiment: Experiment of the run.
        name: Name of the run.

    Raises:
        UsageError: a parameter is unknown, missing or of another type, or ``pin`` is no pin.
        UnreachableError: the cluster cannot be used.
        ApiError: it refuses, for instance because there is no such version.
    """
    version = versions.pinned(pin)
    with connected(profiles.find(profile)) as client:
        sent = versions.fetch(client, version)
        checked = parameters.validate(sent.plan.root.input_parameters, values or {})
        options = Options(experiment=experiment, name=name)
        unique = None if key is None else hashlib.sha256(f"{pin}\0{key}".encode()).hexdigest()[:24]
        return start(client, sent, values or {}, checked, options, version=version, key=unique)
