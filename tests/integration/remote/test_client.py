"""Requests that meet faults, and credentials that expire."""

import base64
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import profiles
from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
from jupyter_kfp.remote.http import Connection
from tests.integration.remote.irs import small_spec
from tests.kfp_server.process import Cluster

Connect = Callable[..., Client]


def run_body(token: str, **more: Any) -> dict[str, Any]:
    return {"display_name": "r", "description": f"id {token}", "pipeline_spec": small_spec(), **more}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429, "retry_after": "0"},
        {"kind": "drop"},
    ],
    ids=["500", "503", "429", "dropped"],
)
def test_reading_is_repeated_after_a_transient_fault(
    cluster: Cluster, connect: Connect, fault: dict[str, Any]
) -> None:
    cluster.control(faults=[{**fault, "times": 2}])
    assert connect().health()
    assert len(cluster.requests(path="healthz")) == 3


def test_what_the_server_asks_to_wait_is_waited(cluster: Cluster, connect: Connect) -> None:
    waits: list[float] = []
    client = connect()
    client.connection._sleep = waits.append
    cluster.control(faults=[{"kind": "status", "status": 429, "retry_after": "0.07", "times": 1}])
    client.health()
    assert waits == [0.07]


def test_patience_ends(cluster: Cluster, connect: Connect) -> None:
    cluster.control(faults=[{"kind": "status", "status": 500}])
    with pytest.raises(UnreachableError, match="HTTP 500") as raised:
        connect().health()
    assert raised.value.trouble is Trouble.UNAVAILABLE
    assert len(cluster.requests(path="healthz")) == 5


@pytest.mark.parametrize("kind", ["drop", "drop_after", "slow"])
def test_a_run_is_started_once_whatever_becomes_of_the_answer(
    cluster: Cluster, connect: Connect, kind: str
) -> None:
    """Of `drop_after` and `slow` the server has started the run when the client hears nothing."""
    token = f"once-{kind}"
    fault = {"kind": kind, "method": "POST", "path": "/runs", "times": 1, "seconds": 0.6}
    cluster.control(faults=[fault], hold=True)
    client = connect(timeout=0.4)
    made = client.create_run(run_body(token), token)
    same = [r for r in client._list(type(made), "/runs", "runs", {}) if token in r.description]
    assert [r.run_id for r in same] == [made.run_id]


def test_a_wrong_argument_is_said_and_not_repeated(cluster: Cluster, connect: Connect) -> None:
    with pytest.raises(ApiError, match="not required by pipeline: extra"):
        connect().create_run(run_body("t", runtime_config={"parameters": {"extra": 1}}), "t")
    assert len(cluster.requests("POST", "/runs")) == 1


def test_lists_go_over_all_pages(connect: Connect) -> None:
    client = connect()
    names = [f"paged {number}" for number in range(5)]
    for name in names:
        client.experiment(name)
    found = [e.display_name for e in client.experiments(page_size="2")]
    assert set(names) <= set(found)


def test_an_experiment_is_made_once(cluster: Cluster, connect: Connect) -> None:
    first = connect().experiment("twice")
    assert connect().experiment("twice") == first


def test_a_token_from_the_environment_and_one_that_was_replaced(
    cluster: Cluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.control(auth={"mode": "token", "tokens": ["old"]})
    monkeypatch.setenv("MY_TOKEN", "old")
    client = connect(auth="token", secret_env="MY_TOKEN")
    assert client.health()
    cluster.control(auth={"mode": "token", "tokens": ["new"]})
    monkeypatch.setenv("MY_TOKEN", "new")
    assert client.health()
    cluster.control(auth={"mode": "token", "tokens": ["newest"]})
    with pytest.raises(UnreachableError, match="401"):
        client.health()


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_server_that_says_the_token_again_is_not_quoted(
    status: int, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Authorization") or self.headers.get("Cookie")
            body = json.dumps({"code": 7, "message": f"no right for {said}"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MY_TOKEN", "very-secret-token")
    try:
        for auth in ("token", "cookie"):
            client = connect(
                endpoint=f"http://127.0.0.1:{server.server_port}", auth=auth, secret_env="MY_TOKEN"
            )
            with pytest.raises((ApiError, UnreachableError), match=r"no right for .*\*\*\*\*") as refused:
                client.run("r")
            assert "very-secret" not in repr(refused.value.__dict__) + repr(refused.value.args)
    finally:
        server.shutdown()
        server.server_close()


def test_the_service_accounts_token_is_read_again_when_it_has_expired(
    cluster: Cluster, connect: Connect, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    cluster.control(auth={"mode": "token", "tokens": ["first"]})
    client = connect(auth="service-account", token_file=file)
    assert client.health()
    file.write_text("second\n")
    cluster.control(auth={"mode": "token", "tokens": ["second"]})
    assert client.health()


def test_a_cookie(cluster: Cluster, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.control(auth={"mode": "cookie", "tokens": ["c1"]})
    monkeypatch.setenv("MY_COOKIE", "authservice_session=c1")
    assert connect(auth="cookie", secret_env="MY_COOKIE").health()


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A service account whose tokens are made here, numbered; and what was asked for each."""
    asked: list[str] = []

    class Tokens(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assertion = parse_qs(body)["assertion"][0].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(assertion + "=="))
            asked.append(claims.get("target_audience") or claims["scope"])
            token = f"google-{len(asked)}"
            signed = ".".join(map(_base64, ('{"alg": "none"}', '{"exp": 4102444800, "iat": 0}', token)))
            answer = {"access_token": token, "id_token": signed, "expires_in": 3600, "token_type": "Bearer"}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True, text=True)
    account = {
        "type": "service_account",
        "client_email": "me@project",
        "private_key": made.stdout,
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    yield asked
    server.shutdown()
    server.server_close()


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_googles_account_and_a_token_that_has_expired(
    cluster: Cluster, connect: Connect, google: list[str]
) -> None:
    cluster.control(auth={"mode": "token", "tokens": ["google-1"]})
    client = connect(auth="google")
    assert client.health()
    cluster.control(auth={"mode": "token", "tokens": ["google-2"]})
    assert client.health()
    assert ["cloud-platform" in scope for scope in google] == [True, True]


def test_googles_identity_aware_proxy_gets_a_token_for_its_audience(
    cluster: Cluster, connect: Connect, google: list[str]
) -> None:
    client = connect(auth="google", audience="iap-client")
    token = client.connection.headers()["Authorization"].removeprefix("Bearer ")
    assert google == ["iap-client"]
    cluster.control(auth={"mode": "token", "tokens": [token]})
    assert client.health()


def test_without_a_google_account_it_is_said_how_to_log_in(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(UsageError, match="Google's login failed") as raised:
        connect(auth="google").health()
    assert "gcloud auth" in raised.value.remedy


def test_inside_a_cluster_nothing_needs_to_be_said(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But the address, which is only known in there."""
    (tmp_path / "token").write_text("pod")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    cluster.control(auth={"mode": "token", "tokens": ["pod"]})
    found = profiles.find().model_copy(update={"endpoint": cluster.url})
    client = Client(Connection(found))
    assert client.health()
    client.close()


def test_a_dex_login_and_its_session_that_expires(
    cluster: Cluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_PASSWORD", "12341234")
    cluster.control(auth={"mode": "dex"})
    client = connect(auth="dex", username="user@example.com", secret_env="MY_PASSWORD")
    assert client.health()
    cluster.control(auth={"mode": "dex"})  # all sessions are gone
    assert client.health()


def test_a_wrong_password_is_said(
    cluster: Cluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_PASSWORD", "wrong")
    cluster.control(auth={"mode": "dex"})
    with pytest.raises(UnreachableError, match="were not accepted"):
        connect(auth="dex", username="user@example.com", secret_env="MY_PASSWORD").health()


def test_the_password_goes_to_the_login_only(
    cluster: Cluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_PASSWORD", "12341234")
    cluster.control(auth={"mode": "dex"})
    connect(auth="dex", username="user@example.com", secret_env="MY_PASSWORD").health()
    assert "12341234" not in str(cluster.requests())
