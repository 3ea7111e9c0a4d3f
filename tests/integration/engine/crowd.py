"""Many engines at once: ``python -m tests.integration.engine.crowd IR RUNS`` prints the ids of the runs that ended.

Every engine is a process of its own, a fork of this one, which has loaded everything.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from jupyter_kfp.engine import launch
from tests.integration.engine import crashing


def main(arguments: list[str]) -> None:
    text, runs = Path(arguments[0]).read_text(), int(arguments[1])
    crashing.here(text)
    launch._spawn = crashing.spawn
    gc.freeze()  # what is loaded now is shared with all forks
    handles = [launch.start(text, {"n": number}) for number in range(1, runs + 1)]
    for handle in handles:
        _pid, status = os.waitpid(handle.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, launch.engine_log(handle.id).read_text()
    print(*(handle.id for handle in handles))  # noqa: T201 (the answer)


if __name__ == "__main__":
    main(sys.argv[1:])
