"""Starting runs, following them, ending them: what every face of the package calls.

A run outlives whoever started it. The one who did start it hears of news through a pipe; others look at
the store a few times a second.
"""

from __future__ import annotations

import os
import secrets as random
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_kfp.engine import cache, ir, parameters, secrets, starting, support
from jupyter_kfp.engine import resume as resuming
from jupyter_kfp.engine.containers import choice
from jupyter_kfp.engine.runner import Runner
from jupyter_kfp.engine.tree import outline
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.store import liveness, loading, location
from jupyter_kfp.store.recorder import ENGINE_DIED
from jupyter_kfp.store.records import Failure, NewRun, Origin, RunEvent, RunRecord
from jupyter_kfp.store.store import Store, open_store
from jupyter_kfp.tracking import settings as tracking

ROOT_VARIABLE = "JUPYTER_KFP_ARTIFACT_ROOT"
_POLL_SECONDS = 0.2
_END_SECONDS = 10.0

# Engines this process started and has not waited for; kept so that they can be reaped.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run, as opposed to what.

    ``root``: the URL artifacts are kept under (a directory per run is made there); by default
    ``JUPYTER_KFP_ARTIFACT_ROOT``, else the pipeline's own ``defaultPipelineRoot``, else the home directory of
    the package. ``source_dir``: the notebook's directory, whose files steps see. ``max_parallel``: how many
    steps run at once; by default as many as there are cores. ``runner``: by default ``JUPYTER_KFP_RUNNER``, else
    AUTO. ``image``: in containers, that of notebook steps which name none. ``cache``: whether results of earlier
    runs may be used; also off where ``JUPYTER_KFP_CACHE`` is 0. ``file``: the file the pipeline was read from, which
    is no data of its steps. ``mlflow``: the tracking URI of the MLflow that is told of the run; by default
    ``MLFLOW_TRACKING_URI``, else none. ``from_step``: what comes before this step is taken from the last run that has it.
    """

    name: str | None = None
    root: str | None = None
    source_dir: Path | None = None
    max_parallel: int | None = None
    runner: Runner | None = None
    image: str | None = None
    cache: bool = True
    file: Path | None = None
    from_step: str | None = None
    mlflow: str | None = None


@dataclass(slots=True)
class RunHandle:
    """A run that this process started. ``after``: the last event before that."""

    id: str
    pid: int
    after: int
    _process: subprocess.Popen[bytes] = field(repr=False)
    _doorbell: int | None = field(repr=False)

    def listen(self, timeout: float | None = None) -> bool:
        """Block until there may be news, or for ``timeout`` seconds; False once the engine has ended."""
        if self._doorbell is None:
            return False
        if timeout is not None and not _readable(self._doorbell, timeout):
            return True
        if os.read(self._doorbell, 1 << 16):
            return True
        os.close(self._doorbell)
        self._doorbell = None
        self._process.wait()
        return False


def _readable(doorbell: int, timeout: float) -> bool:
    with selectors.DefaultSelector() as selector:  # unlike select.select, it takes any number of open files
        selector.register(doorbell, selectors.EVENT_READ)
        return bool(selector.select(timeout))


def start(
    ir_text: str,
    values: Mapping[str, Any] | None = None,
    *,
    origin: Origin | None = None,
    options: RunOptions | None = None,
) -> RunHandle:
    """Start a run of a compiled pipeline and return at once.

    Raises UsageError, before anything is recorded, if the IR cannot be read or cannot run here, if a
    parameter is unknown, missing or of another type, or if a secret has no value; ContainerError if steps are to
    run in containers and no container engine answers; StoreError if the run cannot be recorded.
    """
    options = options or RunOptions()
    plan = ir.read(ir_text)
    checked = parameters.validate(plan.root.input_parameters, values or {})
    runner, image = choice.decide(plan, options.runner or Runner.default(), options.image)
    support.check(plan, runner)
    secrets.check(plan, secrets.load(options.source_dir), checked)
    if options.max_parallel is not None and options.max_parallel < 1:
        raise UsageError(f"At least one step must run at a time, not {options.max_parallel}.")
    run_id = random.token_hex(6)
    new = NewRun(
        id=run_id,
        name=options.name or f"{plan.name} {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}",
        pipeline=plan.name,
        ir=ir_text,
        root=_root(options.root or os.environ.get(ROOT_VARIABLE) or plan.pipeline_root, run_id),
        parameters=checked,
        origin=origin or Origin(),
        options={
            "max_parallel": options.max_parallel,
            "runner": runner.value,
            "image": image,
            "cache": options.cache and os.environ.get(cache.OFF) != "0",
            "file": str(options.file.absolute()) if options.file else None,
            "source_dir": str(options.source_dir.absolute()) if options.source_dir else None,
            loading.USER: loading.this_user(),
            **tracking.wanted(options.mlflow),
        },
    )
    store = open_store()
    try:
        if options.from_step is not None:
            base = resuming.base_of(store, plan, checked, options.from_step)
            new = replace(new, options={**new.options, "from": base.as_json()})
        store.create_run(new, outline(plan, plan.dag))
        return _spawn(store, run_id)
    finally:
        store.close()


def resume(run_id: str, *, failed_too: bool = False) -> RunHandle:
    """Let a run that was canceled or whose engine died go on where it stopped, and return at once.

    It keeps its id, its pipeline as it was, its parameters, and all that is finished. ``failed_too``: a run that
    failed may go on too, and what failed in it is tried again (`retry`). Raises UsageError if it cannot go on.
    """
    store = open_store()
    try:
        record = store.run(run_id)
        resuming.check(record, failed_too=failed_too)
        plan = ir.read(store.ir(record.id))
        source = record.options.get("source_dir")
        secrets.check(plan, secrets.load(Path(source) if source else None), record.parameters)
        me = liveness.process_id(os.getpid())
        assert me is not None, "this process exists"
        last = store.last_event(record.id)
        known = {task.path for task in outline(plan, plan.dag)}
        store.reopen(record.id, me, known, failed_too=failed_too)
        return _spawn(store, record.id, after=last)
    finally:
        store.close()


def _root(given: str | None, run_id: str) -> str:
    if given is None:
        return str(location.artifact_directory(run_id))
    if "://" not in given:
        given = str(Path(given).expanduser().absolute())
    return f"{given.rstrip('/')}/{run_id}"


def _spawn(store: Store, run_id: str, *, after: int = 0) -> RunHandle:
    """Start the engine process of a run, in a session of its own."""
    _reap()
    directory = location.run_directory(run_id)
    environment = {
        location.HOME_VARIABLE: str(location.home()),
        location.URL_VARIABLE: location.store_url(),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        engine = starting.take()
        engine.begin(run_id, directory, engine_log(run_id), environment)
    except OSError as error:
        failure = Failure(f"The engine cannot be started ({error}).")
        store.recorder(run_id).abandon(failure)
        raise JupyterKfpError(
            failure.message, "Check the disk and the rights of " + str(directory) + "."
        ) from error
    process = engine.process
    _children.append(process)
    identity = liveness.process_id(process.pid)
    if identity is not None:
        store.recorder(run_id).set_process(identity)
    return RunHandle(run_id, process.pid, after, process, engine.doorbell)


def _reap() -> None:
    """Forget engines that have ended, so that they do not stay as zombies."""
    _children[:] = [process for process in _children if process.poll() is None]


def engine_log(run_id: str) -> Path:
    """What the engine process of a run wrote about itself; empty unless something went wrong."""
    return location.run_directory(run_id) / "engine.log"


def follow(run: RunHandle | str, *, after: int = 0) -> Iterator[RunEvent]:
    """The events of a run, as they happen, until it has ended. ``after``: only those after this event's id.

    A handle is followed without polling. Raises UsageError if there is no such run.
    """
    store = open_store()
    try:
        run_id = run.id if isinstance(run, RunHandle) else store.run(run).id
        after = max(after, run.after) if isinstance(run, RunHandle) else after
        wakes = _wakes(store, run) if isinstance(run, RunHandle) else _polls(store, run_id)
        for _wake in wakes:
            for event in store.events(run_id, after=after):
                after = event.id
                yield event
                if event.kind == "run" and event.state and event.state.is_final and _ended(store, run_id):
                    return  # no need to wait until the process is gone as well
    finally:
        store.close()


def _wakes(store: Store, handle: RunHandle) -> Iterator[None]:
    """Once at first, once for any news, and once after the end."""
    yield
    while handle.listen():
        yield
    _ended(store, handle.id)
    yield


def _polls(store: Store, run_id: str) -> Iterator[None]:
    while not _ended(store, run_id):
        yield
        time.sleep(_POLL_SECONDS)
    yield


def _ended(store: Store, run_id: str) -> bool:
    """Whether the run has ended; if its engine died, it has now, with the engine's last words as the reason."""
    record = store.unchecked_run(run_id)
    if liveness.is_alive(record):
        return record.state.is_final
    store.recorder(run_id).abandon(_last_words(run_id), if_dead=True)
    return store.unchecked_run(run_id).state.is_final


def _last_words(run_id: str) -> Failure:
    try:
        lines = engine_log(run_id).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return Failure(f"{ENGINE_DIED.message} {lines[-1]}") if lines else ENGINE_DIED


def wait(run: RunHandle | str) -> RunRecord:
    """Block until the run has ended."""
    return attend(run, lambda _event: None, cancel_on_interrupt=False)


def attend(
    run: RunHandle | str, on_event: Callable[[RunEvent], None], *, cancel_on_interrupt: bool = True
) -> RunRecord:
    """Follow a run to its end and return it.

    Ctrl-C (KeyboardInterrupt) cancels the run cleanly and goes on following; a second one kills it.
    """
    run_id = run.id if isinstance(run, RunHandle) else run
    last = 0

    def heard(event: RunEvent) -> None:
        nonlocal last
        last = event.id
        on_event(event)

    interrupted = None
    while True:
        with suppress(KeyboardInterrupt) if cancel_on_interrupt else nullcontext():
            # Acting on an interrupt is here too: another one while we do so is the second.
            if interrupted is not None:
                _end(run_id, interrupted)
            for event in follow(run, after=last):
                heard(event)
            return show(run_id)
        interrupted = cancel if interrupted is None else kill


def _end(run_id: str, how: Callable[[str], None]) -> None:
    """Cancel or kill a run, unless it ended just now."""
    if not show(run_id).state.is_final:
        with suppress(UsageError):
            how(run_id)


def show(run_id: str) -> RunRecord:
    """The run as it is now."""
    store = open_store()
    try:
        run_id = store.unchecked_run(run_id).id
        _ended(store, run_id)
        return store.run(run_id)
    finally:
        store.close()


def cancel(run_id: str) -> None:
    """Ask a run to end: its steps are ended, nothing more starts. Returns at once.

    Raises UsageError if it has ended already or runs on another machine.
    """
    _signal(run_id, signal.SIGTERM)


def kill(run_id: str) -> None:
    """End a run at once, its engine included."""
    pid = _signal(run_id, signal.SIGKILL)
    deadline = time.monotonic() + _END_SECONDS
    while pid is not None and liveness.process_id(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    show(run_id)


def _signal(run_id: str, number: signal.Signals) -> int | None:
    store = open_store()
    try:
        record = store.run(run_id)
        if record.state.is_final:
            raise UsageError(f"Run {record.id} has already ended ({record.state.value}).")
        pid = liveness.engine_pid(record)
        if pid is None and record.pid is not None:
            raise UsageError(f"Run {record.id} runs on the machine {record.host!r}.", "Cancel it there.")
        store.recorder(record.id).request_cancel()
        if pid is not None:
            os.kill(pid, number)
        return pid
    finally:
        store.close()
