"""Telling MLflow of runs, as often as one likes: what is there already is brought up to date."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.store import location
from jupyter_kfp.store.artifacts import local_copy
from jupyter_kfp.store.records import ArtifactRecord, RunRecord
from jupyter_kfp.store.store import Store
from jupyter_kfp.tracking import report
from jupyter_kfp.tracking.settings import KEY

if TYPE_CHECKING:
    from datetime import datetime

    from mlflow import MlflowClient

_T = TypeVar("_T")
# What MLflow takes in one request.
_METRICS, _PARAMETERS, _TAGS = 1000, 100, 100
LARGEST = 64 << 20
"""Bytes of the largest file or directory that is copied to MLflow; of larger ones it is told where they are."""


class TrackingError(JupyterKfpError):
    """MLflow cannot be told."""


def sync(store: Store, run_id: str) -> str | None:
    """Tell MLflow of a run that has ended; the address of its page there, None where there is none (a local store).

    The run's record then names MLflow's run, whose tags name ours. Raises UsageError if the run does not go to
    MLflow or has not ended; TrackingError, with the reason, where MLflow does not take it.
    """
    record = store.run(run_id)
    if KEY not in record.options:
        raise UsageError(
            f"Nothing says to which MLflow run {record.id} goes.",
            "Name it: --tracking-uri, or MLFLOW_TRACKING_URI.",
        )
    if not record.state.is_final:
        raise UsageError(f"Run {record.id} has not ended.", "MLflow is told then.")
    with _explained(record.options[KEY]["tracking_uri"]):
        return _Sync(store, record).run()


class _Sync:
    def __init__(self, store: Store, record: RunRecord) -> None:
        # A server that is away is asked again by whoever called, after longer pauses than a client's.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        from mlflow import MlflowClient

        self._store, self._record = store, record
        self._settings: dict[str, Any] = record.options[KEY]
        self._client: MlflowClient = MlflowClient(tracking_uri=self._settings["tracking_uri"])

    def run(self) -> str | None:
        record, store = self._record, self._store
        experiment = self._experiment(self._settings.get("experiment") or record.pipeline)
        outputs = store.outputs(record.id)
        entry = report.of_run(record, outputs, store.values([record.id]).get(record.id, {}))
        run_id = self._entry(experiment, entry, None)
        for task in store.tasks(record.id):
            below = report.of_task(record, task)
            if below is not None:
                self._entry(experiment, below, run_id)
        self._register(run_id, outputs)
        url = self._url(experiment, run_id)
        told = {"experiment_id": experiment, "run_id": run_id, "url": url, "synced": True}
        store.set_option(record.id, KEY, {**self._settings, **told})
        return url

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else self._client.create_experiment(name))

    def _entry(self, experiment: str, entry: report.Entry, parent: str | None) -> str:
        """Bring one run of MLflow's up to date; its id."""
        from mlflow.entities import Metric, Param, RunTag

        tags = dict(entry.tags) | ({"mlflow.parentRunId": parent} if parent else {})
        run_id = self._known(experiment, entry, parent)
        if run_id is None:
            run = self._client.create_run(experiment, _milliseconds(entry.started), tags, entry.name)
            run_id = str(run.info.run_id)
        # With the time of its end a metric that is told again is the same one.
        ended = _milliseconds(entry.ended)
        for some in _parts(entry.metrics, _METRICS):
            self._client.log_batch(run_id, metrics=[Metric(m.key, m.value, ended, m.step) for m in some])
        for pairs in _parts(list(entry.parameters.items()), _PARAMETERS):
            self._client.log_batch(run_id, params=[Param(*pair) for pair in pairs])
        for pairs in _parts(list(tags.items()), _TAGS):
            self._client.log_batch(run_id, tags=[RunTag(*pair) for pair in pairs])
        for artifact, folder in entry.artifacts:
            self._upload(run_id, artifact, folder)
        self._client.set_terminated(run_id, entry.status, ended)
        return run_id

    def _known(self, experiment: str, entry: report.Entry, parent: str | None) -> str | None:
        """MLflow's run for an entry, if an earlier try has made it."""
        ours = f"tags.`jupyter_kfp.run_id` = '{self._record.id}'"
        if parent is None:
            found = self._client.search_runs([experiment], ours)
            heads = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
        else:
            ours += f" and tags.`mlflow.parentRunId` = '{parent}'"
            found = self._client.search_runs([experiment], ours)
            heads = [run for run in found if run.data.tags.get("jupyter_kfp.task") == entry.task]
        return str(heads[0].info.run_id) if heads else None

    def _upload(self, run_id: str, artifact: ArtifactRecord, folder: str) -> None:
        if (artifact.size or 0) > LARGEST:
            self._client.set_tag(run_id, f"jupyter_kfp.artifact.{artifact.name}", artifact.uri)
            return
        downloads = location.home() / "downloads" / artifact.run_id / str(artifact.id)
        path = local_copy(artifact.uri, downloads)
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), f"{folder}/{path.name}")
        elif path.is_file():
            self._client.log_artifact(run_id, str(path), folder)

    def _register(self, run_id: str, outputs: Any) -> None:
        """Make a version of a registered model for each result that is to be one, unless this run has made it."""
        for artifact, folder, name in report.models(outputs, self._settings.get("register") or {}):
            known = self._client.search_registered_models(f"name = '{name}'")
            if not known:
                self._client.create_registered_model(name)
            made = self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
            if not made:
                base = self._client.get_run(run_id).info.artifact_uri
                source = f"{base}/{folder}/{report.basename(artifact)}"
                tags = {"jupyter_kfp.run_id": self._record.id, "sha256": artifact.sha256 or ""}
                self._client.create_model_version(name, source, run_id, tags=tags)

    def _url(self, experiment: str, run_id: str) -> str | None:
        uri = str(self._settings["tracking_uri"])
        return (
            f"{uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}" if uri.startswith("http") else None
        )


def _parts(items: Sequence[_T], size: int) -> Iterable[Sequence[_T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """What MLflow raises as a TrackingError."""
    try:
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise TrackingError(
            "The package mlflow-skinny is not installed.", "pip install 'jupyter-kfp[mlflow]'"
        ) from error
    from requests.exceptions import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:500]
        raise TrackingError(
            f"MLflow at {place} cannot be told: {reason}.", "`jupyter kfp mlflow sync` tries again."
        ) from error
