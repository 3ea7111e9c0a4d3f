"""Versions of pipelines on a cluster, named by their content: the same pipeline is uploaded once."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import package, profiles
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.preflight import connected
from jupyter_kfp.remote.submit import Version

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A version that is on the cluster. ``is_new``: it was not before."""

    pipeline: str
    pipeline_id: str
    version: str
    version_id: str
    is_new: bool

    @property
    def pin(self) -> str:
        """What to put under version control: ``PIPELINE_ID/VERSION_ID``."""
        return f"{self.pipeline_id}/{self.version_id}"


def upload(text: str, *, profile: str | None = None, name: str | None = None) -> Uploaded:
    """Put a compiled pipeline on the cluster as a version of the pipeline ``name`` (by default its own).

    Raises UsageError for what is no pipeline, UnreachableError, ApiError.
    """
    given = package.read(text)
    with connected(profiles.find(profile)) as client:
        return upload_with(client, given, name or given.plan.name)


def upload_with(client: Client, given: package.Package, name: str) -> Uploaded:
    """The same, of a pipeline that was read, by a client."""
    # No periods of caches: they are for a moment, and a version is for good.
    sent = package.with_image(given, client.profile.default_image) if client.profile.default_image else given
    version = f"{given.plan.name}-{sent.digest[:_DIGITS]}"
    pipeline = client.pipeline(name) or client.create_pipeline(name, "")
    found = client.version(pipeline.pipeline_id, version)
    if found is not None:
        return Uploaded(name, pipeline.pipeline_id, version, found.pipeline_version_id, is_new=False)
    made = client.upload_version(pipeline.pipeline_id, version, sent.text, f"sha256 {sent.digest}")
    return Uploaded(name, pipeline.pipeline_id, version, made.pipeline_version_id, is_new=True)


def pinned(pin: str) -> Version:
    """A pin as ids. Raises UsageError if it is none."""
    pipeline, separator, version = pin.strip().partition("/")
    if not separator or not pipeline or not version or "/" in version:
        raise UsageError(
            f"{pin!r} is no pinned version.",
            "Give PIPELINE_ID/VERSION_ID, as `jupyter kfp upload --pin` prints it.",
        )
    return Version(pipeline, version)


def fetch(client: Client, version: Version) -> package.Package:
    """The pipeline of a version, as the cluster has it. Raises ApiError if there is none."""
    import yaml

    found = client.version_by_id(version.pipeline_id, version.version_id).pipeline_spec
    documents = [found["pipeline_spec"], found.get("platform_spec")] if "pipeline_spec" in found else [found]
    return package.read(yaml.safe_dump_all([d for d in documents if d]))
