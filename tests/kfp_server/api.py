"""The operations of the API, by their operation ids."""

from __future__ import annotations

import uuid
from typing import Any

from croniter import croniter

from tests.kfp_server.database import Objects, now
from tests.kfp_server.execution import Executions
from tests.kfp_server.ir import Invalid, check, check_arguments, parse_text
from tests.kfp_server.queries import page

Body = dict[str, Any]
_RECURRING = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}
_FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


class Problem(Exception):
    """An answer that is an error: google.rpc code, message, HTTP status."""

    def __init__(self, code: int, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def _missing(what: str, id_: str) -> Problem:
    return Problem(5, f"{what} {id_} not found.", 404)


class Api:
    """Every method takes the path parameters, the query and the body, and gives the response."""

    def __init__(self, objects: Objects, executions: Executions) -> None:
        self._objects = objects
        self._executions = executions
        self.multi_user = False

    def call(self, operation: str, path: dict[str, str], query: dict[str, str], body: Any) -> Body:
        """Carry out one operation."""
        method = getattr(self, operation, None)
        if method is None:
            raise Problem(12, f"{operation} is not part of this test server", 501)
        try:
            return dict(method(path, query, body))
        except Invalid as error:
            raise Problem(3, f"Invalid input error: {error}", 400) from error

    # Health and experiments ----------------------------------------------------------------------

    def HealthzService_GetHealthz(self, _p: Body, _q: Body, _b: Any) -> Body:
        return {"multi_user": self.multi_user, "pipeline_store": "database"}

    def ExperimentService_ListExperiments(self, _p: Body, q: Body, _b: Any) -> Body:
        self._need_namespace(q)
        found = self._objects.list("experiment")
        if q.get("namespace"):
            found = [e for e in found if e.get("namespace") == q["namespace"]]
        return page(found, q, "experiments")

    def ExperimentService_CreateExperiment(self, _p: Body, _q: Body, b: Body) -> Body:
        if not b.get("display_name"):
            raise Invalid("Experiment name is empty. Please specify a valid experiment name")
        self._need_namespace(b)
        same = [
            e for e in self._objects.list("experiment")
            if (e["display_name"], e.get("namespace")) == (b["display_name"], b.get("namespace"))
        ]  # fmt: skip
        if same:
            raise Problem(6, f"Already exist error: experiment {b['display_name']} exists", 409)
        return self._add("experiment", "experiment_id", b, storage_state="AVAILABLE")

    def ExperimentService_GetExperiment(self, p: Body, _q: Body, _b: Any) -> Body:
        return self._get("experiment", p["experiment_id"])

    # Pipelines and versions ----------------------------------------------------------------------

    def PipelineService_ListPipelines(self, _p: Body, q: Body, _b: Any) -> Body:
        return page(self._objects.list("pipeline"), q, "pipelines")

    def PipelineService_GetPipeline(self, p: Body, _q: Body, _b: Any) -> Body:
        return self._get("pipeline", p["pipeline_id"])

    def PipelineService_GetPipelineByName(self, p: Body, q: Body, _b: Any) -> Body:
        for pipeline in self._objects.list("pipeline"):
            if pipeline["name"] == p["name"] and pipeline.get("namespace", "") == q.get("namespace", ""):
                return pipeline
        raise _missing("Pipeline", p["name"])

    def PipelineService_CreatePipeline(self, _p: Body, _q: Body, b: Body) -> Body:
        name = b.get("name") or b.get("display_name")
        if not name:
            raise Invalid("pipeline's name cannot be empty")
        if any(
            p["name"] == name and p.get("namespace") == b.get("namespace")
            for p in self._objects.list("pipeline")
        ):
            raise Problem(6, f"Already exist error: pipeline {name} already exists", 409)
        return self._add("pipeline", "pipeline_id", {"display_name": name, **b, "name": name})

    def PipelineService_ListPipelineVersions(self, p: Body, q: Body, _b: Any) -> Body:
        self._get("pipeline", p["pipeline_id"])
        return page(self._objects.list("version", parent=p["pipeline_id"]), q, "pipeline_versions")

    def PipelineService_GetPipelineVersion(self, p: Body, _q: Body, _b: Any) -> Body:
        version = self._get("version", p["pipeline_version_id"])
        if version["pipeline_id"] != p["pipeline_id"]:
            raise _missing("PipelineVersion", p["pipeline_version_id"])
        return version

    def upload(self, q: Body, text: str) -> Body:
        """UploadPipeline: a new pipeline with its first version."""
        spec = parse_text(text)
        check(spec)
        name = q.get("name") or "pipeline.yaml"
        given = {k: q[k] for k in ("description", "namespace", "display_name") if q.get(k)}
        pipeline = self.PipelineService_CreatePipeline({}, {}, {**given, "name": name})
        self._version(pipeline["pipeline_id"], name, spec, given.get("description"))
        return pipeline

    def upload_version(self, q: Body, text: str) -> Body:
        """UploadPipelineVersion."""
        spec = parse_text(text)
        check(spec)
        self._get("pipeline", q.get("pipelineid", ""))
        name = q.get("name") or "version"
        if any(v["name"] == name for v in self._objects.list("version", parent=q["pipelineid"])):
            raise Problem(6, f"Already exist error: pipeline version {name} already exists", 409)
        return self._version(q["pipelineid"], name, spec, q.get("description"))

    def _version(self, pipeline: str, name: str, spec: Body, description: str | None) -> Body:
        body = {"pipeline_id": pipeline, "name": name, "display_name": name, "pipeline_spec": spec}
        if description:
            body["description"] = description
        return self._add("version", "pipeline_version_id", body, parent=pipeline)

    # Runs ----------------------------------------------------------------------------------------

    def RunService_ListRuns(self, _p: Body, q: Body, _b: Any) -> Body:
        found = self._objects.list("run")
        if q.get("experiment_id"):
            found = [r for r in found if r["experiment_id"] == q["experiment_id"]]
        else:
            self._need_namespace(q)
        return page(found, q, "runs")

    def RunService_GetRun(self, p: Body, _q: Body, _b: Any) -> Body:
        run = self._get("run", p["run_id"])
        details = self._executions.details(p["run_id"])
        return {**run, "run_details": {"task_details": details}} if details else run

    def RunService_CreateRun(self, _p: Body, q: Body, b: Body) -> Body:
        if not b.get("display_name"):
            raise Invalid("The run name is empty. Please specify a valid name")
        spec, platform, values, shown = self._source(b)
        experiment = b.get("experiment_id") or q.get("experiment_id") or self._default_experiment(b)
        self._get("experiment", experiment)
        body = {**b, **shown, "experiment_id": experiment}
        run = self._add("run", "run_id", body, parent=experiment, storage_state="AVAILABLE", state="PENDING")
        self._objects.update(run["run_id"], state_history=[{"update_time": now(), "state": "PENDING"}])
        self._executions.start(run["run_id"], spec, platform, values)
        return self._get("run", run["run_id"])

    def RunService_TerminateRun(self, p: Body, _q: Body, _b: Any) -> Body:
        if self._get("run", p["run_id"])["state"] in _FINAL:
            raise Invalid(f"Failed to terminate run {p['run_id']}. Row not found or it has ended")
        self._executions.terminate(p["run_id"])
        return {}

    def RunService_RetryRun(self, p: Body, _q: Body, _b: Any) -> Body:
        run = self._get("run", p["run_id"])
        if run["state"] not in ("FAILED", "CANCELED"):
            raise Problem(
                3, f"Failed to retry run {p['run_id']}: workflow must be Failed/Error to retry", 400
            )
        spec, platform, values, _shown = self._source(run)
        self._executions.retry(p["run_id"], spec, platform, values)
        return {}

    def RunService_DeleteRun(self, p: Body, _q: Body, _b: Any) -> Body:
        self._get("run", p["run_id"])
        self._objects.delete(p["run_id"])
        return {}

    def _source(self, b: Body) -> tuple[Body, Body, Body, Body]:
        """PipelineSpec, PlatformSpec and arguments of a run or a recurring run; raises Invalid."""
        reference = b.get("pipeline_version_reference")
        shown: Body = {}
        if reference:
            versions = self._objects.list("version", parent=reference.get("pipeline_id", ""))
            wanted = reference.get("pipeline_version_id") or (
                versions[-1]["pipeline_version_id"] if versions else ""
            )
            given = self._get("version", wanted)["pipeline_spec"]
            shown = {"pipeline_version_reference": {**reference, "pipeline_version_id": wanted}}
        elif b.get("pipeline_spec"):
            given = b["pipeline_spec"]
        else:
            raise Invalid("Need to specify a pipeline spec or a pipeline version")
        spec, platform = check(given)
        values = b.get("runtime_config", {}).get("parameters", {})
        check_arguments(spec, values)
        return spec, platform, values, shown

    def _need_namespace(self, given: Body) -> None:
        """backend/src/apiserver/server, canAccessExperiment and the like."""
        if self.multi_user and not given.get("namespace"):
            raise Invalid("Failed to authorize with API: a namespace cannot be empty in multi-user mode")

    def _default_experiment(self, _b: Body) -> str:
        if self.multi_user:
            raise Invalid("Experiment id can not be empty in multi-user mode")
        for experiment in self._objects.list("experiment"):
            if experiment["display_name"] == "Default":
                return str(experiment["experiment_id"])
        made = self._add(
            "experiment", "experiment_id", {"display_name": "Default"}, storage_state="AVAILABLE"
        )
        return str(made["experiment_id"])

    # Recurring runs ------------------------------------------------------------------------------

    def RecurringRunService_ListRecurringRuns(self, _p: Body, q: Body, _b: Any) -> Body:
        found = self._objects.list("recurring")
        if q.get("experiment_id"):
            found = [r for r in found if r["experiment_id"] == q["experiment_id"]]
        else:
            self._need_namespace(q)
        return page(found, q, "recurringRuns")

    def RecurringRunService_GetRecurringRun(self, p: Body, _q: Body, _b: Any) -> Body:
        return self._get("recurring", p["recurring_run_id"])

    def RecurringRunService_CreateRecurringRun(self, _p: Body, _q: Body, b: Body) -> Body:
        if not b.get("display_name"):
            raise Invalid("Job name is empty. Please specify a valid name")
        if not 1 <= int(b.get("max_concurrency", 0)) <= 10:
            raise Invalid("The max concurrency of the recurring run must be between 1 and 10")
        trigger = b.get("trigger", {})
        cron = trigger.get("cron_schedule", {}).get("cron")
        seconds = trigger.get("periodic_schedule", {}).get("interval_second")
        if cron is None and seconds is None:
            raise Invalid("The recurring run has no trigger")
        # github.com/robfig/cron v1: six fields, the seconds first; the day of the week may be left out.
        if cron is not None and not (
            cron.startswith("@") or croniter.is_valid(_six(cron), second_at_beginning=True)
        ):
            raise Invalid(
                f"Schedule cron is not supported format(https://godoc.org/github.com/robfig/cron): {cron}"
            )
        if seconds is not None and int(seconds) < 1:
            raise Invalid(
                f"Found invalid period schedule interval {seconds}. Set at interval to least 1 second"
            )
        _spec, _platform, _values, shown = self._source(b)
        experiment = b.get("experiment_id") or self._default_experiment(b)
        status = _RECURRING.get(b.get("mode", "DISABLE"), "DISABLED")
        body = {**b, **shown, "experiment_id": experiment}
        body.pop("mode", None)
        return self._add(
            "recurring", "recurring_run_id", body, parent=experiment, status=status, updated_at=now()
        )

    def RecurringRunService_EnableRecurringRun(self, p: Body, _q: Body, _b: Any) -> Body:
        return self._switch(p["recurring_run_id"], "ENABLED")

    def RecurringRunService_DisableRecurringRun(self, p: Body, _q: Body, _b: Any) -> Body:
        return self._switch(p["recurring_run_id"], "DISABLED")

    def RecurringRunService_DeleteRecurringRun(self, p: Body, _q: Body, _b: Any) -> Body:
        self._get("recurring", p["recurring_run_id"])
        self._objects.delete(p["recurring_run_id"])
        return {}

    def _switch(self, id_: str, status: str) -> Body:
        self._get("recurring", id_)
        self._objects.update(id_, status=status, updated_at=now())
        return {}

    # ---------------------------------------------------------------------------------------------

    def _get(self, kind: str, id_: str) -> Body:
        body = self._objects.get(kind, id_)
        if body is None:
            raise _missing(kind.capitalize(), id_)
        return body

    def _add(self, kind: str, key: str, given: Body, *, parent: str = "", **more: Any) -> Body:
        id_ = str(uuid.uuid4())
        body = {**given, key: id_, "created_at": now(), **more}
        self._objects.add(kind, id_, body, parent=parent)
        return body


def _six(cron: str) -> str:
    return cron if len(cron.split()) == 6 else f"{cron} *"
