"""Answers that are not what was asked for: what they mean and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
from jupyter_kfp.remote.profile import AuthKind, Profile

if TYPE_CHECKING:
    import requests

_LOGIN = re.compile(
    r"type=[\"']?password|name=[\"']?login|sign in|log in|/dex/|accounts\.google\.com", re.IGNORECASE
)
_PREFIX = "/pipeline"


def unexpected(profile: Profile, answer: requests.Response, document: Any) -> JupyterKfpError:
    """The error for an answer that is not the JSON of a success. ``document``: its JSON, if it is any."""
    status, place = answer.status_code, profile.url
    if status == 401:
        return UnreachableError(
            Trouble.UNAUTHENTICATED, f"{place} does not know who asks (401).", _remedy(profile)
        )
    if status == 403:
        why = _message(document)
        return UnreachableError(
            Trouble.FORBIDDEN,
            f"{place} does not let you do this (403){f': {why}' if why else ''}.",
            "Check the profile's namespace; ask its owner to add you as a contributor.",
        )
    if answer.is_redirect:
        return _redirected(profile, answer.headers.get("Location", ""))
    if status == 429 or status >= 500:
        why = _message(document)
        return UnreachableError(
            Trouble.UNAVAILABLE,
            f"{place} is not well: HTTP {status}{f', {why}' if why else ''}.",
            "Try again later; the log of ml-pipeline says why.",
            retry_after=_seconds(answer.headers.get("Retry-After")),
        )
    if document is None and "<" in answer.text[:200] and "html" in answer.text[:1000].lower():
        return _web_page(profile, answer.text)
    if isinstance(document, dict) and ("message" in document or "error" in document) and status != 200:
        return ApiError(status, _code(document), f"{place} refuses: {_message(document)}", _advice(status))
    if status == 404:
        return wrong_path(profile)
    return UnreachableError(
        Trouble.GARBLED,
        f"{place} answered something else than the Kubeflow Pipelines API (HTTP {status}).",
        "Check that the endpoint is Kubeflow Pipelines 2.",
    )


def wrong_path(profile: Profile, *, better: str | None = None) -> UnreachableError:
    """Something else than the API is there. ``better``: where the API was found."""
    url = profile.url
    found = f"Kubeflow Pipelines is at {better}" if better else f"Kubeflow serves it at {url}{_PREFIX}"
    if better is None and urlsplit(url).path.endswith(_PREFIX):
        found = "Check the path"
    return UnreachableError(
        Trouble.WRONG_PATH,
        f"{url} answers, but is not the Kubeflow Pipelines API.",
        f"{found}; change the profile's endpoint.",
    )


def garbled(profile: Profile, what: str) -> UnreachableError:
    """An answer that is JSON, but not the API's."""
    return UnreachableError(
        Trouble.GARBLED,
        f"{profile.url} answered something that is not of the Kubeflow Pipelines API 2 ({what}).",
        "Check that the server is Kubeflow Pipelines 2.",
    )


def _redirected(profile: Profile, target: str) -> UnreachableError:
    here, there = urlsplit(profile.url), urlsplit(target)
    if here.scheme == "http" and there.scheme == "https" and there.hostname == here.hostname:
        better = profile.url.replace("http://", "https://", 1)
        return UnreachableError(
            Trouble.WRONG_PATH, f"{profile.url} is at {better} now.", "Change the profile's endpoint to that."
        )
    return _login(profile)


def _web_page(profile: Profile, text: str) -> UnreachableError:
    return _login(profile) if _LOGIN.search(text) else wrong_path(profile)


def _login(profile: Profile) -> UnreachableError:
    return UnreachableError(
        Trouble.LOGIN_PAGE, f"{profile.url} answers with a login page instead of the API.", _remedy(profile)
    )


def _remedy(profile: Profile) -> str:
    match profile.auth:
        case AuthKind.NONE:
            return "Add the profile again with --auth (token, cookie, dex, google or service-account)."
        case AuthKind.SERVICE_ACCOUNT:
            return "The pod's token is not accepted: check its audience and the service account's rights."
        case AuthKind.DEX:
            return "Check the user and the password of the profile."
        case AuthKind.GOOGLE:
            return "Log in again: gcloud auth application-default login."
        case _:
            return f"The {profile.auth.value} has expired or is wrong: add the profile again with a new one."


def _message(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    text = str(document.get("message") or document.get("error") or "")
    return " ".join(text.split())[:500].rstrip(".")


def _code(document: dict[str, Any]) -> int:
    code = document.get("code")
    return code if isinstance(code, int) else 2


def _advice(status: int) -> str:
    return "Check the id; `jupyter kfp profiles test` shows what is reachable." if status == 404 else ""


def _seconds(text: str | None) -> float | None:
    """``Retry-After`` as seconds; a date counts from now."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    try:
        return (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds()
    except (TypeError, ValueError):
        return None
