"""Looking at a run for as long as it goes on, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.records import RunRecord
from jupyter_kfp.store.store import open_store
from jupyter_kfp.views.widget.protocols import RunLike

_EVERY: Final = 1.0  # seconds between looks at the store, and ticks of the clock
_AT_MOST: Final = 0.1  # seconds between two looks, however many news there are
_REMOTE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A run at one moment: its record and the states of its tasks and boxes by path."""

    record: RunRecord
    states: Mapping[str, str]


def look(run: RunLike) -> Seen:
    """The run as it is now; of a run on a cluster, the cluster is asked."""
    record = run.record
    with closing(open_store()) as store:
        return Seen(record, {path: state.value for path, state in store.states(record.id).items()})


class Follower:
    """Tells ``on_look`` how a run goes: at its news where its engine rings, else once a second, until it has ended.

    ``on_look`` is called in the follower's thread; so is ``on_error`` where the run can no longer be looked at.
    """

    def __init__(
        self, run: RunLike, on_look: Callable[[Seen], None], on_error: Callable[[str], None]
    ) -> None:
        self._run, self._on_look, self._on_error = run, on_look, on_error
        self._stopped = Event()
        # A daemon: the end of the kernel does not wait for the end of a run.
        self._thread = Thread(target=self._follow, name=f"widget of run {run.id}", daemon=True)

    def start(self) -> Follower:
        """Begin to follow."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Tell nothing more; the thread ends within a second."""
        self._stopped.set()

    @property
    def is_alive(self) -> bool:
        """Whether the run is still followed."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for the end of following, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def _follow(self) -> None:
        try:
            pause, rings = _REMOTE if self._run.url else _EVERY, True
            while not self._stopped.is_set():
                seen = look(self._run)
                if self._stopped.is_set():
                    return
                self._on_look(seen)
                if seen.record.state.is_final:
                    return
                if rings:
                    rings = self._run.listen(_EVERY)
                    self._stopped.wait(_AT_MOST)
                else:
                    self._stopped.wait(pause)
        except JupyterKfpError as error:  # the store is away
            self._on_error(str(error))
        except Exception as error:  # noqa: BLE001 - nobody hears a thread: what goes wrong is shown
            self._on_error(repr(error))
