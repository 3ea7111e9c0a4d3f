"""Requests that meet faults, and credentials that expire."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.remote.client import Client
from jupyter_kfp.remote.errors import ApiError, Trouble, UnreachableError
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
