"""The store's metrics at Jupyter Server's own endpoint."""

from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import REGISTRY
from tornado.httpclient import HTTPClientError, HTTPResponse

from jupyter_kfp.store.records import NewRun, State
from jupyter_kfp.store.store import open_store

Fetch = Callable[..., Awaitable[HTTPResponse]]


async def test_runs_are_among_the_servers_metrics(jp_fetch: Fetch) -> None:
    store = open_store()
    store.create_run(NewRun(id="r", name="n", pipeline="wine", ir="", root="/"), [])
    store.recorder("r").end_run(State.FAILED)
    store.close()
    text = (await jp_fetch("metrics")).body.decode()
    assert 'jupyter_kfp_runs{pipeline="wine",state="FAILED"} 1.0' in text
    assert "jupyter_kfp_store_up 1.0" in text
    assert "http_request_duration_seconds" in text, "and the server's own"


async def test_they_are_for_those_who_may_see_the_servers(jp_fetch: Fetch, jp_base_url: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("metrics", headers={"Authorization": "token wrong"})
    assert refused.value.code == 403


def test_a_server_that_has_ended_leaves_none() -> None:
    assert not [family for family in REGISTRY.collect() if family.name.startswith("jupyter_kfp")]
