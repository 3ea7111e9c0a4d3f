"""Runs that are going on, as Jupyter events.

A run that this server started rings through its engine's pipe, and its thread sleeps until then. Other runs
(of the command line, or from before a restart) are followed in the store, and only while they live; those of a
cluster are asked for there, every few seconds.
"""

from __future__ import annotations

import asyncio
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from jupyter_kfp.errors import JupyterKfpError

if TYPE_CHECKING:
    from jupyter_events import EventLogger

    from jupyter_kfp.engine.launch import RunHandle
    from jupyter_kfp.store.records import RunEvent

SCHEMA: Final = "https://events.jupyter.org/jupyter_kfp/run/v1"


class _ClosedError(RuntimeError):
    """The server ends."""


class Live:
    """Emits the events of runs, each run followed once however often it is asked for."""

    def __init__(self, events: EventLogger) -> None:
        self._events = events
        self._followed: set[str] = set()
        self._told: dict[str, int] = {}  # run → its last event that was emitted
        self._lock = Lock()
        self._closed = Event()

    def follow(
        self, run: RunHandle | str, loop: asyncio.AbstractEventLoop, *, is_remote: bool = False
    ) -> None:
        """Emit every event of a run that was not emitted before, until it has ended.

        ``is_remote``: it runs on a cluster. Should that be away for an hour, it is no longer followed.
        """
        run_id = run if isinstance(run, str) else run.id
        with self._lock:
            if run_id in self._followed or self._closed.is_set():
                return
            self._followed.add(run_id)
        # A daemon: the end of the server does not wait for the end of a run.
        arguments = (run, run_id, loop, is_remote)
        Thread(target=self._attend, args=arguments, name=f"run {run_id}", daemon=True).start()

    def close(self) -> None:
        """Emit nothing more."""
        self._closed.set()

    def _attend(
        self, run: RunHandle | str, run_id: str, loop: asyncio.AbstractEventLoop, is_remote: bool
    ) -> None:
        from jupyter_kfp.engine import launch
        from jupyter_kfp.remote import follow as following

        def tell(event: RunEvent) -> None:
            if self._closed.is_set():
                raise _ClosedError
            if event.id > self._told.get(run_id, 0):
                self._told[run_id] = event.id
                loop.call_soon_threadsafe(self._emit, event)

        try:
            if is_remote:
                following.attend(run_id, tell, cancel_on_interrupt=False, sleep=self._pause)
            else:
                for event in launch.follow(run, after=self._told.get(run_id, 0)):
                    tell(event)
        except (JupyterKfpError, RuntimeError) as error:  # the store is away, or the loop has ended
            if not self._closed.is_set():
                self._events.log.warning("Run %s is no longer followed: %s", run_id, error)
        finally:
            with self._lock:
                self._followed.discard(run_id)

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise _ClosedError

    def _emit(self, event: RunEvent) -> None:
        self._events.emit(
            schema_id=SCHEMA,
            data={
                "run_id": event.run_id,
                "id": event.id,
                "kind": event.kind,
                "task": event.task,
                "state": event.state.value if event.state else None,
                "message": event.message,
                "time": event.time.isoformat(),
            },
        )
