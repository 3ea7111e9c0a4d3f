"""Whether what is there now is what was recorded: the contents of artifacts and files, and the chain of approvals."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.store.artifacts import content, local_copy
from jupyter_kfp.store.lineage.approvals import Approval, broken
from jupyter_kfp.store.lineage.model import ArtifactNode, Lineage, TaskNode


@dataclass(frozen=True, slots=True)
class Verdict:
    """``head``: the newest approval's hash, to compare with one noted elsewhere; ``checked``: how many contents."""

    approvals: int
    head: str | None
    checked: int
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "approvals": self.approvals,
            "head": self.head,
            "checked": self.checked,
            "problems": list(self.problems),
        }


def verify(approvals: Iterable[Approval], found: Lineage | None = None) -> Verdict:
    """Check the chain of all approvals, what the approved artifacts hold, and all that is in a lineage.

    Every byte is read; what is on another machine is fetched for that.
    """
    chain = list(approvals)
    recorded = {
        (approval.uri, approval.sha256): f"{approval.name} (approval {approval.number})" for approval in chain
    }
    for node in found.nodes if found is not None else ():
        if not isinstance(node, TaskNode) and node.sha256 is not None:
            recorded.setdefault((node.uri, node.sha256), f"{node.name} ({node.id.partition('@')[0]})")
    with ThreadPoolExecutor() as pool:
        said = pool.map(lambda item: compared(item[0][0], item[0][1], item[1]), recorded.items())
        problems = [problem for problem in said if problem]
    head = chain[-1].hash if chain else None
    return Verdict(len(chain), head, len(recorded), (*broken(chain), *problems))


def compared(uri: str, sha256: str, name: str) -> str | None:
    """What is wrong with what is at a URI now; None if it has this content."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            now = content(local_copy(uri, Path(scratch)))
    except (JupyterKfpError, OSError) as error:
        return f"{name} cannot be read: {error}"
    if now is None:
        return f"{name} is gone: there is nothing at {uri}."
    if now.sha256 != sha256:
        return f"{name} was changed: {uri} has the SHA-256 {now.sha256}, not {sha256} as recorded."
    return None


def check_approvable(artifact: ArtifactNode, by: str) -> None:
    """Raises UsageError where an artifact cannot be approved: nobody can know what it held."""
    if not by.strip():
        raise UsageError("An approval needs the name of who approves.", "Give it with --by.")
    if artifact.sha256 is None:
        raise UsageError(
            f"The content of {artifact.name} is not known, so nobody can approve it.",
            "Approve an artifact that a step has written to its own path.",
        )
    wrong = compared(artifact.uri, artifact.sha256, artifact.name)
    if wrong is not None:
        raise UsageError(
            f"It cannot be approved: {wrong}", "Run the pipeline again, and look at what it makes."
        )
