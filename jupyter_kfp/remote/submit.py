"""Handing a pipeline to a cluster."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jupyter_kfp.compiler.names import NO_PICKLE_VARIABLE
from jupyter_kfp.engine import parameters
from jupyter_kfp.engine.tree import outline
from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import package, profiles
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.preflight import connected
from jupyter_kfp.remote.profile import Kind, Profile
from jupyter_kfp.store.records import NewRun, Origin
from jupyter_kfp.store.store import open_store
from jupyter_kfp.tracking import settings as tracking

if TYPE_CHECKING:
    from jupyter_kfp.pipeline import Json
    from jupyter_kfp.remote.objects import Run
    from jupyter_kfp.remote.package import Package

_DEFAULT_EXPERIMENT = "Default"  # as KFP and its SDK call it
TOKEN = "jupyter-kfp submission"  # noqa: S105 (no secret: the words before a submission's number)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run, as opposed to what. ``cache`` off: nothing is reused. What is None is the pipeline's, then the profile's."""

    profile: str | None = None
    experiment: str | None = None
    name: str | None = None
    cache: bool = True


@dataclass(frozen=True, slots=True)
class Version:
    """An uploaded version to run instead of a pipeline that is sent along."""

    pipeline_id: str
    version_id: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A run that was started on a cluster. ``run_id`` is the cluster's, and the store's if it is ``followed``."""

    run_id: str
    name: str
    url: str
    profile: str
    experiment: str | None
    followed: bool = True

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "url": self.url,
            "profile": self.profile,
            "experiment": self.experiment,
        }


def submit(
    text: str,
    values: Mapping[str, Any] | None = None,
    *,
    origin: Origin | None = None,
    options: Options | None = None,
) -> Submission:
    """Start a run of a compiled pipeline on a cluster and return at once.

    Raises UsageError, before anything is sent, if a parameter is unknown, missing or of another type;
    UnreachableError if the cluster cannot be used, ApiError if it refuses.
    """
    options = options or Options()
    profile = profiles.find(options.profile)
    given = package.read(text)
    checked = parameters.validate(given.plan.root.input_parameters, values or {})
    if profile.kind is Kind.VERTEX:
        from jupyter_kfp.remote import vertex

        return vertex.submit(
            profile, given, {name: checked[name] for name in values or {} if name in checked}, options
        )
    with connected(profile) as client:
        return start(
            client, prepared(given, profile, cache=options.cache), values or {}, checked, options, origin
        )


def prepared(given: Package, profile: Profile, *, cache: bool = True) -> Package:
    """The copy of a pipeline that is sent. What is forbidden here by ``JUPYTER_KFP_NO_PICKLE=1`` is there, too."""
    if profile.default_image:
        given = package.with_image(given, profile.default_image)
    if os.environ.get(NO_PICKLE_VARIABLE) == "1":
        given = package.without_pickles(given)
    return package.with_periods(given, datetime.now(timezone.utc)) if cache else package.without_cache(given)


def start(
    client: Client,
    sent: Package,
    values: Mapping[str, Any],
    checked: Mapping[str, Json],
    options: Options,
    origin: Origin | None = None,
    *,
    version: Version | None = None,
    key: str | None = None,
) -> Submission:
    """Start one run and remember it.

    ``key``: two calls with the same key start one run (the second finds the first's); by default every call
    starts one.
    """
    profile, plan = client.profile, sent.plan
    token = f"{TOKEN} {key or secrets.token_hex(8)}."
    name = options.name or f"{plan.name} {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
    experiment = experiment_of(sent, profile, options)
    run = client.find_run(token) if key else None
    if run is None:
        body = body_of(sent, profile, {n: checked[n] for n in values if n in checked}, version)
        body |= {"display_name": name, "description": token}
        if experiment:
            body["experiment_id"] = client.experiment(experiment).experiment_id
        run = client.create_run(body, token)
    submission = Submission(
        run.run_id, run.display_name or name, profile.run_url(run.run_id), profile.name, experiment
    )
    remember(submission, sent, checked, origin or Origin(), profile, run)
    return submission


def experiment_of(sent: Package, profile: Profile, options: Options) -> str | None:
    """The experiment of a run by its name; None: the cluster's own, which one for several users has not."""
    chosen = options.experiment or sent.config.get("experiment") or profile.experiment
    return chosen or (_DEFAULT_EXPERIMENT if profile.namespace else None)


def body_of(
    sent: Package, profile: Profile, values: Mapping[str, Json], version: Version | None
) -> dict[str, Any]:
    """What is the same in the request for a run and for a recurring run."""
    config: dict[str, Any] = {"parameters": dict(values)}
    if profile.pipeline_root and not sent.plan.pipeline_root:
        config["pipeline_root"] = profile.pipeline_root
    body: dict[str, Any] = {"runtime_config": config}
    account = sent.config.get("serviceAccount") or profile.service_account
    if account:
        body["service_account"] = account
    if version is not None:
        reference = {"pipeline_id": version.pipeline_id, "pipeline_version_id": version.version_id}
        body["pipeline_version_reference"] = reference
    else:
        body["pipeline_spec"] = sent.request
    return body


def remember(
    submission: Submission,
    sent: Package,
    checked: Mapping[str, Json],
    origin: Origin,
    profile: Profile,
    run: Run,
) -> None:
    """Put a run of a cluster into the store, unless it is there already."""
    root = sent.plan.pipeline_root or profile.pipeline_root
    if run.runtime_config and run.runtime_config.pipeline_root:
        root = run.runtime_config.pipeline_root
    remote: Json = {"profile": profile.name, "endpoint": profile.url, "url": submission.url}
    new = NewRun(
        id=run.run_id,
        name=submission.name,
        pipeline=sent.plan.name,
        ir=sent.text,
        # backend/src/v2/metadata/client.go, GetPipeline: where a run's artifacts are.
        root=f"{root.rstrip('/')}/{sent.plan.name}/{run.run_id}" if root else "",
        parameters=checked,
        origin=origin,
        options={"remote": remote, **tracking.wanted(profile.mlflow)},
    )
    with closing(open_store()) as store:
        try:
            store.unchecked_run(run.run_id)
        except UsageError:  # it is not there yet
            store.create_run(new, outline(sent.plan, sent.plan.dag))
