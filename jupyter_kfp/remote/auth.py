"""Telling a server who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import dex, vault
from jupyter_kfp.remote.profile import TOKEN_FILE, AuthKind, Profile


class Credentials(Protocol):
    """What goes with every request."""

    def headers(self) -> Mapping[str, str]:
        """The headers of the next request."""
        ...

    def renew(self) -> bool:
        """The server did not accept them: get new ones. False: there are no others."""
        ...


class Anonymous:
    """Nobody in particular."""

    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    def renew(self) -> bool:
        """There is nothing to renew."""
        return False


class Held:
    """A token or a cookie that is fetched when it is first needed, and again when it has expired."""

    def __init__(self, header: str, form: str, fetch: Callable[[], str]) -> None:
        self._header, self._form, self._fetch = header, form, fetch
        self._value: str | None = None

    def headers(self) -> Mapping[str, str]:
        """The header with the token."""
        if self._value is None:
            self._value = self._fetch()
        return {self._header: self._form.format(self._value)}

    def renew(self) -> bool:
        """Fetch it again; False if it is the same as before."""
        before, self._value = self._value, self._fetch()
        return self._value != before


def credentials(profile: Profile, send: Callable[..., Any]) -> Credentials:
    """The credentials of a profile. ``send`` makes a request (method, url, ...) as `requests` does.

    Nothing is fetched yet. What cannot be had raises UsageError when it is needed.
    """
    match profile.auth:
        case AuthKind.TOKEN:
            return Held("Authorization", "Bearer {}", lambda: vault.secret(profile))
        case AuthKind.SERVICE_ACCOUNT:
            file = profile.token_file or TOKEN_FILE
            return Held("Authorization", "Bearer {}", lambda: _token_of(file))
        case AuthKind.COOKIE:
            return Held("Cookie", "{}", lambda: _cookie(vault.secret(profile)))
        case AuthKind.DEX:
            return Held("Cookie", "{}", lambda: dex.login(profile, vault.secret(profile), send))
        case AuthKind.GOOGLE:
            return Held("Authorization", "Bearer {}", lambda: _google(profile))
        case AuthKind.NONE:
            return Anonymous()


def _token_of(file: Path) -> str:
    """The token, read anew each time: Kubernetes replaces it every hour or so."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(
            f"The service account's token {file} cannot be read ({error.strerror}).",
            "Mount a token for the audience pipelines.kubeflow.org into this pod.",
        ) from error


def _cookie(text: str) -> str:
    """A cookie as a header has it; the bare value is that of Kubeflow's login."""
    return text if "=" in text else f"authservice_session={text}"


def _google(profile: Profile) -> str:
    """A token of the user's or the machine's Google account, for IAP if the profile has an audience."""
    try:
        import google.auth
        import google.auth.transport.requests
        from google.oauth2 import id_token
    except ImportError:
        raise UsageError("Google's login needs the package google-auth.", "pip install google-auth") from None
    from google.auth.exceptions import GoogleAuthError

    request = google.auth.transport.requests.Request()
    try:
        if profile.audience:
            return str(id_token.fetch_id_token(request, profile.audience))
        found, _project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        found.refresh(request)
        return str(found.token)
    except GoogleAuthError as error:
        raise UsageError(
            f"Google's login failed: {error}.", "Run `gcloud auth application-default login`."
        ) from error
