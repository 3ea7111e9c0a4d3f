"""Which kind of attempt an executor needs."""

from __future__ import annotations

from jupyter_kfp.engine.attempt import Attempt
from jupyter_kfp.engine.containers.attempt import ContainerAttempt
from jupyter_kfp.engine.importing import Import
from jupyter_kfp.engine.plan import Container, Importer
from jupyter_kfp.engine.runner import Runner, in_container


def attempt_class(executor: Container | Importer, runner: Runner) -> type[Attempt]:
    """An import is never a container: what it fetches is for this machine."""
    if isinstance(executor, Importer):
        return Import
    return ContainerAttempt if in_container(runner, executor) else Attempt
