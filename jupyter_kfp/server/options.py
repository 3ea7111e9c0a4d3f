"""The options of tasks, as a compiled pipeline has them: the same before and after a run, and for any pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_kfp.remote.package import Spec

# What is shown elsewhere, or is no option.
_NOT_OPTIONS = frozenset({"code", "inputs", "outputs", "runs after"})


def options(spec: Spec, platform: Spec) -> dict[str, dict[str, Any]]:
    """By the dotted path of a task, what is said of it: image, resources, retries, caching, and Kubernetes' own."""
    from jupyter_kfp.remote.changes import tasks

    return {
        path: {what: value for what, value in said.items() if what not in _NOT_OPTIONS}
        for path, said in tasks(spec, platform, {}).items()
    }
