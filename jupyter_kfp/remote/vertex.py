"""Vertex AI Pipelines runs the same IR, with fewer options.

Its client, google-cloud-aiplatform, is an extra and imported only here, when a profile of that kind is used.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote.errors import Trouble, UnreachableError
from jupyter_kfp.remote.profile import Profile
from jupyter_kfp.remote.submit import Options, Submission, prepared

if TYPE_CHECKING:
    from jupyter_kfp.pipeline import Json
    from jupyter_kfp.remote.package import Package

# google/cloud/aiplatform/pipeline_jobs.py, _VALID_NAME_PATTERN.
_NAME = re.compile(r"[a-z][-a-z0-9]{0,127}")


def constraints(given: Package) -> list[str]:
    """What of a pipeline Vertex AI cannot do, one sentence each; empty if it can do all."""
    found = []
    kubernetes = (given.platform.get("platforms") or {}).get("kubernetes") or {}
    executors = (kubernetes.get("deploymentSpec") or {}).get("executors") or {}
    for label, options in sorted(executors.items()):
        names = ", ".join(sorted(options))
        found.append(
            f"{label.removeprefix('exec-')}: {names} is an option of Kubernetes, which Vertex AI has not"
        )
    if kubernetes.get("pipelineConfig"):
        found.append(
            f"the pipeline: {', '.join(sorted(kubernetes['pipelineConfig']))} is an option of Kubernetes"
        )
    if not _NAME.fullmatch(given.plan.name):
        found.append(f"the pipeline's name {given.plan.name!r} must begin with a letter")
    return found


def check(profile: Profile) -> None:
    """Raise UsageError where Vertex AI's client is missing, UnreachableError where nobody is logged in."""
    _client(profile)
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        google.auth.default()
    except GoogleAuthError as error:
        raise UnreachableError(
            Trouble.UNAUTHENTICATED, f"Google Cloud does not know who asks: {error}.",
            "Run `gcloud auth application-default login`.",
        ) from error  # fmt: skip


def submit(profile: Profile, given: Package, values: Mapping[str, Json], options: Options) -> Submission:
    """Start a run on Vertex AI and return at once.

    Raises UsageError where the pipeline asks for what Vertex AI has not, or its client is missing;
    UnreachableError where it cannot be used.
    """
    problems = constraints(given)
    if problems:
        raise UsageError(
            "Vertex AI cannot run this pipeline: " + "; ".join(problems) + ".",
            "Leave these options out, or submit to Kubeflow Pipelines.",
        )
    sent = prepared(given, profile, cache=options.cache)
    aiplatform = _client(profile)
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    experiment = options.experiment or sent.config.get("experiment") or profile.experiment
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "pipeline.yaml")
        # One document: its loader takes no second one. What the second may still say, we have read.
        file.write_text(_single(sent), encoding="utf-8")
        try:
            job = aiplatform.PipelineJob(
                display_name=options.name or sent.plan.name,
                template_path=str(file),
                pipeline_root=sent.plan.pipeline_root or profile.pipeline_root,
                parameter_values=dict(values),
                enable_caching=None if options.cache else False,
                project=profile.project,
                location=profile.location,
            )
            account = sent.config.get("serviceAccount") or profile.service_account
            job.submit(service_account=account, experiment=experiment)
        except (GoogleAPIError, GoogleAuthError) as error:
            raise UnreachableError(
                Trouble.UNAVAILABLE, f"Vertex AI did not take the pipeline: {error}.",
                "Check project, location and the rights of your account.",
            ) from error  # fmt: skip
    console = "https://console.cloud.google.com/vertex-ai/locations"
    url = f"{console}/{profile.location}/pipelines/runs/{job.job_id}?project={profile.project}"
    return Submission(str(job.job_id), str(job.display_name), url, profile.name, experiment, followed=False)


def _single(sent: Package) -> str:
    import yaml

    return str(yaml.safe_dump(sent.spec, sort_keys=True, allow_unicode=True))


def _client(profile: Profile) -> Any:
    from importlib import import_module

    try:
        return import_module("google.cloud.aiplatform")
    except ImportError:
        raise UsageError(
            f"The profile {profile.name!r} is of Vertex AI, whose client is not installed.",
            "pip install 'jupyter-kfp[vertex]'",
        ) from None
