"""What the tasks of a run on a cluster printed: from the pipeline root, else from KFP's web server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from jupyter_kfp.engine.plan import Plan
from jupyter_kfp.remote import nodes
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.errors import UnreachableError
from jupyter_kfp.remote.leftovers import Leftovers, Root
from jupyter_kfp.remote.objects import Run
from jupyter_kfp.store.artifacts import ArtifactRootError
from jupyter_kfp.store.mirror import SeenRun


def fetch(
    plan: Plan, run: Run, seen: SeenRun, client: Client, root: Root | None, lefts: Mapping[str, Leftovers]
) -> dict[str, list[str]]:
    """Copy the logs to the files of the tries, and give them: by path, one text per try (empty: there is none)."""
    pods = nodes.pods(plan, run)
    found: dict[str, list[str]] = {}
    for task in seen.tasks:
        path, count = task.task.path, len(task.attempts)
        kept = lefts[path].logs(count) if path in lefts else {}
        named = pods.get(path, [])
        for number, attempt in enumerate(task.attempts):
            text = _kept(root, kept.get(number))
            if not text and number < len(named):
                text = _of_pod(client, run.run_id, named[number])
            found.setdefault(path, []).append(text)
            if text:
                Path(attempt.log).parent.mkdir(parents=True, exist_ok=True)
                Path(attempt.log).write_text(text, encoding="utf-8")
    return found


def _kept(root: Root | None, uri: str | None) -> str:
    if root is not None and uri is not None:
        with suppress(ArtifactRootError):  # the pod may still have it
            return root.text(uri)
    return ""


def _of_pod(client: Client, run_id: str, names: list[str]) -> str:
    with suppress(UnreachableError):  # what it printed is no reason not to know how it ended
        for name in names:
            text = client.pod_log(run_id, name)
            if text is not None:
                return text
    return ""
