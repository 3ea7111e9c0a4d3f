"""Where steps run: as processes of this machine, or in containers."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from enum import Enum

from jupyter_kfp.engine import lightweight
from jupyter_kfp.engine.commands import is_notebook_step
from jupyter_kfp.engine.plan import Container, Executor, Plan
from jupyter_kfp.errors import UsageError

VARIABLE = "JUPYTER_KFP_RUNNER"


_EXECUTOR = "kfp.dsl.executor_main"


class Runner(str, Enum):
    """What runs steps.

    ``AUTO``: what is Python is a process, with this machine's interpreter and packages; a command that an image
    brings is a container where a container engine answers, and else a process, too.
    """

    AUTO = "auto"
    PROCESS = "process"
    CONTAINER = "container"

    @classmethod
    def default(cls, environment: Mapping[str, str] = os.environ) -> Runner:
        """What ``JUPYTER_KFP_RUNNER`` says, else AUTO. Raises UsageError if that is no runner."""
        return cls.named(environment.get(VARIABLE) or cls.AUTO.value)

    @classmethod
    def named(cls, name: str) -> Runner:
        """The runner of this name. Raises UsageError if there is none."""
        try:
            return cls(name)
        except ValueError:
            names = ", ".join(runner.value for runner in cls)
            raise UsageError(f"There is no runner {name!r}.", f"Take one of {names}.") from None


def in_container(runner: Runner, executor: Executor | None) -> bool:
    """Whether an executor runs in a container."""
    match runner, executor:
        case Runner.CONTAINER, Container():
            return True
        case Runner.AUTO, Container():
            return not is_python(executor)
    return False


def is_python(container: Container) -> bool:
    """Whether it is a notebook step or a lightweight component, which this machine's Python runs."""
    if is_notebook_step(container) or lightweight.unwrap(container.command) is not None:
        return True
    # A lightweight component that installs nothing; one whose module is in its image has no shell around it.
    return container.command[:1] == ("sh",) and any(_EXECUTOR in word for word in container.command)


def containers(runner: Runner, plan: Plan) -> Collection[Container]:
    """The executors of a plan that run in containers."""
    return [
        executor
        for executor in plan.executors.values()
        if isinstance(executor, Container) and in_container(runner, executor)
    ]
