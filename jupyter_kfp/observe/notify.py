"""Sending a report: to a webhook, by mail. What may go well later is tried again, with growing pauses."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.observe.report import Report
from jupyter_kfp.observe.settings import Mail

# 1 + 2 + 4 + ... seconds: a server that restarts is back after these two minutes.
TRIES: Final = 7
_SECONDS: Final = 20
_TOO_BUSY: Final = 429
_HERE: Final = ("localhost", "127.0.0.1", "::1")


class NotifyError(JupyterKfpError):
    """A notification has not arrived. ``again``: it may, later; ``wait``: the seconds that the server asks for."""

    def __init__(self, message: str, *, again: bool, wait: float | None = None) -> None:
        super().__init__(message)
        self.again = again
        self.wait = wait


def persistently(send: Callable[[], None], *, pause: Callable[[float], None] = time.sleep) -> int:
    """Send, up to `TRIES` times. Returns how many it took. Raises NotifyError where it cannot be done."""
    for attempt in range(1, TRIES):
        try:
            send()
        except NotifyError as error:
            if not error.again:
                raise
            wait = min(error.wait or 0.0, 60.0) or 2.0 ** (attempt - 1)
        else:
            return attempt
        pause(wait)
    send()
    return TRIES


def post(url: str, token: str | None, report: Report) -> None:
    """Post the report to a webhook. Raises NotifyError."""
    import requests

    place = place_of(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = requests.post(
            url, json=report.as_dict(), headers=headers, timeout=_SECONDS, allow_redirects=False
        )
    except (requests.ConnectionError, requests.Timeout):
        # The error itself would repeat the URL, which may hold a secret.
        raise NotifyError(f"The webhook at {place} does not answer.", again=True) from None
    except requests.RequestException as error:
        raise NotifyError(
            f"The webhook at {place} cannot be used ({type(error).__name__}).", again=False
        ) from None
    if answer.status_code >= 300:
        again = answer.status_code == _TOO_BUSY or answer.status_code >= 500
        wait = answer.headers.get("Retry-After", "")
        raise NotifyError(
            f"The webhook at {place} answered {answer.status_code}.",
            again=again,
            wait=float(wait) if wait.isdigit() else None,
        )


def mail(settings: Mail, report: Report) -> None:
    """Send the report by mail. Raises NotifyError."""
    parts = urlsplit(settings.server)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise NotifyError(
            "The mail server's URL begins with smtp:// or smtps:// and names a host.", again=False
        )
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        report.subject,
        settings.sender,
        ", ".join(settings.to),
    )
    message.set_content(report.text)
    password = settings.password or (unquote(parts.password) if parts.password else None)
    place = place_of(settings.server)
    try:
        with _server(parts.scheme, parts.hostname, parts.port) as server:
            if parts.username:
                if not isinstance(server.sock, ssl.SSLSocket) and parts.hostname not in _HERE:
                    raise NotifyError(
                        f"The mail server {place} offers no encryption for the password.", again=False
                    )
                server.login(unquote(parts.username), password or "")
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        told = f"{error.smtp_code} {error.smtp_error!r}"
        raise NotifyError(f"The mail server {place} refused: {told}.", again=error.smtp_code < 500) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _words in error.recipients.values()]
        raise NotifyError(
            f"The mail server {place} refused the addresses: {codes}.",
            again=all(code < 500 for code in codes),
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        again = not isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError)
        raise NotifyError(f"The mail server {place} cannot be used ({error}).", again=again) from None


def _server(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    """A connection; encrypted from the start (smtps), or as soon as the server offers it."""
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=_SECONDS, context=context)
    server = smtplib.SMTP(host, port or 25, timeout=_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
    return server


def place_of(url: str) -> str:
    """Where a URL leads, without the secrets that its path and its user may be."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
