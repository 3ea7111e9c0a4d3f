"""The loop of a run: what happened goes to the scheduler, what it says is done, everything is recorded.

One thread (the caller's) owns the scheduler, the tree and the store; every attempt has a thread that
blocks on its process. The loop sleeps until an attempt ends, a timer is due or somebody cancels: it never
polls. What has happened meanwhile is one transaction of the store, and attempts start when that is written: an
engine that dies leaves no step that the store does not know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeAlias

from jupyter_kfp.engine import cache, reuse
from jupyter_kfp.engine.attempt import Attempt, Made, Result
from jupyter_kfp.engine.book import Book, not_taken, skipped, summary
from jupyter_kfp.engine.context import RunContext
from jupyter_kfp.engine.dataflow import Values
from jupyter_kfp.engine.directories import attempt_directory
from jupyter_kfp.engine.jsonlog import JsonLog
from jupyter_kfp.engine.kinds import attempt_class
from jupyter_kfp.engine.plan import Container, Importer, Plan
from jupyter_kfp.engine.reuse import Earlier, Reuse
from jupyter_kfp.engine.runner import in_container
from jupyter_kfp.engine.scheduler import Action, Close, End, Scheduler, Start
from jupyter_kfp.engine.timers import Timers
from jupyter_kfp.engine.tree import Opened, Spot, Tree, should_run
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.store.recorder import RunRecorder
from jupyter_kfp.store.records import Failure, FinishedTask, State, Tries

# How long a step has to end by itself once it was asked to.
GRACE_SECONDS = 5.0
# How much of what has happened is one transaction: others wait for the store meanwhile.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Ended:
    attempt: Attempt
    result: Result


@dataclass(frozen=True, slots=True)
class _Looked:
    """The cache's entries for a task have been looked at; ``found``: the one that can be used."""

    path: str
    found: reuse.Result | None


@dataclass(frozen=True, slots=True)
class _Cancel:
    pass


_Message: TypeAlias = _Ended | _Looked | _Cancel


@dataclass(slots=True)
class _Progress:
    """What the supervisor knows of a task that has begun.

    ``before``: its attempts before this engine. ``key``: under which its outputs may be used again.
    """

    inputs: Values
    before: Tries
    key: str | None = None
    attempts: int = 0
    failed: int = 0
    current: Attempt | None = None
    looking: bool = False


@dataclass(frozen=True, slots=True)
class Cache:
    """Where the results of earlier runs come from. ``find`` gives the entries for a key, newest first."""

    find: Callable[[str], list[FinishedTask]]
    surroundings: cache.Surroundings
    config: Callable[[Container], dict[str, str]]
    downloads: Path


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
        cache: Cache,
        earlier: Earlier | None = None,
    ) -> None:
        self._plan = plan
        self._recorder = recorder
        self._context = context
        self._directory = directory
        self._changed = changed
        self._tree = Tree(plan, parameters)
        self._cache = cache
        earlier = earlier or Earlier()
        self._reuse, self._lost = Reuse(earlier), earlier.lost
        self._book = Book(self._tree, recorder, context.resource_name, self._reuse)
        self._scheduler = Scheduler(max_parallel)
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._progress: dict[str, _Progress] = {}
        self._timers = Timers()
        self._to_start: list[Attempt] = []
        self._cancels = 0
        self._outcome = State.SUCCEEDED

    def cancel(self) -> None:
        """End the run; once more, and what cleans up after it ends too.

        May be called from any thread and from signal handlers.
        """
        self._messages.put(_Cancel())

    def execute(self) -> State:
        """Run all tasks; returns the state the run ended in. If this raises, no step is left running."""
        # Read now: inside a tick, whoever else writes to the store would wait for all these files.
        _ = self._cache.surroundings.digest
        try:
            with self._tick():
                for path in self._lost:
                    self._recorder.begin_again(path)
                self._do(self._open_box(None, self._tree.open_root()))
            while not self._scheduler.done:
                self._changed()
                self._handle_next()
        except BaseException:
            self._kill_all()
            raise
        return self._conclude()

    # Events -------------------------------------------------------------------------------------

    def _handle_next(self) -> None:
        """Wait for a message or a timer, and act on it and on what has come meanwhile."""
        try:
            message: _Message | None = self._messages.get(timeout=self._timers.wait)
        except Empty:
            message = None
        with self._tick():
            if message is None:
                self._timers.pop()()
            for _more in range(_AT_ONCE):
                match message:
                    case _Ended(attempt, result):
                        self._attempt_ended(attempt, result)
                    case _Looked(path, found):
                        self._looked(path, found)
                    case _Cancel():
                        self._cancel()
                try:
                    message = self._messages.get_nowait()
                except Empty:
                    return
            if message is not None:
                self._messages.put(message)

    @contextmanager
    def _tick(self) -> Iterator[None]:
        """What happens inside is written at once; the attempts it begins start then."""
        with self._recorder.batch():
            yield
        for attempt in self._to_start:
            self._thread(self._run, attempt)
        self._to_start.clear()

    @staticmethod
    def _thread(target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _cancel(self) -> None:
        self._cancels += 1
        if self._cancels == 1:
            self._recorder.request_cancel()
        # Those that run now: an exit task may begin because of this.
        running = list(self._progress.items())
        self._do(self._scheduler.cancel(at_once=self._cancels > 1))
        for path, progress in running:
            if progress.current is not None:
                self._stop(progress.current, State.CANCELED)
                continue
            self._end(path, State.CANCELED)
            scheduler = self._scheduler
            end = scheduler.finished if progress.looking else scheduler.finished_paused
            self._do(end(path, State.CANCELED))

    def _stop(self, attempt: Attempt, why: Failure | State) -> None:
        attempt.stop(why)
        self._timers.after(GRACE_SECONDS, attempt.kill)

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
            return self._open_box(path, self._tree.open_iteration(path))
        spot = self._tree.spot(path)
        progress = self._progress.get(path)
        if progress is not None:
            self._try(path, spot, progress)
            return []
        if self._scheduler.is_instant(path):
            return self._take(path, spot)
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
        self._reuse.take(spot)
        self._begin(path, spot, inputs)
        return []

    def _take(self, path: str, spot: Spot) -> list[Action]:
        """End a task whose result is there, if it still stands."""
        found = self._reuse.take(spot)
        if found is None:
            self._recorder.begin_again(path)
            return self._scheduler.queue(path)
        if self._reuse.own:
            self._book.kept(path, found)
            return self._scheduler.finished(path, found.source.state)
        names = self._context.placeholders(spot.task.display_name, path, 1)
        try:
            inputs = spot.frame.scope.inputs(spot.task, self._plan.component(spot.task), names)
        except JupyterKfpError as error:
            self._book.never_began(path, State.FAILED, Failure(str(error)))
            return self._scheduler.finished(path, State.FAILED)
        self._record_inputs(path, inputs)
        self._book.reused(path, found)
        return self._scheduler.finished(path, State.CACHED)

    def _begin(self, path: str, spot: Spot, inputs: Values) -> None:
        """Execute a task, unless the cache has what it would make."""
        executor = self._plan.executor(spot.task)
        progress = self._progress[path] = _Progress(inputs, self._reuse.tries(path))
        progress.attempts, progress.failed = progress.before.count, progress.before.failed
        progress.key = cache.cache_key(
            self._context.pipeline,
            spot.task,
            self._plan.component(spot.task),
            executor,
            inputs,
            config=self._cache.config(executor) if isinstance(executor, Container) else {},
            surroundings=self._cache.surroundings,
            place=("container", self._context.image or "")
            if in_container(self._context.runner, executor)
            else (),
        )
        entries: list[FinishedTask] = []
        if progress.key is not None and not self._reuse.is_wanted(spot):
            assert isinstance(executor, Container), "only containers have keys"
            ttl = cache.time_to_live(executor)
            since = None if ttl is None else datetime.now(timezone.utc) - timedelta(seconds=ttl)
            entries = [
                entry
                for entry in self._cache.find(progress.key)
                if since is None or (entry.ended_at is not None and entry.ended_at > since)
            ]
        if entries:
            progress.looking = True
            self._thread(self._look, path, entries)
        else:
            self._try(path, spot, progress)

    def _look(self, path: str, entries: list[FinishedTask]) -> None:
        """Find the first entry that can be used. In a thread of its own: it reads files."""
        checked = (reuse.checked(entry, self._cache.downloads) for entry in entries)
        self._messages.put(_Looked(path, next((each for each in checked if each is not None), None)))

    def _looked(self, path: str, found: reuse.Result | None) -> None:
        progress = self._progress.get(path)
        if progress is None:
            return  # canceled meanwhile
        progress.looking = False
        # Housekeeping may have removed it just now.
        if found is None or not self._recorder.is_there(found.source):
            self._try(path, self._tree.spot(path), progress)
            return
        del self._progress[path]
        self._record_inputs(path, progress.inputs)
        self._book.reused(path, found)
        self._do(self._scheduler.finished(path, State.CACHED))

    def _open(self, path: str, inputs: Values) -> list[Action]:
        """Begin a task that holds others. Raises InputError if it cannot."""
        opened = self._tree.open(path, inputs)
        self._reuse.enter(self._tree.spot(path))
        self._recorder.begin_group(path)
        if opened.rows:
            self._recorder.add_tasks(opened.rows)
        return self._open_box(path, opened)

    def _open_box(self, path: str | None, opened: Opened) -> list[Action]:
        """Have the scheduler begin with what is in a box; what is finished needs no slot."""
        members = {
            name: replace(node, instant=True) if self._reuse.holds(name) else node
            for name, node in opened.members.items()
        }
        return self._scheduler.open(path, members, limit=opened.limit)

    def _try(self, path: str, spot: Spot, progress: _Progress) -> None:
        """Start an attempt at a task."""
        executor = self._plan.executor(spot.task)
        assert isinstance(executor, Container | Importer), "support.check lets nothing else through"
        first = progress.attempts == progress.before.count
        if first:
            self._record_inputs(path, progress.inputs)
        progress.attempts += 1
        directory = attempt_directory(self._directory, path, progress.attempts)
        self._recorder.begin_attempt(
            path, progress.attempts, directory=str(directory.base), log=str(directory.log), first=first
        )
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
        self._to_start.append(attempt)
        timeout = executor.timeout if isinstance(executor, Container) else None
        if timeout is not None:
            self._timers.after(timeout, lambda: self._timed_out(attempt, timeout))

    def _record_inputs(self, path: str, inputs: Values) -> None:
        ids = {port: [produced.id for produced in all_] for port, all_ in inputs.artifacts.items()}
        # The code of a notebook step travels as an input; the run's IR has it already.
        values = {name: value for name, value in inputs.parameters.items() if name != STEP_NOTEBOOK}
        self._recorder.set_inputs(path, values, ids)

    def _run(self, attempt: Attempt) -> None:
        """The thread of an attempt."""
        log = JsonLog(
            attempt.directory.log, run_id=self._context.run_id, task=attempt.path, attempt=attempt.number
        )
        with log.following():
            try:
                result = attempt.run()
            except Exception as error:  # noqa: BLE001 (a defect of ours must end the task, not hang the run)
                failure = Failure(self._context.masker.mask(f"The engine failed: {error!r}."))
                result = Result(State.FAILED, failure=failure, retriable=False)
        log.end(result.state, result.exit_code, result.failure)
        self._messages.put(_Ended(attempt, result))

    def _timed_out(self, attempt: Attempt, seconds: float) -> None:
        progress = self._progress.get(attempt.path)
        if progress is not None and progress.current is attempt:
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
        progress.failed += 1
        again = state is State.FAILED and result.retriable and progress.failed <= policy.count
        if again and not self._cancels:
            self._timers.after(policy.wait(progress.failed), lambda: self._retry(path))
            self._do(self._scheduler.paused(path))
            return
        key = progress.key if state is State.SUCCEEDED else None
        self._end(path, state, failure=result.failure, made=result.made, key=key)
        self._do(self._scheduler.finished(path, state))

    def _retry(self, path: str) -> None:
        if not self._cancels:
            self._do(self._scheduler.resumed(path))

    def _end(
        self,
        path: str,
        state: State,
        *,
        failure: Failure | None = None,
        made: Made | None = None,
        key: str | None = None,
    ) -> None:
        del self._progress[path]
        self._book.task_ended(path, state, failure=failure, made=made, key=key)

    # The end ------------------------------------------------------------------------------------

    def _conclude(self) -> State:
        outputs = self._tree.close(None)
        failures = self._tree.root.failures
        failure = summary(failures) if self._outcome is State.FAILED and failures else None
        ids = {name: [produced.id for produced in all_] for name, all_ in outputs.artifacts.items()}
        lists = [name for name, spec in self._plan.root.output_artifacts.items() if spec.is_list]
        with self._recorder.batch():
            if self._reuse.is_later and self._outcome is not State.CANCELED:
                self._recorder.forget_tasks(self._reuse.left())
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
