"""Where a pipeline comes from: commit, notebook, author, tool.

It travels in the environment of each step's pod, which KFP's cache fingerprint leaves out: who
compiled what from where never makes a result stale.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
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
    ``dirty``: the work tree differed from ``commit``. ``author`` is the commit's, as ``Name <address>``.
    """

    commit: str | None = None
    dirty: bool | None = None
    notebook: str | None = None
    sha256: str | None = None
    author: str | None = None
    version: str | None = None

    def as_json(self) -> str:
        """The known fields as one line of JSON with sorted keys, in ASCII and without ``$``.

        Kubernetes replaces ``$(NAME)`` in the environment, hence JSON's escape for ``$``.
        """
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(known, sort_keys=True, separators=(",", ":")).replace("$", "\\u0024")


def gather(notebook: Path) -> Provenance:
    """The provenance of the notebook file as it is now. Never fails: what cannot be found out is None.

    Asks git in a process of its own, which may take 5 seconds and uses no network.
    """
    path = notebook.resolve()
    top = _git(path.parent, "rev-parse", "--show-toplevel")
    commit = author = changes = None
    if top:
        last = _git(path.parent, "log", "-1", "--format=%H%n%an <%ae>")
        if last:
            commit, _, author = last.partition("\n")
        changes = _git(path.parent, "status", "--porcelain", "--untracked-files=no")
    name = path.name
    if top:
        try:
            name = path.relative_to(Path(top).resolve()).as_posix()
        except ValueError:  # The work tree is reached by another path (a bind mount): the name alone is true.
            name = path.name
    return Provenance(
        commit=commit,
        dirty=None if changes is None or commit is None else bool(changes) or not _tracked(path),
        notebook=name,
        sha256=notebook_digest(path),
        author=author,
        version=_version(),
    )


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


def _tracked(path: Path) -> bool:
    return _git(path.parent, "ls-files", "--error-unmatch", "--", path.name) is not None


def _version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("jupyter-kfp")
    except metadata.PackageNotFoundError:
        return None


def _git(directory: Path, *arguments: str) -> str | None:
    """What git prints, stripped; None if there is no git, no repository, or no answer in time."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            check=True,
            timeout=_GIT_TIMEOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()
