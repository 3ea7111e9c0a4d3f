"""One try at a task, from its directories to its outputs. Runs in a thread of the engine, touches no database."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_kfp.engine import executor_io, leaks, lightweight, provenance
from jupyter_kfp.engine.commands import exit_words, find_program, is_notebook_step
from jupyter_kfp.engine.context import RunContext
from jupyter_kfp.engine.dataflow import Values
from jupyter_kfp.engine.directories import AttemptDirectory, safe
from jupyter_kfp.engine.environments import Interpreter, provide
from jupyter_kfp.engine.input_files import named_files
from jupyter_kfp.engine.marks import MARK, mark
from jupyter_kfp.engine.packed import COMMON
from jupyter_kfp.engine.placeholders import resolve_command
from jupyter_kfp.engine.plan import Component, Container, Importer, Task
from jupyter_kfp.engine.process import StepProcess
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK, unpack_step
from jupyter_kfp.store.records import Failure, NewArtifact, State, TaskOrigin

if TYPE_CHECKING:
    # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

_LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Made:
    """Outputs: values, artifacts with where they are on this machine, and what they all come from."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Sequence[tuple[NewArtifact, Path]]] = field(default_factory=dict)
    origin: TaskOrigin | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended. ``retriable``: another try might end differently."""

    state: State
    exit_code: int | None = None
    failure: Failure | None = None
    made: Made = field(default_factory=Made)
    retriable: bool = True


class Stopped(Exception):  # noqa: N818 (not an error)
    """The attempt was stopped before its process began."""


class Running(Protocol):
    """A step that runs: ``wait`` is for one thread and gives the exit code, the other methods for any."""

    def wait(self) -> int: ...  # noqa: D102 (said above)
    def terminate(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102


class Attempt:
    """One try. `run` belongs to a thread of its own; `stop` and `kill` to the supervisor's."""

    def __init__(
        self,
        context: RunContext,
        task: Task,
        component: Component,
        executor: Container | Importer,
        *,
        path: str,
        number: int,
        inputs: Values,
        directory: AttemptDirectory,
    ) -> None:
        self.path = path
        self.number = number
        self.directory = directory
        self._context = context
        self._task = task
        self._component = component
        self._executor = executor
        self._inputs = inputs
        self._place = (safe(path), str(number))
        self._lock = threading.Lock()
        self._process: Running | None = None
        self._stopped: Failure | State | None = None
        self._with_secrets: Sequence[str] = ()
        self._origin = TaskOrigin()

    def run(self) -> Result:
        """Do it. Whatever goes wrong is in the result."""
        result = self._result()
        return replace(result, made=replace(result.made, origin=self._origin))

    def _result(self) -> Result:
        code: int | None = None
        try:
            try:
                code = self._execute()
            finally:  # however it ended, before anything of it goes anywhere
                self._with_secrets = leaks.hide(
                    self._context.masker, self._component, self.directory, self._context.root, self._place
                )
        except Stopped:
            pass
        except JupyterKfpError as error:
            if self._stopped is None:  # else an installer was stopped, which is no news
                return self._failed(str(error), retriable=False)
        except OSError as error:
            return self._failed(self._explain(error), retriable=False)
        except ValueError as error:  # of placeholders
            return self._failed(f"Its command cannot be made: {error}.", retriable=False)
        if isinstance(self._stopped, Failure):
            return Result(State.FAILED, code, self._stopped, self._reports())
        if self._stopped is not None:
            return Result(self._stopped, code, made=self._reports())
        return self._collect(code)

    def stop(self, why: Failure | State) -> None:
        """Ask the step to end: CANCELED, or FAILED with this failure. The first reason counts."""
        with self._lock:
            self._stopped = self._stopped or why
            if self._process is not None:
                self._process.terminate()

    def kill(self) -> None:
        """End the step at once."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def _execute(self) -> int:
        """The exit code. Raises Stopped if the step was stopped before its process began."""
        container = self._container
        own = is_notebook_step(container)
        message = self._prepare()
        python = lightweight.unwrap(container.command)
        command = python.command if python else container.command
        argv = resolve_command((*command, *container.args), message, self._names)
        interpreter = Interpreter(sys.executable)
        if own:
            packages: list[str] = json.loads(argv[len(command) + 1])
            interpreter = provide(packages, self._context.environments, self._install)
        elif python:
            interpreter = provide(
                python.packages, self._context.environments, self._install, options=python.options, runtime=()
            )
        installed = provenance.environment(interpreter.directory)
        self._note(environment=installed, environment_sha256=provenance.environment_hash(installed))
        environment = self._environment(interpreter)
        argv[0] = find_program(argv[0], interpreter.executable, environment.get("PATH"))
        return self._start(argv, environment, self.directory.log).wait()

    def _note(self, facts: Mapping[str, Json] | None = None, **fields: Any) -> None:
        """Remember what the outputs will come from."""
        self._origin = replace(self._origin, facts={**self._origin.facts, **(facts or {})}, **fields)

    def _note_code(self) -> None:
        """Remember the code, and the files that it or a parameter names, as they are before the step begins."""
        step = self._step if is_notebook_step(self._container) else None
        sources = [str(piece["source"]) for piece in step.get("cells", ())] if step else []
        given = {name: value for name, value in self._inputs.parameters.items() if name != STEP_NOTEBOOK}
        self._note(
            provenance.code_of(self._container, step, self._component.cells),
            files=named_files(given, sources, self._context.source),
            files_at=datetime.now(timezone.utc),
        )

    @property
    def _step(self) -> dict[str, Any] | None:
        """The packed step of a notebook step; None if it is of a form that this version does not know."""
        packed_text = self._inputs.parameters.get(STEP_NOTEBOOK) or "".join(self._container.args[COMMON:])
        try:
            return unpack_step(str(packed_text))
        except ValueError:
            return None

    @property
    def _container(self) -> Container:
        assert isinstance(self._executor, Container), "an importer is another kind of attempt"
        return self._executor

    @property
    def _names(self) -> dict[str, str]:
        return self._context.placeholders(self._task.display_name, self.path, self.number)

    def _prepare(self) -> dict[str, Any]:
        """Make the attempt's directories; the executor input that names them."""
        self.directory.create(self._context.source)
        self._note_code()
        paths = {
            port: self._context.root.working_path(*self._place, safe(port))
            for port in self._component.output_artifacts
        }
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        return executor_io.executor_input(self._component, self._inputs, self.directory, paths)

    def _start(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Running:
        """Start a process that `stop` and `kill` reach. Raises Stopped if they were called before."""
        return self._begin(
            lambda: StepProcess(
                argv,
                directory=self.directory.work,
                environment=environment,
                log=log,
                masker=self._context.masker,
                warm=self._context.warm,
            )
        )

    def _begin(self, start: Callable[[], Running]) -> Running:
        """What ``start`` gives, within reach of `stop` and `kill`. Raises Stopped if they were called before."""
        with self._lock:
            if self._stopped is not None:
                raise Stopped
            self._process = start()
            return self._process

    def _install(self, argv: Sequence[str]) -> tuple[int, str]:
        """Run an installer as part of this attempt."""
        log = self.directory.base / "packages.txt"
        log.write_bytes(b"")
        code = self._start(argv, self._environment(Interpreter(sys.executable)), log).wait()
        return code, log.read_text(encoding="utf-8", errors="replace")

    def _environment(self, interpreter: Interpreter) -> dict[str, str]:
        variables = dict(os.environ)
        # The step's python3 and its scripts are those of the interpreter, whoever calls them.
        programs = str(Path(interpreter.executable).parent)
        variables["PATH"] = os.pathsep.join(filter(None, (programs, variables.get("PATH"))))
        if interpreter.directory is not None:
            variables["VIRTUAL_ENV"] = str(interpreter.directory)
        variables.update(PYTHONUNBUFFERED="1", JUPYTER_KFP_ENVIRONMENT="ready")
        if self._context.source is not None:
            variables["JUPYTER_KFP_SOURCE_DIR"] = str(self._context.source)
        variables.update(self._own_variables())
        variables[MARK] = mark(self._context.run_id, self.path, self.number, os.environ)
        return variables

    def _own_variables(self) -> dict[str, str]:
        """What the pipeline itself sets in the step's environment."""
        own = dict(self._executor.env) if isinstance(self._executor, Container) else {}
        return own | dict(self._context.secrets.get(self._component.executor or "", {}))

    def _collect(self, code: int | None) -> Result:
        try:
            message = executor_io.read_executor_output(self.directory.executor_output)
            if self._with_secrets and code == 0:
                return self._failed(leaks.explain(self._with_secrets), code, retriable=False)
            if code != 0:
                failure = executor_io.step_failure(message, self._component.cells) or Failure(
                    self._describe(code)
                )
                return self._failed(failure, code)
            component, root = self._component, self._context.root
            parameters = executor_io.output_parameters(component.output_parameters, message, self.directory)
            artifacts = executor_io.output_artifacts(component.output_artifacts, message, root, self._place)
        except JupyterKfpError as error:
            return self._failed(str(error), code)
        except OSError as error:
            return self._failed(self._explain(error), code)
        return Result(State.SUCCEEDED, code, made=Made(parameters, artifacts))

    def _failed(self, failure: Failure | str, code: int | None = None, *, retriable: bool = True) -> Result:
        if isinstance(failure, str):
            failure = Failure(failure)
        mask = self._context.masker.mask
        message = mask(failure.message)
        root = self._context.root
        if "is full" not in message and root.is_full():
            message += f" The disk of the artifact root {root.url} is full. Free space there, or choose another root."
        elif "is full" not in message and os.strerror(errno.ENOSPC) in message:
            # What did not fit is gone again, so there may be space by now.
            message += f" The artifact root is {root.url}: free space there, or choose another root."
        traceback = None if failure.traceback is None else mask(failure.traceback)
        kind = None if failure.type is None else mask(failure.type)
        failure = Failure(message, kind, failure.cell, traceback)
        return Result(State.FAILED, code, failure, self._reports(), retriable)

    def _reports(self) -> Made:
        try:
            return Made(artifacts=executor_io.reports(self._component, self._context.root, self._place))
        except (OSError, JupyterKfpError):
            return Made()  # the step failed for a reason of its own; that one is told

    def _describe(self, code: int | None) -> str:
        """A failure that the step itself did not describe: how it ended, and its last words."""
        ended = exit_words(code)
        try:
            with self.directory.log.open("rb") as stream:
                stream.seek(max(0, self.directory.log.stat().st_size - 8192))
                text = stream.read().decode("utf-8", "replace")
        except OSError:
            return f"It {ended}."
        lines = [line.strip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]
        return f"It {ended}; its log " + (f"ends with: {' | '.join(lines)}" if lines else "is empty.")

    def _explain(self, error: OSError) -> str:
        match error.errno:
            case errno.E2BIG:
                return (
                    "Its inputs are larger than what this system allows in a command (128 KB for one argument on "
                    "Linux). Pass large values as artifacts."
                )
            case errno.ENOSPC | errno.EDQUOT:
                return f"The disk is full ({error.filename or self.directory.base}). Free space there."
        return f"It could not be started ({error})."
