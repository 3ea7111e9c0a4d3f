"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jupyter_kfp.doctor import clusters, installation, keeping, running
from jupyter_kfp.doctor.finding import Finding, error

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    installation.packages,
    installation.command,
    installation.server_extension,
    installation.labextension,
    installation.kernels,
    running.warm_server,
    running.container_engine,
    keeping.store,
    keeping.disk,
    keeping.artifact_root,
    keeping.observers,
)


def findings(*, offline: bool = False) -> Iterator[Finding]:
    """What there is to say of this installation, as it is found. ``offline``: no cluster is asked."""
    for check in CHECKS if offline else (*CHECKS, clusters.profiles):
        try:
            yield from check()
        except Exception as problem:  # noqa: BLE001, PERF203 (what a check stumbles over is a finding, too)
            name = check.__name__.replace("_", " ")
            yield error(
                name, f"It cannot be looked at: {problem!r}.", "Report this as a defect of jupyter_kfp."
            )
