"""The Kubeflow Pipelines API (v2beta1), as far as it is used here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from jupyter_kfp.remote import objects, pages
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
from jupyter_kfp.remote.http import Connection

_Object = TypeVar("_Object", bound=BaseModel)
_PAGE = "100"
_LOOKS = 4
_PAGES = 1000  # a server whose pages never end is not followed for ever


class Client:
    """One server. Raises UnreachableError where it cannot be used, ApiError where it refuses."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.profile = connection.profile

    def close(self) -> None:
        """Give the connections back."""
        self.connection.close()

    # Health and experiments ----------------------------------------------------------------------

    def health(self) -> objects.Health:
        """Whether the server is well, and for several users."""
        return self._read(objects.Health, self.connection.get("/healthz"))

    def experiments(self, **query: str) -> Iterator[objects.Experiment]:
        """The experiments, of the profile's namespace if it has one."""
        if self.profile.namespace:
            query["namespace"] = self.profile.namespace
        return self._list(objects.Experiment, "/experiments", "experiments", query)

    def experiment(self, name: str) -> objects.Experiment:
        """The experiment of a name; it is made if there is none."""

        def existing() -> objects.Experiment | None:
            return next(self.experiments(filter=equals("display_name", name)), None)

        body = {"display_name": name, "namespace": self.profile.namespace}
        found = existing()
        if found is not None:
            return found
        try:
            return self._create(objects.Experiment, "/experiments", body, existing)
        except ApiError as error:
            found = existing() if error.exists_already else None
            if found is None:
                raise
            return found

    # Runs ----------------------------------------------------------------------------------------

    def create_run(self, body: Mapping[str, Any], token: str) -> objects.Run:
        """Start a run, once: its description must hold ``token``, by which it is found again.

        After a fault that leaves open whether the server has started it, it is looked for before it is sent
        again.
        """
        assert token in body["description"], "the token is how a run is found again"
        made = self._create(objects.Run, "/runs", body, lambda: self.find_run(token))
        with suppress(UnreachableError, ApiError):  # there is a run, whatever becomes of looking for others
            # A request that was given up may still have been carried out after all.
            several = sorted(self._with_token(token), key=lambda run: (str(run.created_at), run.run_id))
            for late in several[1:]:
                self._discard(late.run_id)
            made = several[0] if several else made
        return made

    def find_run(self, token: str) -> objects.Run | None:
        """The run whose description holds a token, if there is one; without its tasks."""
        return next(self._with_token(token), None)

    def _with_token(self, token: str) -> Iterator[objects.Run]:
        query = {"filter": contains("description", token)}
        if self.profile.namespace:
            query["namespace"] = self.profile.namespace
        return self._list(objects.Run, "/runs", "runs", query)

    def _discard(self, run_id: str) -> None:
        """End a run that was started twice, and take it away."""
        with suppress(ApiError):
            self.terminate(run_id)
        with suppress(ApiError):
            self._act(f"/runs/{_part(run_id)}", "DELETE")

    def run(self, run_id: str) -> objects.Run:
        """A run with its tasks."""
        return self._read(objects.Run, self.connection.get(f"/runs/{_part(run_id)}"))

    def terminate(self, run_id: str) -> None:
        """Ask a run to end."""
        self._act(f"/runs/{_part(run_id)}:terminate")

    def retry(self, run_id: str) -> None:
        """Execute the failed tasks of a run again."""
        self.connection.once("POST", f"/runs/{_part(run_id)}:retry")

    # Pipelines and versions ----------------------------------------------------------------------

    def pipeline(self, name: str) -> objects.Pipeline | None:
        """The pipeline of a name, if there is one."""
        query = {"namespace": self.profile.namespace} if self.profile.namespace else {}
        try:
            return self._read(objects.Pipeline, self.connection.get(f"/pipelines/names/{_part(name)}", query))
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def create_pipeline(self, name: str, description: str) -> objects.Pipeline:
        """A pipeline without versions; the one there is if it exists already."""
        body = {
            "name": name,
            "display_name": name,
            "description": description,
            "namespace": self.profile.namespace,
        }
        try:
            return self._create(objects.Pipeline, "/pipelines", body, lambda: self.pipeline(name))
        except ApiError as error:
            found = self.pipeline(name) if error.exists_already else None
            if found is None:
                raise
            return found

    def versions(self, pipeline_id: str, **query: str) -> Iterator[objects.Version]:
        """The versions of a pipeline."""
        return self._list(
            objects.Version, f"/pipelines/{_part(pipeline_id)}/versions", "pipeline_versions", query
        )

    def version(self, pipeline_id: str, name: str) -> objects.Version | None:
        """The version of a name, if there is one."""
        return next(self.versions(pipeline_id, filter=equals("name", name)), None)

    def version_by_id(self, pipeline_id: str, version_id: str) -> objects.Version:
        """A version by its id."""
        path = f"/pipelines/{_part(pipeline_id)}/versions/{_part(version_id)}"
        return self._read(objects.Version, self.connection.get(path))

    def upload_version(self, pipeline_id: str, name: str, text: str, description: str) -> objects.Version:
        """Add a version to a pipeline, once: the one of that name if it exists already."""
        query = {"name": name, "pipelineid": pipeline_id, "description": description}

        def send() -> objects.Version:
            files = {"uploadfile": ("pipeline.yaml", text.encode(), "application/yaml")}
            answer = self.connection.once("POST", "/pipelines/upload_version", query=query, files=files)
            return self._read(objects.Version, answer)

        try:
            return self.connection.patiently(
                send, lambda fault: self._look(fault, lambda: self.version(pipeline_id, name))
            )
        except ApiError as error:
            found = self.version(pipeline_id, name) if error.exists_already else None
            if found is None:
                raise
            return found

    # Recurring runs ------------------------------------------------------------------------------

    def recurring_runs(self, **query: str) -> Iterator[objects.RecurringRun]:
        """The schedules, of the profile's namespace if it has one."""
        if self.profile.namespace:
            query["namespace"] = self.profile.namespace
        return self._list(objects.RecurringRun, "/recurringruns", "recurringRuns", query)

    def recurring_run(self, id_: str) -> objects.RecurringRun:
        """One schedule."""
        return self._read(objects.RecurringRun, self.connection.get(f"/recurringruns/{_part(id_)}"))

    def create_recurring_run(self, body: Mapping[str, Any], token: str) -> objects.RecurringRun:
        """Add a schedule, once; its description must hold ``token``."""
        found = contains("description", token)
        return self._create(
            objects.RecurringRun,
            "/recurringruns",
            body,
            lambda: next(self.recurring_runs(filter=found), None),
        )

    def enable(self, id_: str, *, enabled: bool) -> None:
        """Let a schedule go on, or pause it."""
        self._act(f"/recurringruns/{_part(id_)}:{'enable' if enabled else 'disable'}")

    def delete_recurring_run(self, id_: str) -> None:
        """Remove a schedule; its runs stay."""
        self._act(f"/recurringruns/{_part(id_)}", "DELETE")

    # Logs ----------------------------------------------------------------------------------------

    def pod_log(self, run_id: str, pod: str) -> str | None:
        """What a pod printed, as KFP's web server gives it; None where it does not."""
        query = {"podname": pod, "runid": run_id}
        if self.profile.namespace:
            query["podnamespace"] = self.profile.namespace
        return self.connection.text("/k8s/pod/logs", query)

    # ---------------------------------------------------------------------------------------------

    def _act(self, path: str, method: str = "POST") -> None:
        """Do something that is the same when it is done twice."""
        self.connection.patiently(lambda: self.connection.once(method, path))

    def _create(
        self, kind: type[_Object], path: str, body: Mapping[str, Any], existing: Callable[[], _Object | None]
    ) -> _Object:
        sent = {key: value for key, value in body.items() if value is not None}

        def send() -> _Object:
            return self._read(kind, self.connection.once("POST", path, body=sent))

        return self.connection.patiently(send, lambda fault: self._look(fault, existing))

    def _look(self, fault: UnreachableError, existing: Callable[[], _Object | None]) -> _Object | None:
        """What a try that was given up has made after all. A server that is merely slow is given time for it."""
        found = existing()
        if fault.trouble in (Trouble.TIMEOUT, Trouble.DROPPED):
            for _look in range(_LOOKS):
                if found is not None:
                    break
                self.connection.pause(self.profile.timeout / _LOOKS)
                found = existing()
        return found

    def _list(self, kind: type[_Object], path: str, key: str, query: Mapping[str, str]) -> Iterator[_Object]:
        token = ""
        for _page in range(_PAGES):
            asked = {"page_size": _PAGE, **query, **({"page_token": token} if token else {})}
            answer = self.connection.get(path, asked)
            found = answer.get(key) or []
            if not isinstance(found, list):
                raise pages.garbled(self.profile, f"{key} is no list")
            for item in found:
                yield self._read(kind, item)
            before, token = token, str(answer.get("next_page_token") or "")
            if token in ("", before):
                return

    def _read(self, kind: type[_Object], document: Any) -> _Object:
        try:
            return kind.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise pages.garbled(self.profile, f"{kind.__name__}: {where} {first['msg']}".strip()) from error


def equals(key: str, value: str) -> str:
    """A filter as the API takes it."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "string_value": value}]})


def contains(key: str, value: str) -> str:
    """A filter as the API takes it."""
    return json.dumps({"predicates": [{"operation": "IS_SUBSTRING", "key": key, "string_value": value}]})


def _part(text: str) -> str:
    """An id as part of a path."""
    return quote(text, safe="")


def connect(profile: Any) -> Client:
    """A client for a profile. Nothing is sent yet."""
    return Client(Connection(profile))
