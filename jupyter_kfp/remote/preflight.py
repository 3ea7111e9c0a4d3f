"""Is the cluster there, is it Kubeflow Pipelines 2, and may we use it? Asked before anything is sent."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from jupyter_kfp.errors import JupyterKfpWarning, UsageError
from jupyter_kfp.remote import objects, pages
from jupyter_kfp.remote.client import Client, connect
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
from jupyter_kfp.remote.http import Connection, Patience
from jupyter_kfp.remote.profile import Profile

_PREFIX = "/pipeline"
_OLD = "/apis/v1beta1"


@dataclass(frozen=True, slots=True)
class Report:
    """A server that can be used. ``version``: its own, where it tells. ``warning``: what may go wrong, or empty."""

    endpoint: str
    multi_user: bool
    version: str | None
    warning: str = ""


def check(profile: Profile) -> Report:
    """Ask the server without patience.

    Raises UnreachableError saying what is wrong and what to do, UsageError where the profile lacks a namespace.
    """
    client = connect(profile)
    try:
        with client.connection.impatient():
            return _look(client)
    finally:
        client.close()


@contextmanager
def connected(profile: Profile) -> Iterator[Client]:
    """A client for a server that can be used, as `check` found; what may go wrong is warned of.

    Only a server that is there and busy is asked again.
    """
    client = connect(profile)
    try:
        try:
            with client.connection.impatient():
                report = _look(client)
        except UnreachableError as error:
            if error.trouble not in (Trouble.UNAVAILABLE, Trouble.DROPPED):
                raise
            report = _look(client)
        if report.warning:
            warnings.warn(report.warning, JupyterKfpWarning, stacklevel=3)
        yield client
    finally:
        client.close()


def _look(client: Client) -> Report:
    profile, health = client.profile, _health(client)
    if health.multi_user and not profile.namespace:
        raise UsageError(
            f"{profile.url} is for several users, and the profile {profile.name!r} does not say where in it.",
            "Give the profile its --namespace.",
        )
    # Who may see nothing may still see the health: only a list tells whether we may use it.
    next(client.experiments(page_size="1"), None)
    found = _version(client.connection)
    return Report(profile.url, health.multi_user, found, _mismatch(found))


def _health(client: Client) -> objects.Health:
    try:
        return client.health()
    except UnreachableError as error:
        better = _elsewhere(client.profile) if error.trouble is Trouble.WRONG_PATH else None
        if better is None:
            raise
        raise pages.wrong_path(client.profile, better=better) from None
    except ApiError as error:
        if not error.is_missing:
            raise
        if _version(client.connection) is not None:
            raise UnreachableError(
                Trouble.VERSION,
                f"{client.profile.url} is Kubeflow Pipelines 1, which cannot run these pipelines.",
                "Upgrade the server to Kubeflow Pipelines 2.",
            ) from None
        raise pages.wrong_path(client.profile, better=_elsewhere(client.profile)) from None


def _elsewhere(profile: Profile) -> str | None:
    """The endpoint with Kubeflow's prefix if the API is there (or its login is)."""
    if profile.url.endswith(_PREFIX):
        return None
    other = profile.model_copy(update={"endpoint": f"{profile.url}{_PREFIX}"})
    connection = Connection(other, patience=Patience(attempts=1))
    try:
        connection.once("GET", "/healthz")
    except (UnreachableError, ApiError):
        return None
    finally:
        connection.close()
    return other.url


def _version(connection: Connection) -> str | None:
    """The server's version; KFP tells it in the older API only, where that is still served."""
    answer = connection.send("GET", f"{connection.profile.url}{_OLD}/healthz", headers=connection.headers())
    try:
        document = answer.json() if answer.status_code == 200 else {}
    except ValueError:
        return None
    tag = document.get("tag_name") if isinstance(document, dict) else None
    return str(tag) if tag else None


def _mismatch(server: str | None) -> str:
    """A warning where the server is older than the SDK that compiles here."""
    theirs, ours = _numbers(server or ""), _numbers(version("kfp"))
    if theirs is None or ours is None or theirs >= ours:
        return ""
    return (
        f"The server is Kubeflow Pipelines {server}, older than the SDK here ({version('kfp')}): what is new "
        "in pipelines since then may fail there. Install kfp of the server's version, or upgrade the server."
    )


def _numbers(text: str) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else None
