"""The loop of a run: what happened goes to the scheduler, what it says is done, everything is recorded.

One thread (the caller's) owns the scheduler, the scope and the store; every attempt has a thread that
blocks on its process. The loop sleeps until an attempt ends, a timer is due or somebody cancels: it never
polls.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeAlias

from jupyter_kfp.engine.attempt import Attempt, Made, Result, RunContext
from jupyter_kfp.engine.dataflow import MissingInputError, Produced, Scope, Values
from jupyter_kfp.engine.directories import attempt_directory
from jupyter_kfp.engine.plan import Container, Plan
from jupyter_kfp.engine.scheduler import Action, End, Scheduler, Start
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.store.recorder import RunRecorder
from jupyter_kfp.store.records import Failure, State

# How long a step has to end by itself once it was asked to.
GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Ended:
    attempt: Attempt
    result: Result


@dataclass(frozen=True, slots=True)
class _Cancel:
    pass


_Message: TypeAlias = _Ended | _Cancel


@dataclass(slots=True)
class _Progress:
    """What the supervisor knows of a task that has begun."""

    inputs: Values
    attempts: int = 0
    current: Attempt | None = None


@dataclass(order=True, slots=True)
class _Timer:
    due: float
    order: int
    action: Callable[[], None] = field(compare=False)


class Supervisor:
    """Executes one run. ``changed`` is called after every change of the store."""

    def __init__(
        self,
        plan: Plan,
        parameters: Values,
        recorder: RunRecorder,
        context: RunContext,
        *,
        directory: Path,
        max_parallel: int,
        changed: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._dag = plan.dag
        self._recorder = recorder
        self._context = context
        self._directory = directory
        self._changed = changed
        self._scope = Scope(parameters)
        self._scheduler = Scheduler(
            {key: task.upstream for key, task in self._dag.tasks.items()}, max_parallel
        )
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._progress: dict[str, _Progress] = {}
        self._failures: dict[str, Failure] = {}
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()
        self._canceled = False

    def cancel(self) -> None:
        """End the run. May be called from any thread and from signal handlers."""
        self._messages.put(_Cancel())

    def execute(self) -> State:
        """Run all tasks; returns the state the run ended in. If this raises, no step is left running."""
        try:
            self._do(self._scheduler.begin())
            while not self._scheduler.done:
                self._changed()
                self._handle_next()
        except BaseException:
            self._kill_all()
            raise
        return self._conclude()

    # Events -------------------------------------------------------------------------------------

    def _handle_next(self) -> None:
        """Wait for a message or a timer, and act on it."""
        wait = self._timers[0].due - time.monotonic() if self._timers else None
        try:
            message = self._messages.get(timeout=None if wait is None else max(0.0, wait))
        except Empty:
            heapq.heappop(self._timers).action()
            return
        match message:
            case _Ended(attempt, result):
                self._attempt_ended(attempt, result)
            case _Cancel():
                self._cancel()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, _Timer(time.monotonic() + seconds, next(self._numbers), action))

    def _cancel(self) -> None:
        if self._canceled:
            return
        self._canceled = True
        self._recorder.request_cancel()
        self._do(self._scheduler.cancel())
        for key, progress in self._progress.items():
            if self._scheduler.state(key) is not State.RUNNING:
                continue
            if progress.current is None:
                self._end(key, State.CANCELED)
                self._do(self._scheduler.finished_paused(key, State.CANCELED))
            else:
                self._stop(progress.current, State.CANCELED)

    def _stop(self, attempt: Attempt, why: Failure | State) -> None:
        attempt.stop(why)
        self._after(GRACE_SECONDS, attempt.kill)

    # Tasks --------------------------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        """Carry out what the scheduler says; that may give it new things to say."""
        waiting = actions[::-1]
        while waiting:
            match waiting.pop():
                case Start(key):
                    waiting += self._start(key)[::-1]
                case End(key, state, cause):
                    reason = Failure(f"Skipped, because {cause!r} did not succeed.") if cause else None
                    self._end(key, state, failure=reason)

    def _start(self, key: str) -> list[Action]:
        """Begin a task, or its next try. Returns what the scheduler says if it fails at once."""
        task = self._dag.tasks[key]
        progress = self._progress.get(key)
        component, executor = self._plan.component(task), self._plan.executor(task)
        assert isinstance(executor, Container), "support.check lets nothing else through"
        if progress is None:
            names = self._context.placeholders(task.display_name, key, 1)
            try:
                progress = _Progress(self._scope.inputs(task, component, names))
            except MissingInputError as error:
                self._end(key, State.FAILED, failure=Failure(str(error)))
                return self._scheduler.finished(key, State.FAILED)
            self._progress[key] = progress
        progress.attempts += 1
        directory = attempt_directory(self._directory, key, progress.attempts)
        self._record_start(key, progress, str(directory.base), str(directory.log))
        attempt = Attempt(
            self._context,
            task,
            component,
            executor,
            path=key,
            number=progress.attempts,
            inputs=progress.inputs,
            directory=directory,
        )
        progress.current = attempt
        threading.Thread(target=self._run, args=(attempt,), name=f"attempt {key}", daemon=True).start()
        if executor.timeout is not None:
            self._after(executor.timeout, lambda: self._timed_out(attempt, executor.timeout or 0))
        return []

    def _record_start(self, key: str, progress: _Progress, directory: str, log: str) -> None:
        if progress.attempts == 1:
            inputs = progress.inputs
            ids = {port: [produced.id for produced in all_] for port, all_ in inputs.artifacts.items()}
            # The code of a notebook step travels as an input; the run's IR has it already.
            values = {name: value for name, value in inputs.parameters.items() if name != STEP_NOTEBOOK}
            self._recorder.set_inputs(key, values, ids)
        self._recorder.begin_attempt(key, progress.attempts, directory=directory, log=log)

    def _run(self, attempt: Attempt) -> None:
        """The thread of an attempt."""
        try:
            result = attempt.run()
        except Exception as error:  # noqa: BLE001 (a defect of ours must end the task, not hang the run)
            result = Result(State.FAILED, failure=Failure(f"The engine failed: {error!r}."), retriable=False)
        self._messages.put(_Ended(attempt, result))

    def _timed_out(self, attempt: Attempt, seconds: float) -> None:
        if self._progress[attempt.path].current is attempt:
            self._stop(
                attempt, Failure(f"It ran longer than its timeout of {seconds:g} seconds and was ended.")
            )

    def _attempt_ended(self, attempt: Attempt, result: Result) -> None:
        key = attempt.path
        progress, policy = self._progress[key], self._dag.tasks[key].retry
        progress.current = None
        state = result.state
        self._recorder.end_attempt(
            key, attempt.number, state, exit_code=result.exit_code, failure=result.failure
        )
        again = state is State.FAILED and result.retriable and progress.attempts <= policy.count
        if again and not self._canceled:
            self._after(policy.wait(progress.attempts), lambda: self._retry(key))
            self._do(self._scheduler.paused(key))
            return
        self._end(key, state, failure=result.failure, made=result.made)
        self._do(self._scheduler.finished(key, state))

    def _retry(self, key: str) -> None:
        if not self._canceled:
            self._do(self._scheduler.resumed(key))

    def _end(
        self, key: str, state: State, *, failure: Failure | None = None, made: Made | None = None
    ) -> None:
        """Record the end of a task and let others see what it made."""
        made = made or Made()
        artifacts = {port: [artifact for artifact, _path in all_] for port, all_ in made.artifacts.items()}
        ids = self._recorder.end_task(
            key, state, failure=failure, parameters=made.parameters, artifacts=artifacts
        )
        if state.is_success:
            produced = {
                port: tuple(
                    Produced(artifact, id_, path)
                    for (artifact, path), id_ in zip(all_, ids[port], strict=True)
                )
                for port, all_ in made.artifacts.items()
            }
            self._scope.add(key, Values(made.parameters, produced))
        elif state is State.FAILED and failure is not None:
            self._failures[key] = failure

    # The end ------------------------------------------------------------------------------------

    def _conclude(self) -> State:
        outputs = self._scope.outputs(self._dag)
        state, failure = State.SUCCEEDED, None
        if self._canceled and any(self._scheduler.state(key) is State.CANCELED for key in self._dag.tasks):
            state = State.CANCELED
        elif self._failures:
            state, failure = State.FAILED, summary(self._failures)
        ids = {name: [produced.id for produced in all_] for name, all_ in outputs.artifacts.items()}
        self._recorder.end_run(state, failure=failure, values=outputs.parameters, artifacts=ids)
        self._changed()
        return state

    def _kill_all(self) -> None:
        for progress in self._progress.values():
            if progress.current is not None:
                progress.current.stop(State.CANCELED)
                progress.current.kill()


def summary(failures: Mapping[str, Failure]) -> Failure:
    """The failure of a run, from those of its tasks (in the order they failed)."""
    first, why = next(iter(failures.items()))
    others = ", ".join(itertools.islice(failures, 1, None))
    message = f"{first}: {why.message}" + (f" Also failed: {others}." if others else "")
    return Failure(message, why.type, why.cell)
