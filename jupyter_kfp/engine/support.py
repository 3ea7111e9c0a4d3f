"""What the engine cannot run, said before any task starts; and what it ignores, said at the start."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_kfp.engine import lightweight
from jupyter_kfp.engine.commands import find_program
from jupyter_kfp.engine.plan import Container, Dag, OtherExecutor, Plan, Task
from jupyter_kfp.engine.runner import Runner, in_container
from jupyter_kfp.errors import JupyterKfpError, UsageError

# Images that are nothing but Python: this machine's Python stands in for them.
_PLAIN_PYTHON = re.compile(r"(docker\.io/)?(library/)?python:[\w.-]+")
# The images that stand for what KFP's backend does itself with volumes of the cluster.
_VOLUME_IMAGES = {
    "argostub/createpvc": "creates a volume of a cluster (PersistentVolumeClaim)",
    "argostub/deletepvc": "deletes a volume of a cluster (PersistentVolumeClaim)",
}

# What a container of this machine honours, and a process does not.
_IN_CONTAINERS = frozenset({"cpu", "memory", "gpu", "image_pull_policy", "shm", "empty_dir", "labels"})


def check(plan: Plan, runner: Runner = Runner.PROCESS) -> None:
    """Raise UsageError if the plan holds something that cannot run here, naming it and the task."""
    for path, task in _tasks(plan, plan.dag):
        match plan.executor(task):
            case OtherExecutor(kind):
                raise UsageError(
                    f"The task {path!r} is a {kind}: it runs in a cloud service, not on this machine."
                )
            case Container() as container:
                _check_image(path, container)
                if not in_container(runner, container):
                    _check_command(path, container)


def _tasks(plan: Plan, dag: Dag, prefix: str = "") -> Iterator[tuple[str, Task]]:
    """All tasks, those of nested DAGs included, with their dotted names."""
    for key, task in dag.tasks.items():
        yield f"{prefix}{key}", task
        inner = plan.inner(task)
        if inner is not None:
            yield from _tasks(plan, inner, f"{prefix}{key}.")


def _check_image(path: str, container: Container) -> None:
    if container.image in _VOLUME_IMAGES:
        raise UsageError(
            f"The task {path!r} {_VOLUME_IMAGES[container.image]}, which this machine does not have.",
            "Run the pipeline on a cluster.",
        )


def _check_command(path: str, container: Container) -> None:
    if not container.command:
        raise UsageError(
            f"The task {path!r} has no command: what it does is inside the image {container.image!r}.",
            "It can only run in a container (`--runner container`), and needs Docker or Podman for that.",
        )
    python = lightweight.unwrap(container.command)
    program = (python.command if python else container.command)[0]
    if "{{$" in program:
        return
    # As the steps' own: the interpreter's directory comes first.
    search = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    try:
        find_program(program, sys.executable, search)
    except JupyterKfpError as error:
        raise UsageError(f"The task {path!r} cannot run: {error.message}", error.remedy) from error


def ignored(plan: Plan, runner: Runner = Runner.PROCESS) -> str:
    """What has no effect on a process or a container of this machine, a sentence for each; empty if there is nothing.

    Tasks that have the same options without effect are named together.
    """
    found: dict[str, dict[tuple[str, ...], list[str]]] = {"process": {}, "container": {}}
    for path, place, names in _ignored(plan, runner):
        if names:
            found[place].setdefault(names, []).append(path)
    parts = {
        place: [f"{', '.join(paths)}: {', '.join(names)}" for names, paths in together.items()]
        for place, together in found.items()
    }
    if plan.ignored:
        place = "container" if runner is Runner.CONTAINER else "process"
        parts[place].append(f"the pipeline: {', '.join(plan.ignored)}")
    return " ".join(
        f"These options have no effect on a {place} of this machine: {'; '.join(said)}."
        for place, said in parts.items()
        if said
    )


def _ignored(plan: Plan, runner: Runner) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Tasks, whether they are a process or a container, and their options without effect."""
    for path, task in _tasks(plan, plan.dag):
        executor = plan.executor(task)
        if isinstance(executor, Container) and in_container(runner, executor):
            yield path, "container", tuple(name for name in executor.ignored if name not in _IN_CONTAINERS)
        elif isinstance(executor, Container):
            image = executor.image
            foreign = [f"image {image}"] if image and not _PLAIN_PYTHON.fullmatch(image) else []
            yield path, "process", (*foreign, *executor.ignored)
        elif plan.inner(task) is not None and task.retry.count:
            yield path, "process", ("retries of a group of tasks as a whole",)
