"""One try at a task in a container."""

from __future__ import annotations

import os
import sys

from jupyter_kfp.engine.attempt import Attempt, Result
from jupyter_kfp.engine.commands import is_notebook_step
from jupyter_kfp.engine.containers import spec as specs
from jupyter_kfp.engine.containers.failures import killed
from jupyter_kfp.engine.containers.run import SIGKILLED, StepContainer
from jupyter_kfp.engine.containers.sweep import identity
from jupyter_kfp.engine.placeholders import resolve_command, resolve_text
from jupyter_kfp.engine.plan import Resources
from jupyter_kfp.engine.provenance import image_of
from jupyter_kfp.store import location

# What the compiler names where a step chooses no image (``compiler.names``, which would bring all of the compiler).
DEFAULT_IMAGE = "python:3.11-slim"
NO_PICKLE = "JUPYTER_KFP_NO_PICKLE"


class ContainerAttempt(Attempt):
    """A try whose step is a container, with the same paths inside as outside."""

    _ran: StepContainer | None = None

    def _execute(self) -> int:
        images = self._context.images
        assert images is not None, "execute connects before any task starts"
        spec = self._spec(images.engine.facts)
        self._ran = StepContainer(images, spec, self.directory.log, self._context.masker)
        try:
            return self._begin(lambda: self._ran_container).wait()
        finally:
            self._note({**image_of(spec.image), **self._ran_container.image_facts})

    @property
    def _ran_container(self) -> StepContainer:
        assert self._ran is not None
        return self._ran

    def _spec(self, facts: specs.Facts) -> specs.ContainerSpec:
        container, message, names = self._container, self._prepare(), self._names
        own = is_notebook_step(container)

        def resolved(text: str) -> str:
            return resolve_text(text, message, names)

        resources = container.resources
        user = specs.user_of(facts, *_numbers(), sys.platform)
        image = resolved(container.image)
        if own and image == DEFAULT_IMAGE and self._context.image:
            image = self._context.image
        return specs.ContainerSpec(
            name=specs.container_name(self._context.run_id, self.path, self.number),
            image=image,
            command=tuple(resolve_command(container.command, message, names)),
            args=tuple(resolve_command(container.args, message, names)),
            environment=self._variables(user),
            # Others find their own things in the directory that their image names.
            directory=self.directory.work if own else None,
            user=user,
            mounts=self._mounts(),
            scratch=container.scratch,
            labels={**container.labels, **self._labels()},
            limits=specs.limits_of(
                Resources(
                    *(
                        resolved(text)
                        for text in (
                            resources.cpu,
                            resources.cpu_request,
                            resources.memory,
                            resources.memory_request,
                            resources.accelerator,
                            resources.accelerators,
                        )
                    )
                )
            ),
            pull_policy=container.pull_policy,
        )

    def _variables(self, user: str | None) -> dict[str, str]:
        variables = {"PYTHONUNBUFFERED": "1", **specs.user_variables(user)}
        if self._context.source is not None:
            variables["JUPYTER_KFP_SOURCE_DIR"] = str(self._context.source)
        if NO_PICKLE in os.environ:  # what is forbidden here is in a container of here
            variables[NO_PICKLE] = os.environ[NO_PICKLE]
        return variables | self._own_variables()

    def _labels(self) -> dict[str, str]:
        return {
            specs.RUN: self._context.run_id,
            specs.TASK: self.path,
            specs.ATTEMPT: str(self.number),
            specs.PIPELINE: self._context.pipeline,
            specs.ENGINE: identity(os.getpid()),
            specs.HOME: str(location.home()),
        }

    def _mounts(self) -> tuple[specs.Mount, ...]:
        """The attempt's directory and outputs to write; inputs, and what is beside the notebook, to read."""
        root = self._context.root
        outputs = root.working_path(*self._place)
        outputs.mkdir(parents=True, exist_ok=True)
        inputs = [produced.path for all_ in self._inputs.artifacts.values() for produced in all_]
        run = root.working_path()
        read = {run if path.is_relative_to(run) else path for path in inputs}
        beside = {entry.readlink() for entry in self.directory.work.iterdir() if entry.is_symlink()}
        return specs.mounts_of(
            {path.absolute() for path in read | beside},
            {path.absolute() for path in (self.directory.base, outputs, self._context.workspace)},
        )

    def _collect(self, code: int | None) -> Result:
        ran = self._ran_container
        if code and (ran.out_of_memory or code == SIGKILLED):
            return self._failed(killed(ran.spec.limits.memory, sure=ran.out_of_memory), code)
        return super()._collect(code)


def _numbers() -> tuple[int, int]:
    """The user's and the group's number, where the system has such."""
    return (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (0, 0)
