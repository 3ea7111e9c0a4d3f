"""The loop of a run: what happened goes to the scheduler, what it says is done, everything is recorded.

One thread (the caller's) owns the scheduler, the tree and the store; every attempt has a thread that
blocks on its process. The loop sleeps until an attempt ends, a timer is due or somebody cancels: it never
polls.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeAlias

from jupyter_kfp.engine.attempt import Attempt, Result
from jupyter_kfp.engine.book import Book, not_taken, skipped, summary
from jupyter_kfp.engine.context import RunContext
from jupyter_kfp.engine.dataflow import Values
from jupyter_kfp.engine.directories import attempt_directory
from jupyter_kfp.engine.kinds import attempt_class
from jupyter_kfp.engine.plan import Container, Importer, Plan
from jupyter_kfp.engine.scheduler import Action, Close, End, Scheduler, Start
from jupyter_kfp.engine.tree import Spot, Tree, should_run
from jupyter_kfp.errors import JupyterKfpError
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
        self._recorder = recorder
        self._context = context
        self._directory = directory
        self._changed = changed
        self._tree = Tree(plan, parameters)
        self._book = Book(self._tree, recorder, context.resource_name)
        self._scheduler = Scheduler(max_parallel)
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._progress: dict[str, _Progress] = {}
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()
        self._cancels = 0
        self._outcome = State.SUCCEEDED

    def cancel(self) -> None:
        """End the run; once more, and what cleans up after it ends too.

        May be called from any thread and from signal handlers.
        """
        self._messages.put(_Cancel())

    def execute(self) -> State:
        """Run all tasks; returns the state the run ended in. If this raises, no step is left running."""
        try:
            opened = self._tree.open_root()
            self._do(self._scheduler.open(None, opened.members))
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
        self._cancels += 1
        if self._cancels == 1:
            self._recorder.request_cancel()
        # Those that run now: an exit task may begin because of this.
        running = [
            (path, progress.current)
            for path, progress in self._progress.items()
            if self._scheduler.state(path) is State.RUNNING
        ]
        self._do(self._scheduler.cancel(at_once=self._cancels > 1))
        for path, attempt in running:
            if attempt is not None:
                self._stop(attempt, State.CANCELED)
                continue
            self._book.task_ended(path, State.CANCELED)
            self._do(self._scheduler.finished_paused(path, State.CANCELED))

    def _stop(self, attempt: Attempt, why: Failure | State) -> None:
        attempt.stop(why)
        self._after(GRACE_SECONDS, attempt.kill)

    # Tasks --------------------------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        """Carry out what the scheduler says; that may give it new things to say."""
        waiting = actions[::-1]
        while waiting:
            match waiting.pop():
                case Start(path):
                    waiting += self._start(path)[::-1]
                case End(path, state, cause, failed):
                    self._book.never_began(path, state, skipped(cause, failed=failed))
                case Close(None, state):
                    self._outcome = state
                case Close(str(path), state):
                    self._book.group_closed(path, state)

    def _start(self, path: str) -> list[Action]:
        """Begin a task, or its next try. Returns what the scheduler says if there is more to do at once."""
        if self._tree.is_iteration(path):
            return self._scheduler.open(path, self._tree.open_iteration(path).members)
        spot = self._tree.spot(path)
        progress = self._progress.get(path)
        if progress is not None:
            self._try(path, spot, progress)
            return []
        component = self._plan.component(spot.task)
        names = self._context.placeholders(spot.task.display_name, path, 1)
        try:
            inputs = spot.frame.scope.inputs(spot.task, component, names)
            if not should_run(spot.task, component, inputs):
                self._book.never_began(path, State.SKIPPED, not_taken(spot.task.condition))
                return self._scheduler.skip(path)
            if self._tree.is_group(path):
                return self._open(path, inputs)
        except JupyterKfpError as error:
            self._book.never_began(path, State.FAILED, Failure(str(error)))
            return self._scheduler.finished(path, State.FAILED)
        progress = self._progress[path] = _Progress(inputs)
        self._try(path, spot, progress)
        return []

    def _open(self, path: str, inputs: Values) -> list[Action]:
        """Begin a task that holds others. Raises InputError if it cannot."""
        opened = self._tree.open(path, inputs)
        self._recorder.begin_group(path)
        if opened.rows:
            self._recorder.add_tasks(opened.rows)
        return self._scheduler.open(path, opened.members, limit=opened.limit)

    def _try(self, path: str, spot: Spot, progress: _Progress) -> None:
        """Start an attempt at a task."""
        executor = self._plan.executor(spot.task)
        assert isinstance(executor, Container | Importer), "support.check lets nothing else through"
        progress.attempts += 1
        directory = attempt_directory(self._directory, path, progress.attempts)
        self._record_start(path, progress, str(directory.base), str(directory.log))
        attempt = attempt_class(executor, self._context.runner)(
            self._context,
            spot.task,
            self._plan.component(spot.task),
            executor,
            path=path,
            number=progress.attempts,
            inputs=progress.inputs,
            directory=directory,
        )
        progress.current = attempt
        threading.Thread(target=self._run, args=(attempt,), name=f"attempt {path}", daemon=True).start()
        timeout = executor.timeout if isinstance(executor, Container) else None
        if timeout is not None:
            self._after(timeout, lambda: self._timed_out(attempt, timeout))

    def _record_start(self, path: str, progress: _Progress, directory: str, log: str) -> None:
        if progress.attempts == 1:
            inputs = progress.inputs
            ids = {port: [produced.id for produced in all_] for port, all_ in inputs.artifacts.items()}
            # The code of a notebook step travels as an input; the run's IR has it already.
            values = {name: value for name, value in inputs.parameters.items() if name != STEP_NOTEBOOK}
            self._recorder.set_inputs(path, values, ids)
        self._recorder.begin_attempt(path, progress.attempts, directory=directory, log=log)

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
        path = attempt.path
        progress, policy = self._progress[path], self._tree.spot(path).task.retry
        progress.current = None
        state = result.state
        self._recorder.end_attempt(
            path, attempt.number, state, exit_code=result.exit_code, failure=result.failure
        )
        again = state is State.FAILED and result.retriable and progress.attempts <= policy.count
        if again and not self._cancels:
            self._after(policy.wait(progress.attempts), lambda: self._retry(path))
            self._do(self._scheduler.paused(path))
            return
        self._book.task_ended(path, state, failure=result.failure, made=result.made)
        self._do(self._scheduler.finished(path, state))

    def _retry(self, path: str) -> None:
        if not self._cancels:
            self._do(self._scheduler.resumed(path))

    # The end ------------------------------------------------------------------------------------

    def _conclude(self) -> State:
        outputs = self._tree.close(None)
        failures = self._tree.root.failures
        failure = summary(failures) if self._outcome is State.FAILED and failures else None
        ids = {name: [produced.id for produced in all_] for name, all_ in outputs.artifacts.items()}
        lists = [name for name, spec in self._plan.root.output_artifacts.items() if spec.is_list]
        self._recorder.end_run(
            self._outcome, failure=failure, values=outputs.parameters, artifacts=ids, lists=lists
        )
        self._changed()
        return self._outcome

    def _kill_all(self) -> None:
        for progress in self._progress.values():
            if progress.current is not None:
                progress.current.stop(State.CANCELED)
                progress.current.kill()
