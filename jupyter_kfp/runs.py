"""Runs as objects: their state, their steps, what they left.

Nothing here reads notebooks or compiles, so that looking at runs starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.records import ArtifactRecord, RunEvent, RunRecord, State, TaskRecord

if TYPE_CHECKING:
    from jupyter_kfp.pipeline import Json
    from jupyter_kfp.store.lineage.model import Lineage
    from jupyter_kfp.store.store import Store
    from jupyter_kfp.views.model import Graph

# Ports that every step has, beside its own.
_EXECUTED_NOTEBOOK, _EXECUTED_HTML = "executed_notebook", "executed_html"
REPORTS = frozenset({_EXECUTED_NOTEBOOK, _EXECUTED_HTML})


class _Named(dict[str, Any]):
    """Results by name; asking for another name says which there are."""

    def __init__(self, items: Mapping[str, Any], what: str) -> None:
        super().__init__(items)
        self._what = what

    def __missing__(self, name: str) -> Any:
        raise KeyError(f"no {self._what} {name!r}; there are {', '.join(self) or 'none'}")


@contextmanager
def _opened() -> Iterator[Store]:
    from jupyter_kfp.store.store import open_store

    store = open_store()
    try:
        yield store
    finally:
        store.close()


def table(
    metrics: Sequence[str] = (),
    *,
    where: Sequence[str] = (),
    sort: Sequence[str] = (),
    limit: int | None = None,
    pipeline: str | None = None,
) -> list[dict[str, Any]]:
    """The runs of this machine as rows, newest first, for example for ``pandas.DataFrame``.

    Args:
        metrics: Names of metrics, outputs or parameters; by default all parameters and all results that are no files.
        where: Conditions that all hold, such as ``"lr > 0.01"``.
        sort: Names to order by; ``"-accuracy"``: the largest first.
        limit: How many rows at most; by default all.
        pipeline: Only runs of the pipeline of this name.

    Returns:
        For each run its `store.table.FIELDS` and the values by name.

    Raises:
        UsageError: a condition cannot be read, or no run has a value of such a name.
    """
    from jupyter_kfp.store.table import Query, columns

    query = Query(tuple(metrics), tuple(where), tuple(sort), limit)
    with _opened() as store:
        rows = store.table(query, pipeline=pipeline)
    return [row.flat(columns(rows, query)) for row in rows]


class Run:
    """A run of a pipeline, here or on a cluster, by its id (or the beginning of one).

    Raises UsageError if there is no such run, or several.
    """

    def __init__(self, run_id: str, handle: Any = None) -> None:
        self._handle = handle
        self.stale: str | None = None
        """Why the cluster of a run could not be asked how it goes now; None if it could, or there is none."""
        if handle is not None:
            self.id = run_id
            return
        with _opened() as store:
            self.id = store.unchecked_run(run_id).id
        self._look()

    def _look(self) -> RunRecord:
        """The run as it is now; of a run on a cluster that is away, as it was last seen."""
        with _opened() as store:
            record = store.unchecked_run(self.id)
        if not _is_remote(record):
            from jupyter_kfp.engine import launch

            return launch.show(self.id)
        if record.state.is_final:
            return record
        from jupyter_kfp.remote import mirroring

        try:
            self.stale = None
            return mirroring.refresh(self.id)
        except JupyterKfpError as error:
            self.stale = str(error)
            return record

    def __repr__(self) -> str:
        return f"<run {self.id} {self.state.value}>"

    @property
    def record(self) -> RunRecord:
        """All the store knows of the run itself, now."""
        return self._look()

    @property
    def state(self) -> State:
        """The state now, in KFP's words."""
        return self.record.state

    @property
    def error(self) -> str | None:
        """Why the run failed, or None."""
        failure = self.record.failure
        return failure.message if failure else None

    @property
    def parameters(self) -> Mapping[str, Json]:
        """The parameters it ran with, defaults included."""
        return self.record.parameters

    def wait(self, on_event: Callable[[RunEvent], None] | None = None) -> Run:
        """Block until the run has ended, giving every event to ``on_event``. Ctrl-C cancels the run."""
        heard = on_event or (lambda _event: None)
        if self._on_cluster:
            from jupyter_kfp.remote import follow

            follow.attend(self.id, heard)
            return self
        from jupyter_kfp.engine import launch

        launch.attend(self._handle or self.id, heard)
        return self

    @property
    def _on_cluster(self) -> bool:
        with _opened() as store:
            return _is_remote(store.unchecked_run(self.id))

    @property
    def url(self) -> str | None:
        """The web page of a run on a cluster; None for one of this machine."""
        with _opened() as store:
            remote = store.unchecked_run(self.id).options.get("remote")
        return str(remote["url"]) if remote else None

    @property
    def mlflow(self) -> Mapping[str, Json] | None:
        """Where MLflow has the run (``run_id``, ``experiment_id``, ``url``); None if it does not, or not yet."""
        with _opened() as store:
            told: dict[str, Json] = store.unchecked_run(self.id).options.get("mlflow") or {}
        return told if told.get("synced") else None

    def cancel(self) -> None:
        """Ask the run to end. Raises UsageError if it has ended already."""
        if self._on_cluster:
            from jupyter_kfp.remote import follow

            follow.cancel(self.id)
            return
        from jupyter_kfp.engine import launch

        launch.cancel(self.id)

    def retry(self) -> None:
        """Execute the failed tasks again, and those after them, under the same id; returns at once.

        What ended well stays. It is the pipeline as it was when the run began. Raises UsageError if the run has not
        ended, or has ended well.
        """
        if self._on_cluster:
            from jupyter_kfp.remote import follow

            follow.retry(self.id)
            return
        from jupyter_kfp.engine import launch

        self._handle = launch.resume(self.id, failed_too=True)

    def resume(self) -> None:
        """Go on with a run that was canceled or whose engine died, under the same id; returns at once.

        All that is finished stays. Raises UsageError if the run has ended otherwise, or has not ended.
        """
        from jupyter_kfp.engine import launch

        self._handle = launch.resume(self.id)

    def fetch_logs(self) -> None:
        """Bring what the steps of a run on a cluster have printed so far; nothing to do for other runs."""
        with _opened() as store:
            record = store.unchecked_run(self.id)
        if not _is_remote(record) or record.state.is_final:
            return
        from jupyter_kfp.remote import mirroring

        try:
            mirroring.refresh_logs(self.id)
        except JupyterKfpError as error:
            self.stale = str(error)

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The pipeline's outputs by name: values of parameters, :class:`StoredArtifact` for the others."""
        with _opened() as store:
            outputs = store.outputs(self.id)
        return _Named({name: _output(value) for name, value in outputs.items()}, "output")

    @property
    def steps(self) -> Mapping[str, StepRun]:
        """Every step of the run by its name, in the order of the pipeline."""
        with _opened() as store:
            return {task.path: StepRun(task) for task in store.tasks(self.id)}

    def __getitem__(self, step: str) -> StepRun:
        """One step, as it is now; in a loop ``train[2]`` is the third iteration, ``train`` the first that began.

        Raises KeyError with the names there are.
        """
        steps = self.steps
        name, bracket, iterations = step.partition("[")
        wanted = name.lower().replace("_", "-")  # KFP writes train_model as train-model
        for path, found in steps.items():
            place, _, iteration = path.partition("[")
            known = {place.lower(), found.record.key.lower()}
            if (wanted in known or found.record.display_name == name) and (
                not bracket or iteration == iterations
            ):
                return found
        raise KeyError(f"no step {step!r}; the run has {', '.join(steps) or 'none'}")

    def packed(self, step: StepRun) -> Mapping[str, Any]:
        """A step as it was compiled (`compiler.payload.step_json`); empty for one that comes from no notebook."""
        from jupyter_kfp.engine import ir
        from jupyter_kfp.engine.packed import packed_step

        with _opened() as store:
            plan = ir.read(store.ir(self.id))
        return packed_step(plan, step.record.path) or {}

    def as_dict(self) -> dict[str, Any]:
        """The document that ``jupyter kfp run --json`` prints."""
        from jupyter_kfp.engine.result import document

        with _opened() as store:
            return document(store, self.id)

    def listen(self, timeout: float) -> bool:
        """Wait until there may be news of the run, no longer than ``timeout`` seconds.

        False, at once, where no news are told: the run has ended, or somebody else started it.
        """
        return self._handle is not None and bool(self._handle.listen(timeout))

    def preview(self) -> Any:
        """The run as a widget: its live graph, and of every step the code, log, attempts, results and notebook.

        The picture as it is now where the extra ``widget`` is not installed.
        """
        from jupyter_kfp.views.widget import run_widget

        with _opened() as store:
            states = {path: state.value for path, state in store.states(self.id).items()}
            ir = store.ir(self.id)
        # Not this object: two who wait at one engine's doorbell take each other's news.
        return run_widget(Run(self.id), ir, states, Run)

    def lineage(self, way: str = "up") -> Lineage:
        """What all that the run left was made of (``up``), what was made of it (``down``), or ``both``; across runs."""
        return _lineage(self.id, way)

    def graph(self) -> Graph:
        """The graph of the run, with the state of every task."""
        from jupyter_kfp.views.graph import graph_from_ir

        with _opened() as store:
            states = {task.path: task.state.value for task in store.tasks(self.id, groups=True)}
            return graph_from_ir(store.ir(self.id), states)


def _lineage(subject: str, way: str) -> Lineage:
    with _opened() as store:
        return store.lineage(subject, way)


def _is_remote(record: RunRecord) -> bool:
    return "remote" in record.options


def _output(value: Any) -> Any:
    match value:
        case ArtifactRecord():
            return StoredArtifact(value)
        case tuple():
            return [_output(item) for item in value]
        case _:
            return value


def _one_or_more(made: tuple[ArtifactRecord, ...]) -> StoredArtifact | list[StoredArtifact]:
    return StoredArtifact(made[0]) if len(made) == 1 else [StoredArtifact(record) for record in made]


class StepRun:
    """One step of a run, as it was when it was asked for."""

    def __init__(self, record: TaskRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"<step {self.record.path} {self.state.value}>"

    @property
    def state(self) -> State:
        """The state of the step."""
        return self.record.state

    @property
    def error(self) -> str | None:
        """Why it failed, or None."""
        return self.record.failure.message if self.record.failure else None

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What it took, by name: values of parameters, :class:`StoredArtifact` (several: a list) for the others."""
        taken = {port: _one_or_more(all_) for port, all_ in self.record.input_artifacts.items() if all_}
        return _Named({**self.record.input_parameters, **taken}, "input")

    @property
    def outputs(self) -> Mapping[str, Json]:
        """The parameters it left, by name."""
        return _Named(self.record.output_parameters, "output parameter")

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """The artifacts it left, by name: each a :class:`StoredArtifact`, or a list where a port has several."""
        made = self.record.output_artifacts
        own = {port: _one_or_more(made[port]) for port in made if made[port] and port not in REPORTS}
        return _Named(own, "artifact")

    @property
    def notebook(self) -> Path | None:
        """The executed notebook; also of a failed step. None where the step has not got that far."""
        return self._file(_EXECUTED_NOTEBOOK)

    @property
    def html(self) -> Path | None:
        """The executed notebook as an HTML page."""
        return self._file(_EXECUTED_HTML)

    def _file(self, port: str) -> Path | None:
        made = self.record.output_artifacts.get(port)
        return StoredArtifact(made[0]).path if made else None

    @property
    def log(self) -> str:
        """What the last attempt printed, of a cached step where it was executed; empty before it began."""
        record = self._executed
        if record.log is None:
            return ""
        try:
            return Path(record.log).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    @property
    def log_records(self) -> list[dict[str, Any]]:
        """What all attempts printed and how they ended, line by line.

        Each has ``time`` (ISO 8601; None where it was not noted), ``level``, ``run_id``, ``task``, ``attempt``,
        ``source`` (``step`` or ``engine``) and ``message``; see `engine.jsonlog`.
        """
        from jupyter_kfp.engine import jsonlog

        record = self._executed
        return [
            line for attempt in record.attempts for line in jsonlog.read(record.run_id, record.path, attempt)
        ]

    @property
    def _executed(self) -> TaskRecord:
        """The task that was executed: of a cached one, where its outputs come from."""
        record = self.record
        while record.log is None and record.reused_from is not None:
            with _opened() as store:
                record = store.task(*record.reused_from)
        return record


class StoredArtifact:
    """A file or directory that a step left, with what is known of it."""

    def __init__(self, record: ArtifactRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"<{self.record.type.rpartition('.')[2]} {self.record.uri}>"

    @property
    def uri(self) -> str:
        """Where it is kept."""
        return self.record.uri

    @property
    def metadata(self) -> Mapping[str, Json]:
        """What was recorded of it: python_type, serializer, sha256, size (bytes), rows, schema, metrics."""
        return self.record.metadata

    @property
    def path(self) -> Path:
        """A local file or directory with the content; a remote one is fetched first.

        Raises:
            JupyterKfpError: it is gone.
        """
        from jupyter_kfp.store import location
        from jupyter_kfp.store.artifacts import local_copy

        downloads = location.home() / "downloads" / self.record.run_id / str(self.record.id)
        path = local_copy(self.record.uri, downloads)
        if not path.exists():
            raise JupyterKfpError(
                f"{self.record.name} is gone: there is no {path}.", "Run the pipeline again."
            )
        return path

    def lineage(self, way: str = "up") -> Lineage:
        """What it was made of (``up``), what was made of it (``down``), or ``both``; across runs."""
        return _lineage(f"artifact:{self.record.id}", way)

    def load(self, namespace: dict[str, Any] | None = None, *, allow_pickle: bool = False) -> Any:
        """The value itself.

        ``namespace`` is where objects of classes that the notebook defines find their class; by
        default the interactive one. ``allow_pickle``: whether code in it may run although it is not of a run of
        this user on this machine; also allowed by ``JUPYTER_KFP_ALLOW_PICKLE=1``.

        Raises:
            ConsentError: it is of somebody else's run, and loading it would run code.
            JupyterKfpError: it cannot be loaded, or was changed since, with the reason.
        """
        import __main__
        from jupyter_kfp.store import loading

        space = vars(__main__) if namespace is None else namespace
        with _opened() as store:
            made_in = store.unchecked_run(self.record.run_id)
        return loading.load(self.record, made_in, self.path, space, allow_pickle=allow_pickle)
