"""Where a pipeline comes from: commit, notebook, author, tool.

It travels in the environment of each step's pod, which KFP's cache fingerprint leaves out: who
compiled what from where never makes a result stale.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyter_kfp.errors import NotebookError
from jupyter_kfp.notebook.source import read_notebook

_GIT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a compiled pipeline; None where it is not known.

    ``notebook`` is the path inside the git work tree (the bare file name outside of one), so it is
    the same on every machine. ``sha256`` is that of the cells (see :func:`notebook_digest`).
    ``dirty``: the work tree differed from ``commit``; ``diff`` is the SHA-256 of what ``git diff --binary HEAD``
    prints then, without the space at its end (files that git does not track are not in it). ``author`` is the
    commit's, as ``Name <address>``. ``branch`` is None where none is checked out.
    """

    commit: str | None = None
    dirty: bool | None = None
    notebook: str | None = None
    sha256: str | None = None
    author: str | None = None
    version: str | None = None
    branch: str | None = None
    diff: str | None = None

    def as_json(self) -> str:
        """The known fields as one line of JSON with sorted keys, in ASCII and without ``$``.

        Kubernetes replaces ``$(NAME)`` in the environment, hence JSON's escape for ``$``.
        """
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(known, sort_keys=True, separators=(",", ":")).replace("$", "\\u0024")


def gather(notebook: Path) -> Provenance:
    """The provenance of the notebook file as it is now. Never fails: what cannot be found out is None.

    Asks git in processes of its own, all at once, which may take 5 seconds and uses no network.
    """
    path = notebook.resolve()
    top, last, status, tracked = _git(
        path.parent,
        ("rev-parse", "--show-toplevel"),
        ("log", "-1", "--format=%H%n%an <%ae>"),
        ("status", "--porcelain=v2", "--branch", "--untracked-files=no"),
        ("ls-files", "--error-unmatch", "--", path.name),
    )
    commit, _, author = (last or "").partition("\n")
    lines = (status or "").splitlines()
    changed = any(not line.startswith("#") for line in lines)
    branch = next((line.split(" ", 2)[2] for line in lines if line.startswith("# branch.head ")), None)
    name = path.name
    if top:
        try:
            name = path.relative_to(Path(top).resolve()).as_posix()
        except ValueError:  # The work tree is reached by another path (a bind mount): the name alone is true.
            name = path.name
    return Provenance(
        commit=commit or None,
        dirty=None if status is None or not commit else changed or tracked is None,
        notebook=name,
        sha256=notebook_digest(path),
        author=author or None,
        version=_version(),
        branch=None if branch == "(detached)" else branch,
        diff=_diff(path.parent) if changed and commit else None,
    )


def caller() -> dict[str, str]:
    """Who starts a run, on which machine, with which Python."""
    known = {"host": socket.gethostname(), "python": platform.python_version()}
    with suppress(OSError, KeyError):  # a user without a name, as in many containers
        known["user"] = getpass.getuser()
    return known


def _diff(directory: Path) -> str | None:
    (printed,) = _git(directory, ("diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"))
    return None if printed is None else hashlib.sha256(printed.encode("utf-8", "surrogateescape")).hexdigest()


def notebook_digest(path: Path) -> str | None:
    """SHA-256 of the cells' types and sources, as hexadecimal text; None if the file is not a notebook.

    Outputs, execution counts and cell ids do not matter: running a notebook does not make it another,
    and neither does keeping the same cells as a script or in Markdown.
    """
    try:
        cells = [(cell.kind, cell.source) for cell in read_notebook(path).cells]
    except NotebookError:
        return None
    return hashlib.sha256(json.dumps(cells, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("jupyter-kfp")
    except metadata.PackageNotFoundError:
        return None


def _git(directory: Path, *questions: Sequence[str]) -> list[str | None]:
    """What git prints for each, without space at the end; None if there is no git, no repository, or no answer in time."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    started = []
    for arguments in questions:
        try:
            process = subprocess.Popen(
                ["git", "-C", str(directory), *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        except OSError:
            return [None] * len(questions)
        started.append(process)
    deadline = time.monotonic() + _GIT_TIMEOUT
    return [_answer(process, deadline) for process in started]


def _answer(process: subprocess.Popen[bytes], deadline: float) -> str | None:
    with process:
        try:
            printed, _errors = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            return None
    return None if process.returncode else printed.decode("utf-8", "surrogateescape").rstrip()
