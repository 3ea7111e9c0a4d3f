"""From a run in the store to its execution by this process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType

from jupyter_kfp.engine import emitting, ir, reuse, secrets, support
from jupyter_kfp.engine.cache import Surroundings
from jupyter_kfp.engine.containers.choice import open_images
from jupyter_kfp.engine.context import RunContext
from jupyter_kfp.engine.dataflow import Values
from jupyter_kfp.engine.marks import adopt_orphans, kill_marked
from jupyter_kfp.engine.masking import Masker
from jupyter_kfp.engine.plan import Container
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.engine.supervisor import Cache, Supervisor
from jupyter_kfp.engine.tree import outline
from jupyter_kfp.engine.warm.imports import imports_of
from jupyter_kfp.engine.warm.pool import WarmPool
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import liveness, location
from jupyter_kfp.store.artifacts import ArtifactRoot
from jupyter_kfp.store.database import ConnectionLostError
from jupyter_kfp.store.records import Failure, RunRecord
from jupyter_kfp.store.store import Store, open_store

# How often a run is taken up again whose store was away in the middle of a transaction.
_LIVES = 5


def execute(run_id: str, doorbell: int | None = None) -> int:
    """Execute a run that `launch.start` created. Returns 0 if it ended, however; 1 if the engine failed.

    What goes wrong with the engine itself is written to standard error, the engine's log.
    """
    ring = _bell(doorbell)
    try:
        store = open_store()
    except JupyterKfpError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the engine's log)
        return 1
    try:
        _persistently(store, run_id, ring)
    except JupyterKfpError as error:
        return _give_up(store, run_id, _masker(store, run_id).mask(str(error)))
    except Exception as error:  # noqa: BLE001 (the run must not stay RUNNING, whatever this is)
        mask = _masker(store, run_id).mask
        sys.stderr.write(mask(traceback.format_exc()))
        return _give_up(store, run_id, mask(f"The engine ended unexpectedly: {error!r}."))
    finally:
        store.close()
    return 0


def _persistently(store: Store, run_id: str, ring: Callable[[], None]) -> None:
    """Execute a run; where the connection to the store is lost while something is written, go on with what it has."""
    for _life in range(_LIVES - 1):
        try:
            _execute(store, store.run(run_id), ring)
        except ConnectionLostError as error:
            print(error, file=sys.stderr)  # noqa: T201 (the engine's log)
            why = Failure("The connection to the store was lost while its state was written.")
        else:
            return
        # Steps of which the store may know nothing.
        kill_marked(lambda marks: any(mark.startswith(f"{run_id}/") for mark in marks))
        plan = ir.read(store.ir(run_id))
        if not store.begin_again(run_id, _myself(), {task.path for task in outline(plan, plan.dag)}, why):
            ring()
            return
    _execute(store, store.run(run_id), ring)


def _myself() -> liveness.ProcessId:
    process = liveness.process_id(os.getpid())
    assert process is not None, "this process exists"
    return process


def _execute(store: Store, run: RunRecord, ring: Callable[[], None]) -> None:
    plan = ir.read(store.ir(run.id))
    recorder = store.recorder(run.id)
    directory = location.run_directory(run.id)
    root = ArtifactRoot(run.root, directory / "staging")
    source = run.options.get("source_dir")
    source_dir = Path(source) if source else None
    values = secrets.load(source_dir)
    runner = Runner(run.options.get("runner") or Runner.PROCESS)
    warm = WarmPool(run.id, directory / "warm.txt", imports_of(plan))
    supervisor = Supervisor(
        plan,
        Values(run.parameters),
        recorder,
        RunContext(
            run_id=run.id,
            run_name=run.name,
            pipeline=run.pipeline,
            created_at=run.created_at,
            root=root,
            environments=location.home() / "environments",
            source=source_dir,
            workspace=directory / "workspace",
            imports=location.home() / "imports",
            masker=Masker(values.hidden(plan)),
            secrets={
                label: values.variables(executor)
                for label, executor in plan.executors.items()
                if isinstance(executor, Container)
            },
            warm=warm,
            runner=runner,
            images=open_images(plan, runner, directory),
            image=run.options.get("image"),
        ),
        directory=directory,
        max_parallel=run.options.get("max_parallel") or os.cpu_count() or 1,
        changed=ring,
        cache=Cache(
            find=(lambda key: reuse.trusted(store, store.cached(key)))
            if run.options.get("cache", True)
            else lambda _key: [],
            surroundings=Surroundings(
                source_dir,
                Path(file) if (file := run.options.get("file")) else None,
                # What one made need not be what the other would.
                "" if runner is Runner.PROCESS else f"{runner.value} {run.options.get('image')}",
            ),
            config=values.config,
            downloads=directory / "reused",
        ),
        earlier=reuse.earlier(store, run, directory / "reused"),
    )
    adopt_orphans()
    with closing(warm), _signals(supervisor.cancel):
        emitting.start(store, run.id, source_dir)
        recorder.begin_run(_myself())
        root.check()
        (directory / "workspace").mkdir(parents=True, exist_ok=True)
        warning = support.ignored(plan, runner)
        if warning:
            recorder.note(warning, kind="warning")
        supervisor.execute()


def _masker(store: Store, run_id: str) -> Masker:
    """What hides a run's secrets; nothing is hidden of a run that cannot be read: its steps had none."""
    with suppress(JupyterKfpError):
        source = store.run(run_id).options.get("source_dir")
        return Masker(secrets.load(Path(source) if source else None).hidden(ir.read(store.ir(run_id))))
    return Masker(())


def _give_up(store: Store, run_id: str, why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201 (the engine's log)
    # If the store is what failed, readers will find this process gone and its words in the log.
    with suppress(JupyterKfpError):
        store.recorder(run_id).abandon(Failure(why))
    return 1


@contextmanager
def _signals(cancel: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT cancel; losing the terminal is nothing to a detached run."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        cancel()

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None] | signal.Handlers]
    handlers = {signal.SIGTERM: on_signal, signal.SIGINT: on_signal, signal.SIGHUP: signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():
        yield  # only a main thread can have handlers; this is a run inside another program
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bell(descriptor: int | None) -> Callable[[], None]:
    """What tells a follower to look at the store. Never blocks: one byte unread is as good as many."""
    if descriptor is None:
        return lambda: None
    os.set_inheritable(descriptor, False)
    os.set_blocking(descriptor, False)

    def ring() -> None:
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(descriptor, b".")

    return ring
