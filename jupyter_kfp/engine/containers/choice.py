"""Which runner a run gets, and its connection to a container engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jupyter_kfp.engine.commands import is_notebook_step
from jupyter_kfp.engine.containers import sweep
from jupyter_kfp.engine.containers.attempt import DEFAULT_IMAGE
from jupyter_kfp.engine.containers.build import default_tag
from jupyter_kfp.engine.containers.client import connect
from jupyter_kfp.engine.containers.failures import ContainerError
from jupyter_kfp.engine.containers.images import Images
from jupyter_kfp.engine.plan import Plan
from jupyter_kfp.engine.runner import Runner, containers
from jupyter_kfp.store import location

# Also what a profile of a cluster takes from the environment.
IMAGE_VARIABLE = "KF_PIPELINES_DEFAULT_IMAGE"
# In a run's directory: some of its steps may be in containers.
TRACE = "containers"


def decide(
    plan: Plan, wanted: Runner, image: str | None, environment: Mapping[str, str] = os.environ
) -> tuple[Runner, str | None]:
    """The runner that takes part in a run of ``plan``, and the image for notebook steps that name none.

    ``AUTO`` becomes ``PROCESS`` where nothing needs a container, or no container engine answers. The image is the
    one given, else the environment's, else the runtime image of this version if it has been built; None: the
    compiler's default. Raises ContainerError if a container is wanted and no engine answers.
    """
    concerned = containers(wanted, plan)
    if not concerned:
        return (Runner.PROCESS if wanted is Runner.AUTO else wanted), None
    try:
        engine = connect(environment)
    except ContainerError:
        if wanted is Runner.AUTO:
            return Runner.PROCESS, None
        raise
    if not any(container.image == DEFAULT_IMAGE and is_notebook_step(container) for container in concerned):
        return wanted, None
    built = default_tag()
    return wanted, image or environment.get(IMAGE_VARIABLE) or (built if Images(engine).has(built) else None)


def open_images(plan: Plan, runner: Runner, directory: Path) -> Images | None:
    """The images for a run that begins in ``directory``; None if all its steps are processes.

    What engines that died have left is removed. Raises ContainerError if no container engine answers.
    """
    if not containers(runner, plan):
        return None
    engine = connect()
    (directory / TRACE).touch()
    sweep.remove_orphans(engine, str(location.home()))
    return Images(engine)
