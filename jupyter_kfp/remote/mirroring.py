"""Looking once at a run on a cluster. The store has it like one of this machine then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.directories import attempt_directory
from jupyter_kfp.engine.packed import packed_step
from jupyter_kfp.engine.plan import Container, Importer
from jupyter_kfp.engine.provenance import code_of, image_of
from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import artifacts, logs, nodes, profiles
from jupyter_kfp.remote.client import Client, connect
from jupyter_kfp.remote.errors import ApiError
from jupyter_kfp.remote.leftovers import Leftovers, Root, matched
from jupyter_kfp.store import location
from jupyter_kfp.store.artifacts import ArtifactRootError
from jupyter_kfp.store.mirror import TRIED, SeenRun, SeenTask
from jupyter_kfp.store.records import IMPORTED, Failure, RunRecord, State, TaskKind, TaskOrigin
from jupyter_kfp.store.store import Store, open_store
from jupyter_kfp.tracking import settings as tracking

if TYPE_CHECKING:
    from jupyter_kfp.engine.plan import Plan
    from jupyter_kfp.pipeline import Json
    from jupyter_kfp.remote.objects import Run
    from jupyter_kfp.remote.profile import Profile

_GONE = Failure("The cluster does not have this run any more: somebody has deleted it.")


@contextmanager
def connected(record: RunRecord, given: Client | None = None) -> Iterator[Client]:
    """A client for the cluster of a run: the one ``given``, else one that is closed at the end.

    Raises UsageError if its profile is gone and the default one leads elsewhere.
    """
    if given is not None:
        yield given
        return
    client = connect(_profile(record))
    try:
        yield client
    finally:
        client.close()


def _profile(record: RunRecord) -> Profile:
    remote = record.options["remote"]
    try:
        return profiles.find(remote["profile"])
    except UsageError:
        profile = profiles.find()
        if profile.endpoint != remote["endpoint"]:
            raise
        return profile


def refresh(run_id: str, client: Client | None = None) -> RunRecord:
    """Look at the cluster once, write down what is new, and return the run.

    Raises UnreachableError where the cluster cannot be asked; what the store has stays as it is.
    """
    with closing(open_store()) as store:
        record = store.unchecked_run(run_id)
        if not record.state.is_final:
            with connected(record, client) as asked:
                _look(store, record, asked)
        return store.run(record.id)


def refresh_logs(run_id: str) -> None:
    """Copy what the tasks of a run have printed so far. Raises UnreachableError."""
    with closing(open_store()) as store:
        record = store.unchecked_run(run_id)
        with connected(record) as client:
            run, plan = client.run(record.id), ir.read(store.ir(record.id))
            seen = _seen(record, plan, run)
            root, lefts, _why = _left(record, seen)
            logs.fetch(plan, run, seen, client, root, lefts)


def _look(store: Store, record: RunRecord, client: Client) -> None:
    try:
        run = client.run(record.id)
    except ApiError as error:
        if not error.is_missing:
            raise
        store.recorder(record.id).abandon(_GONE)
        return
    plan = ir.read(store.ir(record.id))
    seen = _seen(record, plan, run)
    if seen.state.is_final:
        seen = _complete(store, record, plan, seen, run, client)
    store.mirror(record.id).write(seen)
    if seen.state.is_final:
        tracking.begin(store.unchecked_run(record.id))


def _seen(record: RunRecord, plan: Plan, run: Run) -> SeenRun:
    seen = nodes.seen(plan, run, cancel_asked=record.cancel_requested_at is not None)
    return replace(seen, tasks=tuple(_placed(record, task) for task in seen.tasks))


def _placed(record: RunRecord, task: SeenTask) -> SeenTask:
    """A task whose tries are numbered after those before the run was executed again, with places for their logs."""
    before = record.options.get(TRIED, {}).get(task.task.path, 0)
    attempts = []
    for attempt in task.attempts:
        number = before + attempt.number
        place = attempt_directory(location.run_directory(record.id), task.task.path, number)
        attempts.append(replace(attempt, number=number, directory=str(place.base), log=str(place.log)))
    return replace(task, attempts=tuple(attempts))


def _left(record: RunRecord, seen: SeenRun) -> tuple[Root | None, Mapping[str, Leftovers], str]:
    """What the tasks left under the pipeline root, by path; else why that is not known."""
    if not record.root:
        return (
            None,
            {},
            "Where the cluster keeps artifacts is not known here. Give the profile its --pipeline-root.",
        )
    root = Root(record.root)
    try:
        return root, matched(seen.tasks, root.executions()), ""
    except ArtifactRootError as error:
        return None, {}, str(error)


def _complete(
    store: Store, record: RunRecord, plan: Plan, seen: SeenRun, run: Run, client: Client
) -> SeenRun:
    """A run that has ended, with what it left. Where that cannot be read, a warning says so."""
    root, lefts, why = _left(record, seen)
    texts = logs.fetch(plan, run, seen, client, root, lefts)
    try:
        seen = (
            artifacts.completed(plan, seen, root, lefts, texts, record.parameters)
            if root
            else artifacts.explained(seen, texts)
        )
    except ArtifactRootError as error:
        why, seen = str(error), artifacts.explained(seen, texts)
    seen = replace(seen, tasks=tuple(_with_origin(plan, task) for task in seen.tasks))
    if why:
        store.recorder(record.id).note(why, kind="warning")
    failed = [t for t in seen.tasks if t.state is State.FAILED and t.failure and t.task.kind is TaskKind.TASK]
    if seen.state is State.FAILED and failed and not (run.error and run.error.message):
        words = "; ".join(f"{task.task.path}: {task.failure}" for task in failed)
        seen = replace(seen, failure=Failure(words))
    return seen


def _with_origin(plan: Plan, task: SeenTask) -> SeenTask:
    """A task with what the pipeline says of where its outputs come from: code and image, or that it is an importer's."""
    component = plan.components[task.task.component]
    executor = plan.executors.get(component.executor or "")
    match executor:
        case Importer():
            facts: dict[str, Json] = {IMPORTED: True}
        case Container(image=image):
            step = packed_step(plan, task.task.path)
            facts = {**code_of(executor, step, component.cells), **image_of(image)}
        case _:
            return task
    return replace(task, origin=TaskOrigin(facts))
