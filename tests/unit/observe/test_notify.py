"""Reports on their way: to a real HTTP server and a real SMTP server, which fail first."""

import json
import socket
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from jupyter_kfp.observe import notify
from jupyter_kfp.observe.notify import NotifyError
from jupyter_kfp.observe.report import Report
from jupyter_kfp.observe.settings import Mail
from jupyter_kfp.store.records import State
from tests.receivers import Receiver, receiving

# This server is for the loopback.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
REPORT = Report(
    run_id="abc",
    pipeline="wine",
    name="wine 1",
    state=State.FAILED,
    error="train: päng",
    failed=(("train", "päng", 4),),
    started_at="2026-01-01T00:00:00+00:00",
    ended_at="2026-01-01T00:01:00+00:00",
    seconds=60.0,
    host="here",
    notebook="/nb/wine.ipynb",
)


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def send(web: Receiver) -> tuple[int, list[float]]:
    """How many tries it took, and the pauses between them."""
    pauses: list[float] = []
    url = f"{web.url}/hooks/s3cr3t-path"
    return notify.persistently(lambda: notify.post(url, "t0ken", REPORT), pause=pauses.append), pauses


def test_a_webhook_gets_a_document_that_chat_programs_show(web: Receiver) -> None:
    assert send(web) == (1, [])
    (request,) = web.requests
    assert (request.method, request.path) == ("POST", "/hooks/s3cr3t-path")
    assert (request.headers["Authorization"], request.headers["Content-Type"]) == (
        "Bearer t0ken",
        "application/json",
    )
    told = json.loads(request.body)
    assert told == REPORT.as_dict()
    assert told["failed_tasks"] == [{"task": "train", "error": "päng", "cell": 4}]
    for words in ("Pipeline wine: run abc FAILED.", "- train (cell 5): päng", "jupyter kfp logs abc train"):
        assert words in told["text"]


def test_a_server_that_fails_first_is_asked_again_with_growing_pauses(web: Receiver) -> None:
    web.answers = [(503, None), (500, None), (429, "7"), (502, None)]
    assert send(web) == (5, [1, 2, 7, 8])
    assert len({request.body for request in web.requests}) == 1


def test_a_server_that_refuses_is_not(web: Receiver) -> None:
    web.answers = [(403, None)]
    with pytest.raises(NotifyError, match="answered 403") as caught:
        send(web)
    assert len(web.requests) == 1
    assert "s3cr3t" not in str(caught.value)
    web.answers = [(302, None)]
    with pytest.raises(NotifyError, match="answered 302"):
        send(web)


def test_one_gives_up_in_the_end(web: Receiver) -> None:
    web.answers = [(503, None)] * 20
    with pytest.raises(NotifyError, match="answered 503"):
        send(web)
    assert len(web.requests) == notify.TRIES
    gone = Receiver(url="http://127.0.0.1:9")
    with pytest.raises(NotifyError, match=r"The webhook at http://127.0.0.1:9 does not answer\.") as caught:
        send(gone)
    assert caught.value.again


class Mailbox:
    """Refuses the first messages as a busy server does, then keeps them."""

    def __init__(self) -> None:
        self.busy = 0
        self.mail: list[Any] = []

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        if self.busy:
            self.busy -= 1
            return "451 busy"
        self.mail.append((session.login_data, envelope))
        return "250 OK"


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(box: Mailbox) -> Iterator[str]:
    def login(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = (data.login, data.password) == (b"me", b"hunter2")
        return AuthResult(success=right, handled=False, auth_data=data.login)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        box, "127.0.0.1", port, authenticator=login, auth_require_tls=False, auth_required=True
    )
    controller.start()
    yield f"smtp://me@127.0.0.1:{port}"
    controller.stop()


def test_mail_arrives_when_the_server_is_no_longer_busy(smtp: str, box: Mailbox) -> None:
    box.busy = 2
    pauses: list[float] = []
    mail = Mail(("a@example.org", "b@example.org"), smtp, "kfp@example.org", "hunter2")
    assert notify.persistently(lambda: notify.mail(mail, REPORT), pause=pauses.append) == 3
    assert pauses == [1, 2]
    ((_login, envelope),) = box.mail
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    message = message_from_bytes(envelope.content, policy=default)
    assert message["Subject"] == "Pipeline wine: run abc FAILED"
    assert message.get_content().replace("\r\n", "\n") == REPORT.text


def test_a_wrong_password_is_not_tried_again(smtp: str, box: Mailbox) -> None:
    with pytest.raises(NotifyError, match="refused: 535") as caught:
        notify.mail(Mail(("a@example.org",), smtp.replace("me@", "me:wr0ng@"), "k@example.org"), REPORT)
    assert not caught.value.again
    assert "wr0ng" not in str(caught.value)
    assert box.mail == []


def test_a_password_is_not_sent_in_the_clear(smtp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_HERE", ())
    with pytest.raises(NotifyError, match="offers no encryption"):
        notify.mail(Mail(("a@example.org",), smtp, "k@example.org", "hunter2"), REPORT)


@pytest.mark.parametrize("server", ["http://host", "smtp://", "host:25"])
def test_what_is_no_mail_server_is_named(server: str) -> None:
    with pytest.raises(NotifyError, match="smtp://"):
        notify.mail(Mail(("a@b",), server, "a@b"), REPORT)
