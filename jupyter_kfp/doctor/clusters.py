"""The clusters that profiles name."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from jupyter_kfp.doctor.finding import Finding, error, off, ok, warning
from jupyter_kfp.errors import JupyterKfpError, UsageError


def profiles() -> Iterator[Finding]:
    """Whether each can be used, all asked at the same time."""
    from jupyter_kfp.remote import profiles as known
    from jupyter_kfp.remote.profile import Profile

    try:
        found = known.load()
    except UsageError as problem:
        yield error("profiles", problem.message, problem.remedy)
        return
    try:
        chosen = known.find()
        found.setdefault(chosen.name, chosen)  # the environment's, or the cluster this runs in
    except UsageError:
        pass
    if not found:
        yield off("profiles", "No cluster is known.", "`jupyter kfp profiles add` adds one.")
        return

    def look(profile: Profile) -> Finding:
        check = f"profile {profile.name}"
        try:
            return _asked(check, profile)
        except JupyterKfpError as problem:
            return error(check, problem.message, problem.remedy)

    with ThreadPoolExecutor(8) as pool:
        yield from pool.map(look, found.values())


def _asked(check: str, profile: object) -> Finding:
    from jupyter_kfp.remote import preflight
    from jupyter_kfp.remote.profile import Kind, Profile

    assert isinstance(profile, Profile), "told to the type checker, late"
    if profile.kind is Kind.VERTEX:
        from jupyter_kfp.remote import vertex

        vertex.check(profile)
        return ok(check, f"Vertex AI Pipelines, project {profile.project}, {profile.location}")
    report = preflight.check(profile)
    if report.warning:
        return warning(check, f"{report.endpoint}: {report.warning}", "")
    return ok(check, f"Kubeflow Pipelines {report.version or '2'} at {report.endpoint}")
