"""Requests to a server: with timeouts, repeated where that is safe, and with errors that say what is wrong."""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_kfp.engine.masking import Masker
from jupyter_kfp.errors import JupyterKfpError, UsageError
from jupyter_kfp.remote import auth, pages
from jupyter_kfp.remote.errors import Trouble, UnreachableError
from jupyter_kfp.remote.profile import Profile

if TYPE_CHECKING:
    import requests

_Result = TypeVar("_Result")
API = "/apis/v2beta1"
# Of what stands in a header, names ("Bearer") are shorter.
_SHORTEST_SECRET = 8
_LIMIT = 64 << 20  # no answer of the API is larger; KFP refuses pipelines over 32 MiB


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask again, and how long to wait before (seconds): doubled each time, up to ``longest``."""

    attempts: int = 5
    first: float = 0.5
    longest: float = 30.0

    def wait(self, failures: int, asked: float | None, chance: float) -> float:
        """Seconds after the ``failures``-th failure; what the server asked for counts, within bounds."""
        if asked is not None:
            return min(max(asked, 0.0), 2 * self.longest)
        return min(self.first * 2.0 ** min(failures - 1, 20), self.longest) * (0.5 + chance / 2)


class Connection:
    """A server and who asks it."""

    def __init__(
        self,
        profile: Profile,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.profile = profile
        self.patience = patience or Patience()
        self._sleep = sleep
        self._session: requests.Session | None = None
        self._credentials = auth.credentials(profile, self.send)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Within it, nothing is repeated."""
        before, self.patience = self.patience, replace(self.patience, attempts=1)
        try:
            yield
        finally:
            self.patience = before

    def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON at a path of the API. Repeated on transient faults."""
        return self.patiently(lambda: self.once("GET", path, query=query))

    def once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        files: Any = None,
    ) -> Any:
        """One request to the API and its JSON; new credentials are got where the old ones have expired.

        Raises UnreachableError, or ApiError where the server refuses what was asked for.
        """
        url = f"{self.profile.url}{API}{path}"
        try:
            return self._ask(method, url, query, body, files)
        except UnreachableError as error:
            expired = error.trouble in (Trouble.UNAUTHENTICATED, Trouble.LOGIN_PAGE)
            if not (expired and self._credentials.renew()):
                raise
        return self._ask(method, url, query, body, files)

    def text(self, path: str, query: Mapping[str, str]) -> str | None:
        """The plain text at a path beside the API; None where there is none."""
        answer = self.send("GET", f"{self.profile.url}{path}", headers=self.headers(), params=query)
        is_text = answer.status_code == 200 and "html" not in answer.headers.get("Content-Type", "")
        return str(answer.text) if is_text else None

    def headers(self) -> Mapping[str, str]:
        """The headers that tell who asks."""
        return self._credentials.headers()

    def patiently(
        self,
        ask: Callable[[], _Result],
        before_again: Callable[[UnreachableError], _Result | None] | None = None,
    ) -> _Result:
        """The result of ``ask``, tried again after transient faults, with growing pauses.

        ``before_again`` is called with the fault before each repetition; if it has a result, that is it. It is
        how something is made only once although nobody knows whether the first try made it.
        """
        failures, last = 0, None
        while True:
            try:
                found = before_again(last) if last is not None and before_again is not None else None
                return ask() if found is None else found
            except UnreachableError as error:  # noqa: PERF203 (a request costs more)
                failures, last = failures + 1, error
                if not error.trouble.is_transient or failures >= self.patience.attempts:
                    raise
                self.pause(self.patience.wait(failures, error.retry_after, random.random()))  # noqa: S311

    def pause(self, seconds: float) -> None:
        """Wait."""
        self._sleep(seconds)

    def send(self, method: str, url: str, **options: Any) -> requests.Response:
        """One request, whatever the answer. Raises UnreachableError where there is none."""
        import requests

        if self._session is None:
            self._session = _session()
        given = self.profile
        verify = str(given.ca_file) if given.ca_file and given.verify else given.verify
        try:
            return self._session.request(
                method, url, timeout=given.timeout, verify=verify, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            raise _unanswered(given, error) from error
        except OSError as error:  # the file of certificates
            raise UsageError(
                f"{given.ca_file} cannot be read ({error}).", "Check the path of --ca-file."
            ) from error

    def _ask(self, method: str, url: str, query: Any, body: Any, files: Any) -> Any:
        headers = {"Accept": "application/json", **self.headers()}
        answer = self.send(method, url, headers=headers, params=query, json=body, files=files)
        document = _json(answer)
        if answer.status_code == 200 and isinstance(document, dict):
            return document
        raise _without(headers, pages.unexpected(self.profile, answer, document))


def _without(headers: Mapping[str, str], error: JupyterKfpError) -> JupyterKfpError:
    """The error without the credentials that were sent: a server may say them again in its answer."""
    sent = [headers[name] for name in ("Authorization", "Cookie") if name in headers]
    masker = Masker(
        part for text in sent for part in re.split(r"[\s;=]+", text) if len(part) >= _SHORTEST_SECRET
    )
    error.message, error.remedy = masker.mask(error.message), masker.mask(error.remedy)
    error.args = (error.message,)
    return error


def _session() -> requests.Session:
    """Connections that are kept open, and nothing else: no cookies and no passwords of other origin."""
    import requests

    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = lambda request: request  # else ~/.netrc replaces the profile's credentials
    return session


def _json(answer: requests.Response) -> Any:
    """The body as JSON; None if it is none."""
    if len(answer.content) > _LIMIT:
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def _unanswered(profile: Profile, error: Exception) -> UnreachableError:
    """Why there was no answer."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError

    place = profile.url
    causes = list(_causes(error))
    if isinstance(error, requests.exceptions.SSLError):
        return _tls(place, str(error))
    if any(isinstance(cause, NameResolutionError | socket.gaierror) for cause in causes):
        return UnreachableError(
            Trouble.DNS,
            f"There is no machine of the name in {place}.",
            "Check the endpoint, or connect the VPN.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return UnreachableError(
            Trouble.REFUSED,
            f"Nothing listens at {place}.",
            "Check host and port. Behind `kubectl port-forward`, start that again.",
        )
    if isinstance(error, requests.Timeout) or any(isinstance(c, ConnectTimeoutError) for c in causes):
        return UnreachableError(
            Trouble.TIMEOUT,
            f"{place} did not answer within {profile.timeout:g} seconds.",
            "Check the endpoint and the network, or give the profile a longer timeout.",
        )
    return UnreachableError(
        Trouble.DROPPED,
        f"{place} closed the connection without an answer.",
        "Try again; check the server's log.",
    )


def _tls(place: str, message: str) -> UnreachableError:
    if "WRONG_VERSION_NUMBER" in message or "record layer" in message.lower():
        remedy = "It does not speak TLS: write http:// instead of https://."
    elif "self-signed" in message or "self signed" in message or "unable to get local issuer" in message:
        remedy = "Name the file with your organisation's certificates: --ca-file FILE."
    elif "hostname" in message.lower() or "doesn't match" in message:
        remedy = "The certificate is for another name; use that name in the endpoint."
    elif "expired" in message:
        remedy = "The certificate has expired; have it renewed."
    else:
        remedy = "Name the file with the certificates it is signed by: --ca-file FILE."
    reason = message.partition("SSLError(")[2].split("(_ssl.c")[0].strip("(' ") or "TLS failed"
    return UnreachableError(Trouble.TLS, f"The certificate of {place} was not accepted: {reason}.", remedy)


def _causes(error: BaseException | None) -> Any:
    """An exception with everything that led to it, urllib3's ``reason`` and arguments included."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
