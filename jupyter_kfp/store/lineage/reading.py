"""Lineage out of the store: its rows for the walk, what is asked about, and the details of what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from jupyter_kfp.errors import UsageError
from jupyter_kfp.store import schema
from jupyter_kfp.store.artifacts import content, local_path
from jupyter_kfp.store.convert import portions
from jupyter_kfp.store.lineage import walk
from jupyter_kfp.store.lineage.model import ArtifactNode, FileNode, Lineage, RunFacts, TaskNode, Way
from jupyter_kfp.store.records import IMPORTED, Direction, InputFile, State, TaskKind, TaskOrigin

# What has more is a run's id, and more than PostgreSQL takes for a number.
_DIGITS = 10


def lineage(session: Session, subject: str, way: Way) -> Lineage:
    """The lineage of a run, a task or an artifact. Raises UsageError where ``subject`` is none of these.

    ``subject``: ``RUN``, ``RUN/STEP``, ``RUN:NAME`` (an artifact by the name of its port, or a result of the run),
    the number of an artifact, its URI, or the path of a file (by what it holds).
    """
    title, start = resolved(session, subject)
    graph = walk.Graph(_rows(session))
    ids, edges = graph.walk(start, way)
    nodes = _nodes(session, ids)
    found = tuple(nodes[node] for node in ids if node in nodes)
    facts = _runs(session, {node.run_id for node in found if not isinstance(node, FileNode)})
    return Lineage(title, way, tuple(start), found, tuple(edges), facts)


# What is asked about ----------------------------------------------------------------------------------


def resolved(session: Session, subject: str) -> tuple[str, list[str]]:
    """What ``subject`` is, in words, and the ids of its nodes."""
    number = subject.removeprefix("artifact:")
    if number.isdecimal() and len(number) < _DIGITS:
        artifact = session.get(schema.Artifact, int(number))
        if artifact is not None:
            return f"artifact {artifact.name}", [walk.artifact_id(artifact.id)]
    if "://" in subject or Path(subject).exists():
        return _by_place(session, subject)
    for separator, find in ((":", _by_name), ("/", _by_path)):
        run_id, found, name = subject.partition(separator)
        run = _run(session, run_id) if found and name else None
        if run is not None:
            return find(session, run, name)
    run = _run(session, subject)
    if run is None:
        raise UsageError(
            f"{subject!r} is no run, no step of one, no artifact and no file.",
            "Give RUN, RUN/STEP, RUN:NAME, an artifact's number or URI, or the path of a file; "
            "`jupyter kfp runs` lists the runs.",
        )
    tasks = _column(session, select(schema.Task.id).where(_tasks_of(run)))
    made = select(schema.Event.artifact_id).join(schema.Task, schema.Event.task_id == schema.Task.id)
    artifacts = _column(session, made.where(_tasks_of(run), schema.Event.direction == Direction.OUTPUT))
    return (
        f"run {run.id} ({run.pipeline})",
        [*map(walk.task_id, tasks), *map(walk.artifact_id, dict.fromkeys(artifacts))],
    )


def one_artifact(session: Session, subject: str) -> ArtifactNode:
    """The one artifact that ``subject`` is. Raises UsageError where it is none or several.

    Of a run that is its only model.
    """
    _title, start = resolved(session, subject)
    numbers = [int(node.partition(":")[2]) for node in start if node.startswith("artifact:")]
    if any(node.startswith("task:") for node in start):
        models = schema.Artifact.id.in_(numbers), schema.Artifact.type == "system.Model"
        numbers = _column(session, select(schema.Artifact.id).where(*models))
    found = list(_artifacts(session, numbers).values())
    if len({node.sha256 for node in found}) == 1:
        return found[-1]
    if not numbers:
        raise UsageError(f"{subject!r} is no artifact.", "Give one as RUN:NAME, by its number, URI or path.")
    shown = ", ".join(map(str, numbers))
    raise UsageError(f"{subject!r} is several artifacts ({shown}).", "Give the number of one.")


def _run(session: Session, given: str) -> schema.Run | None:
    """The run with this id, or the only one whose id starts so."""
    run = session.get(schema.Run, given)
    if run is not None or not given:
        return run
    starts = schema.Run.id.startswith(given, autoescape=True)
    rows = session.scalars(select(schema.Run).where(starts).limit(2)).all()
    if len(rows) > 1:
        raise UsageError(f"Several runs have an id that starts with {given!r}.", "Give more of it.")
    return rows[0] if rows else None


def _by_path(session: Session, run: schema.Run, path: str) -> tuple[str, list[str]]:
    rows = session.scalars(select(schema.Task).where(_tasks_of(run))).all()
    wanted = path.lower().replace("_", "-")  # KFP writes train_model as train-model
    found = [row for row in rows if row.path == path] or [
        row for row in rows if row.path.partition("[")[0].lower() == wanted or row.display_name == path
    ]
    if not found:
        known = ", ".join(row.path for row in rows) or "none yet"
        raise UsageError(f"Run {run.id} has no step {path!r}.", f"Its steps: {known}.")
    return f"step {path} of run {run.id}", [walk.task_id(row.id) for row in found]


def _by_name(session: Session, run: schema.Run, name: str) -> tuple[str, list[str]]:
    """An artifact by the name of a result of the run, or else of a port (``STEP.PORT``, or PORT)."""
    results = select(schema.RunOutput.artifact_id).where(
        schema.RunOutput.run_id == run.id,
        schema.RunOutput.name == name,
        schema.RunOutput.artifact_id.is_not(None),
    )
    found = _column(session, results)
    made = (
        select(schema.Task.path, schema.Event.port, schema.Event.artifact_id)
        .join(schema.Event, schema.Event.task_id == schema.Task.id)
        .where(_tasks_of(run), schema.Event.direction == Direction.OUTPUT)
    )
    ports = [(f"{path}.{port}", port, number) for path, port, number in session.execute(made)]
    found = found or [number for whole, _port, number in ports if whole == name]
    found = found or [number for _whole, port, number in ports if port == name]
    if not found:
        known = ", ".join(sorted({whole for whole, _port, _number in ports})) or "none yet"
        raise UsageError(f"Run {run.id} has no artifact {name!r}.", f"Its artifacts: {known}.")
    return f"artifact {name} of run {run.id}", [walk.artifact_id(n) for n in dict.fromkeys(found)]


def _by_place(session: Session, subject: str) -> tuple[str, list[str]]:
    """Artifacts, or else files that runs read, that are at a place or have the content that is there now."""
    path = local_path(subject)
    spellings = {subject, subject.rstrip("/")}
    held = None
    if path is not None:
        spellings |= {str(path), path.as_uri(), str(path.resolve())}
        held = content(path)
    digest = held.sha256 if held is not None and held.sha256 != walk.EMPTY else None
    artifact, file = schema.Artifact, schema.InputFile
    at = select(artifact.id).where(artifact.uri.in_(spellings))
    # What is there now may be something else than what a run had left there.
    same = at.where(or_(artifact.sha256.is_(None), artifact.sha256 == digest)) if digest else at
    found = _column(session, same.order_by(artifact.id))
    if digest:
        found += _column(session, select(artifact.id).where(artifact.sha256 == digest).order_by(artifact.id))
    which = [file.uri.in_(spellings)] + ([file.sha256 == digest] if digest else [])
    read = session.execute(select(file.uri, file.sha256).where(or_(*which)).distinct())
    start = [walk.artifact_id(number) for number in found]
    start += [walk.file_id(uri, sha256) for uri, sha256 in read if not digest or sha256 in (None, digest)]
    if not start:
        what = f", nor one with its content (SHA-256 {digest})" if digest else ""
        raise UsageError(
            f"No run has made or read {subject}{what}.",
            "It may have been made without a run, or have been changed since.",
        )
    return subject, list(dict.fromkeys(start))


# The rows ---------------------------------------------------------------------------------------------


def _tasks_of(run: schema.Run) -> Any:
    return (schema.Task.run_id == run.id) & (schema.Task.kind == TaskKind.TASK)


def _column(session: Session, query: Select[Any]) -> list[Any]:
    return list(session.scalars(query))


def _rows(session: Session) -> walk.Rows:
    """All of the store, as far as lineage asks: columns, not objects, as there may be very many."""
    task, run, artifact, file, event = (
        schema.Task, schema.Run, schema.Artifact, schema.InputFile, schema.Event
    )  # fmt: skip
    roots = {run_id: walk.place(root) for run_id, root in session.execute(select(run.id, run.root))}
    artifacts = [
        walk.ArtifactRow(number, run_id, walk.place(uri), sha256, time)
        for number, run_id, uri, sha256, time in session.execute(
            select(artifact.id, artifact.run_id, artifact.uri, artifact.sha256, artifact.created_at)
        )
    ]
    events = [
        walk.EventRow(*row)
        for row in session.execute(
            select(event.task_id, event.direction, event.artifact_id, event.port).order_by(
                event.task_id, event.port, event.position
            )
        )
    ]
    # A run before there was provenance does not say what it imported: that is not below its root.
    outside = {
        each.id
        for each in artifacts
        if roots.get(each.run_id) and not each.uri.startswith(f"{roots[each.run_id]}/")
    }
    elsewhere = {e.task for e in events if e.direction is Direction.OUTPUT and e.artifact in outside}
    tasks = [
        walk.TaskRow(
            number,
            run_id,
            path,
            state is State.CACHED,
            number in elsewhere if provenance is None else bool(provenance.get(IMPORTED)),
        )
        for number, run_id, path, state, provenance in session.execute(
            select(task.id, task.run_id, task.path, task.state, task.provenance).where(
                task.kind == TaskKind.TASK
            )
        )
    ]
    files = [
        walk.FileRow(*row)
        for row in session.execute(
            select(file.run_id, file.task, file.name, file.uri, file.sha256, file.time).order_by(file.id)
        )
    ]
    return walk.Rows(tasks, artifacts, events, files)


# The details ------------------------------------------------------------------------------------------


def _nodes(session: Session, ids: Sequence[str]) -> dict[str, TaskNode | ArtifactNode | FileNode]:
    numbers: dict[str, list[int]] = {"task": [], "artifact": []}
    files = set()
    for node in ids:
        kind, _, number = node.partition(":")
        if kind == "file":
            files.add(node)
        else:
            numbers[kind].append(int(number))
    nodes: dict[str, TaskNode | ArtifactNode | FileNode] = {}
    for some in portions(numbers["task"]):
        nodes |= _tasks(session, some)
    for some in portions(numbers["artifact"]):
        nodes |= _artifacts(session, some)
    if files:
        for row in session.scalars(select(schema.InputFile).order_by(schema.InputFile.id)):
            node = walk.file_id(row.uri, row.sha256)
            if node in files:
                name = row.uri.rstrip("/").rpartition("/")[2] or row.uri
                nodes[node] = FileNode(node, name, row.uri, row.sha256, row.size, row.version)
    return nodes


def _tasks(session: Session, numbers: Sequence[int]) -> dict[str, TaskNode]:
    parameters: dict[int, dict[str, Any]] = {}
    taken = schema.TaskParameter.task_id.in_(numbers), schema.TaskParameter.direction == Direction.INPUT
    for row in session.scalars(select(schema.TaskParameter).where(*taken)):
        parameters.setdefault(row.task_id, {})[row.name] = row.value
    return {
        walk.task_id(task.id): TaskNode(
            id=walk.task_id(task.id),
            run_id=task.run_id,
            path=task.path,
            name=task.display_name,
            state=task.state.value,
            started_at=task.started_at,
            ended_at=task.ended_at,
            parameters=parameters.get(task.id, {}),
            provenance=task.provenance or {},
        )
        for task in session.scalars(select(schema.Task).where(schema.Task.id.in_(numbers)))
    }


def _artifacts(session: Session, numbers: Sequence[int]) -> dict[str, ArtifactNode]:
    return {
        walk.artifact_id(row.id): ArtifactNode(
            id=walk.artifact_id(row.id),
            artifact_id=row.id,
            run_id=row.run_id,
            name=row.name,
            type=row.type,
            uri=row.uri,
            sha256=row.sha256,
            size=row.size,
            created_at=row.created_at,
            metadata=row.info,
        )
        for row in session.scalars(select(schema.Artifact).where(schema.Artifact.id.in_(numbers)))
    }


def _runs(session: Session, ids: Iterable[str]) -> dict[str, RunFacts]:
    found: dict[str, RunFacts] = {}
    for some in portions(sorted(ids)):
        for row in session.scalars(select(schema.Run).where(schema.Run.id.in_(some))):
            found[row.id] = RunFacts(
                id=row.id,
                name=row.name,
                pipeline=row.pipeline,
                state=row.state.value,
                created_at=row.created_at,
                ended_at=row.ended_at,
                host=row.host,
                parameters=row.parameters,
                notebook=row.notebook,
                notebook_sha256=row.notebook_sha256,
                provenance=row.provenance,
                url=(row.options.get("remote") or {}).get("url"),
            )
    return found


def versions(session: Session, artifacts: Iterable[int]) -> dict[str, int]:
    """For each artifact that a task made: how many different contents that output of its pipeline had so far."""
    event, task, run, artifact = schema.Event, schema.Task, schema.Run, schema.Artifact
    made = (
        select(run.pipeline, task.path, event.port, artifact.id, artifact.sha256)
        .join(task, event.task_id == task.id)
        .join(run, task.run_id == run.id)
        .join(artifact, event.artifact_id == artifact.id)
        .where(event.direction == Direction.OUTPUT, task.run_id == artifact.run_id)
        .order_by(artifact.created_at, artifact.id)
    )
    found: dict[str, int] = {}
    for number in artifacts:
        own = session.execute(made.where(artifact.id == number)).first()
        if own is None:
            continue
        pipeline, path, port, *_rest = own
        same = made.where(run.pipeline == pipeline, task.path == path, event.port == port)
        contents: dict[str | None, int] = {}
        for *_output, each, sha256 in session.execute(same):
            known = contents.setdefault(sha256, len(contents) + 1)
            if each == number:
                found[walk.artifact_id(number)] = known
    return found


def origins(session: Session, run_id: str) -> dict[str, TaskOrigin]:
    """What the tasks of a run come from, by path; what is not known is left out."""
    files: dict[str, list[InputFile]] = {}
    for row in session.scalars(select(schema.InputFile).where(schema.InputFile.run_id == run_id)):
        file = InputFile(row.name, row.uri, row.sha256, row.size, row.version)
        files.setdefault(row.task or "", []).append(file)
    tasks = select(schema.Task.path, schema.Task.provenance).where(schema.Task.run_id == run_id)
    return {
        path: TaskOrigin(facts=facts or {}, files=tuple(files.get(path, ())))
        for path, facts in session.execute(tasks)
        if facts is not None or path in files
    }
