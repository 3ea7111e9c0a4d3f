"""Following runs on a cluster, ending them, trying them again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.remote.errors import UnreachableError
from jupyter_kfp.remote.mirroring import connected, refresh
from jupyter_kfp.store.records import RunEvent, RunRecord, State
from jupyter_kfp.store.store import open_store

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
# How long a cluster may be away before following it is given up. The run goes on without us.
_GIVE_UP_SECONDS = 3600.0


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
        with ExitStack() as opened:
            self._store = opened.enter_context(closing(open_store()))
            record = self._store.unchecked_run(run_id)
            self._id = record.id
            self._client = opened.enter_context(connected(record))
            self._opened = opened.pop_all()
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
        self._opened.close()

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
    record = refresh(run_id)
    if record.state.is_final:
        raise UsageError(f"Run {record.id} has already ended ({record.state.value}).")
    with closing(open_store()) as store, connected(record) as client:
        client.terminate(record.id)
        store.recorder(record.id).request_cancel()


def retry(run_id: str) -> None:
    """Have the cluster execute the failed tasks of a run again, under the same id.

    Raises UsageError if the run has not failed, UnreachableError, ApiError.
    """
    record = refresh(run_id)
    if record.state not in (State.FAILED, State.CANCELED):
        raise UsageError(
            f"Run {record.id} has not failed ({record.state.value}).", "Submit it again instead."
        )
    with closing(open_store()) as store, connected(record) as client:
        client.retry(record.id)
        store.mirror(record.id).reopen()
