"""Runs on a cluster: seeing how they go, ending them, trying them again. The store has them like local ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.directories import attempt_directory
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.remote import artifacts, nodes, profiles
from jupyter_kfp.remote.client import Client, connect
from jupyter_kfp.remote.errors import ApiError, UnreachableError
from jupyter_kfp.store import location
from jupyter_kfp.store.artifacts import ArtifactRootError
from jupyter_kfp.store.mirror import SeenRun, SeenTask
from jupyter_kfp.store.records import Failure, RunEvent, RunRecord, State, TaskKind
from jupyter_kfp.store.store import Store, open_store

if TYPE_CHECKING:
    from jupyter_kfp.engine.plan import Plan
    from jupyter_kfp.remote.objects import Run

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
# How long a cluster may be away before following it is given up. The run goes on without us.
_GIVE_UP_SECONDS = 3600.0
_GONE = Failure("The cluster does not have this run any more: somebody has deleted it.")


def client_of(record: RunRecord) -> Client:
    """A client for the cluster of a run. Raises UsageError if its profile is gone and nothing else leads there."""
    remote = record.options["remote"]
    try:
        profile = profiles.find(remote["profile"])
    except UsageError:
        profile = profiles.find()
        if profile.endpoint != remote["endpoint"]:
            raise
    return connect(profile)


def refresh(run_id: str, client: Client | None = None) -> RunRecord:
    """Look at the cluster once, write down what is new, and return the run.

    Raises UnreachableError where the cluster cannot be asked; what the store has stays as it is.
    """
    store = open_store()
    try:
        record = store.unchecked_run(run_id)
        if not record.state.is_final:
            _look(store, record, client)
        return store.run(record.id)
    finally:
        store.close()


def _look(store: Store, record: RunRecord, given: Client | None) -> None:
    client = given or client_of(record)
    try:
        run = client.run(record.id)
    except ApiError as error:
        if not error.is_missing:
            raise
        _gone(store, record)
        return
    finally:
        if given is None:
            client.close()
    plan = ir.read(store.ir(record.id))
    seen = nodes.seen(plan, run, cancel_asked=record.cancel_requested_at is not None)
    seen = replace(seen, tasks=tuple(_placed(record.id, task) for task in seen.tasks))
    if seen.state.is_final:
        seen = _complete(store, record, plan, seen, run, client)
    store.mirror(record.id).write(seen)


def _complete(
    store: Store, record: RunRecord, plan: Plan, seen: SeenRun, run: Run, client: Client
) -> SeenRun:
    """A run that has ended, with what it left. Where that cannot be read, a warning says so."""
    try:
        seen = artifacts.completed(plan, seen, _root(record))
        fetch_logs(record, run, client, seen)
    except ArtifactRootError as error:
        store.recorder(record.id).note(str(error), kind="warning")
        with suppress(UnreachableError, ApiError):
            fetch_logs(record, run, client, seen)
    failed = [t for t in seen.tasks if t.state is State.FAILED and t.failure and t.task.kind is TaskKind.TASK]
    if seen.state is State.FAILED and failed and not (run.error and run.error.message):
        words = "; ".join(f"{task.task.path}: {task.failure}" for task in failed)
        seen = replace(seen, failure=Failure(words))
    return seen


def _root(record: RunRecord) -> artifacts.Root:
    if not record.root:
        raise ArtifactRootError(
            "Where the cluster keeps artifacts is not known here.", "Give the profile its --pipeline-root."
        )
    return artifacts.Root(record.root)


def _placed(run_id: str, task: SeenTask) -> SeenTask:
    """A task with the place where its log will be."""
    if not task.attempts:
        return task
    place = attempt_directory(location.run_directory(run_id), task.task.path, task.attempts)
    return replace(task, directory=str(place.base), log=str(place.log))


def fetch_logs(record: RunRecord, run: Run, client: Client, seen: SeenRun) -> None:
    """Copy what the tasks printed here: from the pipeline root, else from KFP's web server."""
    try:
        executions = artifacts.Root(record.root).executions() if record.root else {}
    except ArtifactRootError:
        executions = {}
    pods = nodes.pods(run)
    counts: dict[str, int] = {}
    for task in sorted(seen.tasks, key=lambda t: t.ended_at.timestamp() if t.ended_at else float("inf")):
        if not task.log:
            continue
        number = counts.get(task.task.key, 0)
        counts[task.task.key] = number + 1
        lefts, own_pods = executions.get(task.task.key, []), pods.get(task.task.key, [])
        text: str | None = None
        if number < len(lefts):
            root = artifacts.Root(record.root)
            with suppress(ArtifactRootError):  # the pod may still have it
                text = "".join(root.text(uri) for uri in artifacts.log_uris(lefts[number]))
        if not text and number < len(own_pods):
            with suppress(UnreachableError):
                text = client.pod_log(run.run_id, own_pods[number])
        if text:
            Path(task.log).parent.mkdir(parents=True, exist_ok=True)
            Path(task.log).write_text(text, encoding="utf-8")


def refresh_logs(run_id: str) -> None:
    """Copy what the tasks of a run have printed so far. Raises UnreachableError."""
    store = open_store()
    try:
        record = store.unchecked_run(run_id)
        client = client_of(record)
        try:
            run = client.run(record.id)
            seen = nodes.seen(ir.read(store.ir(record.id)), run)
            placed = replace(seen, tasks=tuple(_placed(record.id, task) for task in seen.tasks))
            fetch_logs(record, run, client, placed)
        finally:
            client.close()
    finally:
        store.close()


def _gone(store: Store, record: RunRecord) -> None:
    store.recorder(record.id).abandon(_GONE)


def attend(
    run_id: str,
    on_event: Callable[[RunEvent], None],
    *,
    cancel_on_interrupt: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunRecord:
    """Follow a run to its end and return it.

    Ctrl-C cancels it on the cluster and goes on following; a second one leaves it alone. While the cluster is
    away, the run is asked for again with growing pauses. Raises UnreachableError when it stays away.
    """
    interrupted = False
    follower = _Follower(run_id, on_event, sleep, clock)
    try:
        while True:
            try:
                if follower.step():
                    return follower.record()
            except KeyboardInterrupt:  # noqa: PERF203 (it happens once)
                if interrupted or not cancel_on_interrupt:
                    raise
                interrupted = True
                with suppress(JupyterKfpError):
                    cancel(run_id)
    finally:
        follower.close()


class _Follower:
    """One run that is followed: what was told of it, and since when its cluster is away."""

    def __init__(
        self,
        run_id: str,
        on_event: Callable[[RunEvent], None],
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._store = open_store()
        self._id = self._store.unchecked_run(run_id).id
        self._client = client_of(self._store.unchecked_run(run_id))
        self._on_event, self._sleep, self._clock = on_event, sleep, clock
        self._last = 0
        self._pause = _FIRST_PAUSE
        self._away_since: float | None = None

    def step(self) -> bool:
        """Look once, tell what is new, and pause; True once the run has ended and all is told."""
        try:
            record = refresh(self._id, self._client)
        except UnreachableError as error:
            self._away(error)
            record = self._store.unchecked_run(self._id)
        else:
            self._back()
        told = self._tell()
        if record.state.is_final:
            return True
        self._pause = _FIRST_PAUSE if told else min(self._pause * 1.5, _LONGEST_PAUSE)
        self._sleep(self._pause)
        return False

    def record(self) -> RunRecord:
        """The run as the store has it."""
        return self._store.run(self._id)

    def close(self) -> None:
        """Give everything back."""
        self._client.close()
        self._store.close()

    def _tell(self) -> bool:
        events = self._store.events(self._id, after=self._last)
        for event in events:
            self._last = event.id
            self._on_event(event)
        return bool(events)

    def _away(self, error: UnreachableError) -> None:
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
            self._store.recorder(self._id).note(f"{error.message} Trying again.", kind="warning")
        if not error.trouble.is_transient or now - self._away_since > _GIVE_UP_SECONDS:
            raise UnreachableError(
                error.trouble,
                f"{error.message} The run goes on there.",
                f"{error.remedy} `jupyter kfp show {self._id}` follows it again.",
            ) from error

    def _back(self) -> None:
        if self._away_since is not None:
            self._away_since = None
            self._store.recorder(self._id).note("The cluster answers again.")


def cancel(run_id: str) -> None:
    """Ask the cluster to end a run. Raises UsageError if it has ended already, UnreachableError."""
    _act(run_id, _terminate)


def _terminate(client: Client, record: RunRecord) -> None:
    if record.state.is_final:
        raise UsageError(f"Run {record.id} has already ended ({record.state.value}).")
    store = open_store()
    try:
        client.terminate(record.id)
        store.recorder(record.id).request_cancel()
    finally:
        store.close()


def retry(run_id: str) -> None:
    """Have the cluster execute the failed tasks of a run again, under the same id.

    Raises UsageError if the run has not failed, UnreachableError, ApiError.
    """

    def again(client: Client, record: RunRecord) -> None:
        if record.state not in (State.FAILED, State.CANCELED):
            raise UsageError(
                f"Run {record.id} has not failed ({record.state.value}).", "Submit it again instead."
            )
        client.retry(record.id)
        store = open_store()
        try:
            store.mirror(record.id).reopen()
        finally:
            store.close()

    _act(run_id, again)


def _act(run_id: str, act: Callable[[Client, RunRecord], Any]) -> None:
    record = refresh(run_id)
    client = client_of(record)
    try:
        act(client, record)
    finally:
        client.close()
