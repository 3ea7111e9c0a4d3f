"""Who may ask: nobody in particular, holders of a token or a cookie, or users of a Dex login."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from flask import Response, redirect, request

from tests.kfp_server.faults import LOGIN_PAGE

COOKIE = "authservice_session"


@dataclass
class Auth:
    """``mode``: ``none``, ``token`` (``Authorization: Bearer``), ``cookie`` or ``dex``.

    ``uses``: a token is expired (401) after so many requests. ``forbidden``: everybody is known and nobody
    may do anything (403).
    """

    mode: str = "none"
    tokens: list[str] = field(default_factory=list)
    username: str = "user@example.com"
    password: str = "12341234"
    uses: int | None = None
    forbidden: bool = False
    _sessions: set[str] = field(default_factory=set)

    def check(self) -> Response | None:
        """What to answer instead, or None if the request may pass."""
        refused = self._unknown()
        if refused is None and self.forbidden:
            return _error(7, "User 'user@example.com' is not authorized with reason: no permission", 403)
        return refused

    def _unknown(self) -> Response | None:
        match self.mode:
            case "token":
                given = request.headers.get("Authorization", "").removeprefix("Bearer ")
                if given not in self.tokens or self._spent():
                    return _error(16, "Request header error: there is no user identity header.", 401)
            case "cookie" | "dex":
                if request.cookies.get(COOKIE) not in self._sessions | set(self.tokens) or self._spent():
                    return redirect("/dex/auth?client_id=kubeflow-oidc-authservice")
        return None

    def _spent(self) -> bool:
        if self.uses is None:
            return False
        self.uses -= 1
        return self.uses < 0

    def dex(self, path: str) -> Response:
        """Dex: the choice of connectors, the login form, and what it answers."""
        if path == "auth":
            page = "<html><a href='/dex/auth/local?client_id=kubeflow-oidc-authservice'>Email</a></html>"
            return Response(page, mimetype="text/html")
        if path == "auth/local":
            return redirect("/dex/auth/local/login?state=s1")
        if request.method == "GET":
            return Response(LOGIN_PAGE, mimetype="text/html")
        if (request.form.get("login"), request.form.get("password")) != (self.username, self.password):
            return Response("<html>Invalid Email Address and password</html>", mimetype="text/html")
        session = secrets.token_hex(8)
        self._sessions.add(session)
        answer = redirect("/")
        answer.set_cookie(COOKIE, session, path="/")
        return answer


def _error(code: int, message: str, status: int) -> Response:
    import json

    return Response(json.dumps({"code": code, "message": message}), status, content_type="application/json")


def settings(given: dict[str, Any]) -> Auth:
    """The authentication that a test asked for."""
    return Auth(**given)
