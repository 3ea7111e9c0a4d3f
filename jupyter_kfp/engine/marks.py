"""Which processes belong to a step or a run, wherever they have gone.

What a step starts need not stay in its process group: Jupyter kernels are sessions of their own, daemons detach. So
every step carries a mark in its environment that all its descendants inherit, and whoever carries it ends with the
step.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path

MARK = "JUPYTER_KFP_ATTEMPT"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>


def mark(run_id: str, path: str, attempt: int, environment: Mapping[str, str]) -> str:
    """The value of ``MARK`` for one attempt. Marks add up, so that a run inside a step belongs to both."""
    own = f"{run_id}/{path.replace(' ', '_')}/{attempt}"
    return f"{environment.get(MARK, '')} {own}".strip()


def adopt_orphans() -> None:
    """Let descendants whose parent dies become our children, so that they can be found (Linux only)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def kill_marked(belongs: Callable[[Sequence[str]], bool]) -> None:
    """End every process whose marks ``belongs`` says yes to, until none is left (some may be just forking)."""
    import psutil

    for _round in range(10):
        found = False
        for pid in psutil.pids():
            if pid != os.getpid() and belongs(marks_of(pid)):
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if process.status() != psutil.STATUS_ZOMBIE:
                        process.kill()
                        found = True
        if not found:
            return


def kill_adopted(mark: str, *, but: Container[int] = ()) -> None:
    """End those of our children (see `adopt_orphans`) that carry a mark."""
    for pid in own_children():
        if pid not in but and mark in marks_of(pid):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def marks_of(pid: int) -> list[str]:
    """The marks a process carries; none if that cannot be known."""
    if sys.platform == "linux":
        try:
            block = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return []
        prefix = MARK.encode() + b"="
        values = [item[len(prefix) :] for item in block.split(b"\0") if item.startswith(prefix)]
        return os.fsdecode(values[0]).split(" ") if values else []
    import psutil

    try:
        return psutil.Process(pid).environ().get(MARK, "").split(" ")
    except psutil.Error:
        return []


def own_children() -> Iterator[int]:
    """The direct children of this process, without a look at every process of the machine."""
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            yield from map(int, (thread / "children").read_text().split())
