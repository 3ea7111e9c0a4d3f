"""Reading the values of artifacts: only what is still as it was left, and of others only what runs no code.

Whoever can write a pickle can run code where it is read. The results of one's own runs are read as they are; what
another user, another machine or a cluster has made, or what was imported from elsewhere, is not without consent.
"""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path
from typing import Any

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.artifacts import content, local_path
from jupyter_kfp.store.records import ArtifactRecord, NewArtifact, RunRecord

CONSENT = "JUPYTER_KFP_ALLOW_PICKLE"
USER = "user"
"""The key of a run's options that names who started it."""

# Pickles, and what holds one: cloudpickle's are also in the pages of Matplotlib's figures.
PICKLES = {
    "cloudpickle": "a pickle",
    "bundle": "a pickle",
    "joblib": "a pickle by joblib",
    "matplotlib": "a figure with a pickle in it",
}
# Formats of this package that only hold data. The format of paths writes where its metadata says.
_SAFE = frozenset(
    {
        "artifact", "text", "bytes", "parquet", "parquet-series", "polars", "polars-series",
        "polars-lazy", "arrow", "arrow-batch", "numpy", "numpy-scalar", "npz", "xgboost",
        "lightgbm", "safetensors", "torch", "plotly", "json",
    }
)  # fmt: skip


class ConsentError(JupyterKfpError):
    """To read the value would run code that somebody else has chosen."""


class ChangedError(JupyterKfpError):
    """The file is not what the run has left."""


def this_user() -> str:
    """Who runs this process; the user's number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container with a user id of its own
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def consented() -> bool:
    """Whether the environment allows pickles of others."""
    return os.environ.get(CONSENT) == "1"


def stranger(artifact: NewArtifact, run: RunRecord, path: Path | None = None) -> str | None:
    """Who made an artifact of ``run``, in words, where that was not this user's run on this machine; else None.

    ``path``: its file, whose owner must be this user as well.
    """
    if "remote" in run.options:
        return f"run {run.id} on the cluster {run.options['remote']['profile']!r}"
    if (who := author(run)) is not None:
        return who
    if not _is_below(artifact.uri, run.root):
        return f"somebody else: run {run.id} took it from {artifact.uri}"
    if path is not None and local_path(artifact.uri) is not None and hasattr(os, "getuid"):
        owner = path.stat().st_uid if path.exists() else None
        if owner not in (None, os.getuid()):
            return f"the user with the number {owner}, who owns the file"
    return None


def author(run: RunRecord) -> str | None:
    """Whose code ``run`` is, in words, where not this user started it from this machine; else None."""
    user = run.options.get(USER)
    if "remote" not in run.options and run.host != socket.gethostname():
        return f"run {run.id} of {user or 'somebody'} on the machine {run.host or 'unknown'!r}"
    if user is not None and user != this_user():
        return f"run {run.id} of the user {user!r}"
    return None


def _is_below(uri: str, root: str) -> bool:
    place, top = local_path(uri), local_path(root)
    if place is not None and top is not None:
        return place.resolve().is_relative_to(top.resolve())
    return uri.startswith(root.rstrip("/") + "/") and ".." not in uri.split("/")


def code_in(artifact: NewArtifact, path: Path | None = None) -> str | None:
    """What of an artifact would run code when it is read, in words; None if nothing would.

    ``path``: its file, into which skops has to look; without it, skops files count as unknown.
    """
    serializer = artifact.metadata.get("serializer", "artifact")
    if serializer in _SAFE:
        return None
    match serializer:
        case "skops":
            return _untrusted(path)
        case "path":
            return f"a file that is written to {artifact.metadata.get('path')!r} when it is loaded"
        case str() if serializer in PICKLES:
            return PICKLES[serializer]
        case _:
            return f"written by the serializer {serializer!r}, of which nothing is known"


def _untrusted(path: Path | None) -> str | None:
    if path is None:
        return "a skops file"
    from skops.io import get_untrusted_types

    # By skops' own list: that of the runtime, of whole libraries, is for what one's own steps made.
    types = get_untrusted_types(file=path)
    return f"a skops file with types that skops does not trust ({', '.join(types)})" if types else None


def verify(artifact: NewArtifact, path: Path) -> None:
    """Raise ChangedError unless ``path`` has the digest that was recorded; does nothing where there is none."""
    expected = artifact.sha256 or artifact.metadata.get("sha256")
    if expected is None:
        return
    found = content(path)
    if found is None or found.sha256 != expected:
        raise ChangedError(
            f"{artifact.name} is not what its run left: {path} has changed since (its SHA-256 is another).",
            "Run the pipeline again, or bring the file back.",
        )


def load(
    artifact: ArtifactRecord,
    run: RunRecord,
    path: Path,
    namespace: dict[str, Any],
    *,
    allow_pickle: bool = False,
) -> Any:
    """The value of an artifact that ``run`` made.

    Args:
        artifact: What the store knows of it.
        run: The run that made it, which says whose it is.
        path: Its content on this machine.
        namespace: Where objects of classes that the notebook defines find their class.
        allow_pickle: Whether code in it may run although somebody else made it; also allowed where the
            variable ``JUPYTER_KFP_ALLOW_PICKLE`` is 1.

    Raises:
        ChangedError: the file is another one than the run left.
        ConsentError: it would run code, somebody else made it, and nobody has allowed it.
        JupyterKfpError: it cannot be loaded, with the reason.
    """
    from jupyter_kfp.runtime import serializers

    if artifact.metadata.get("unbound"):
        raise JupyterKfpError(
            f"`{artifact.name}` was not bound when its step ended.", "Bind it on every path."
        )
    try:
        verify(artifact, path)
        if not (allow_pickle or consented()):
            _check(artifact, run, path)
        # The path of an artifact object is on this machine, wherever the artifact is kept.
        uri = artifact.uri if local_path(artifact.uri) is not None else str(path)
        return serializers.load(path, artifact.metadata, namespace, uri)
    except JupyterKfpError:
        raise
    except Exception as error:  # each serializer's library has errors of its own
        raise JupyterKfpError(
            f"{artifact.name} ({artifact.metadata.get('python_type', artifact.type)}) cannot be loaded: {error}",
            "Run the cells that define its class first, or install what it needs.",
        ) from error


def _check(artifact: NewArtifact, run: RunRecord, path: Path) -> None:
    who = stranger(artifact, run, path)
    what = code_in(artifact, path) if who else None
    if who and what:
        raise ConsentError(
            f"{artifact.name} ({artifact.metadata.get('python_type', artifact.type)}) is {what}; loading it can run "
            f"code of whoever made it: {who}.",
            f"If you trust that: load(allow_pickle=True), or {CONSENT}=1 in the environment. Its file is {path}.",
        )
