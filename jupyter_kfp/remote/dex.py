"""Kubeflow's own login: a form of Dex, in front of everything, that gives a session cookie."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

from jupyter_kfp.remote.errors import Trouble, UnreachableError
from jupyter_kfp.remote.profile import Profile

_HOPS = 8
# The connectors with a form for a name and a password, in Dex's paths.
_CONNECTORS = ("local", "ldap")


def login(profile: Profile, password: str, send: Callable[..., Any]) -> str:
    """The cookies of a session, as a header. Raises UnreachableError where the login fails."""
    base = profile.url
    jar: dict[str, str] = {}
    url, page = _follow(send, "GET", f"{base}/apis/v2beta1/healthz", jar)
    if re.fullmatch(r".*/auth/?", urlsplit(url).path):
        url, page = _choose(send, url, page, jar)
    if "/auth/" not in urlsplit(url).path and "/login" not in urlsplit(url).path:
        if jar:
            return _header(jar)  # it let us in without a form
        raise _failed(base, "it does not lead to a Dex login form", "Choose another --auth.")
    given = {"login": profile.username or "", "password": password}
    url, page = _follow(send, "POST", url, jar, data=given)
    path = urlsplit(url).path
    if "/approval" in path:
        url, page = _follow(send, "POST", url, jar, data={"approval": "approve"})
    elif "/auth/" in path or "/login" in path:
        raise _failed(
            base,
            f"{profile.username} and the password were not accepted",
            "Check both, or add the profile again.",
        )
    if not jar:
        raise _failed(base, "it gave no session cookie", "Choose another --auth.")
    return _header(jar)


def _choose(send: Callable[..., Any], url: str, page: str, jar: dict[str, str]) -> tuple[str, str]:
    """Go on from the page where Dex lets one choose how to sign in."""
    for connector in _CONNECTORS:
        found = re.search(rf"""href=["']([^"']*/auth/{connector}[^"']*)["']""", page)
        if found:
            return _follow(send, "GET", urljoin(url, found.group(1).replace("&amp;", "&")), jar)
    parts = urlsplit(url)
    direct = parts._replace(path=f"{parts.path.rstrip('/')}/{_CONNECTORS[0]}").geturl()
    return _follow(send, "GET", direct, jar)


def _follow(
    send: Callable[..., Any], method: str, url: str, jar: dict[str, str], data: Any = None
) -> tuple[str, str]:
    """Make a request and follow where it leads, keeping cookies; the last URL and its page."""
    for _hop in range(_HOPS):
        headers = {"Cookie": _header(jar)} if jar else {}
        answer = send(method, url, headers=headers, data=data)
        jar.update({cookie.name: cookie.value for cookie in answer.cookies})
        if not answer.is_redirect:
            return url, str(answer.text)
        url, method, data = urljoin(url, answer.headers["Location"]), "GET", None
    raise _failed(url, "it sends one round in circles", "Open it in a browser and see where it leads.")


def _header(jar: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def _failed(place: str, why: str, remedy: str) -> UnreachableError:
    return UnreachableError(Trouble.UNAUTHENTICATED, f"The login at {place} failed: {why}.", remedy)
