"""Answers made up from KFP's own Swagger file: all of them are read, mirrored, and end in a clear state."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.tree import outline
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.remote import argo, mirroring
from jupyter_kfp.remote.client import Client
from jupyter_kfp.store.records import NewRun
from jupyter_kfp.store.store import Store, open_store
from tests.kfp_server.swagger import SWAGGER
from tests.unit.engine.building import pipeline, python, task
from tests.unit.remote.test_answers import Answering

pytestmark = pytest.mark.skipif(
    not SWAGGER.is_file(), reason=f"KFP's Swagger file is not here ({SWAGGER.name})"
)

FEW = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = pipeline(
    {"a": task(python("pass")), "b": task(python("pass"), after=("a",), retryPolicy={"maxRetryCount": 2})}
)
_NAMES = ["a", "b", "a-driver", "b-driver", "executor", "executor(0)", "executor(1)", "root-driver", "other"]
_PLACES = ["a.executor", "b.executor", "b.executor(0)", "b.executor(1)", "a-driver"]
# What is not any text: only these mean something here.
_MEANINGFUL = {
    "display_name": st.sampled_from(_NAMES),
    "pod_name": st.sampled_from(
        [argo.node_id("wf", f"wf.root.{place}") for place in _PLACES] + ["", "x", "-"]
    ),
}
_MOMENTS = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2026-03-01T00:00:00Z",
        "2026-03-01T00:00:05.123456789+01:00",
    ]
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3), st.lists, max_leaves=3
)


@cache
def _definitions() -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(SWAGGER.read_text())["definitions"]
    return found


def answers(schema: Mapping[str, Any], depth: int = 5) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return answers(_definitions()[name], depth - 1) if depth else st.just({})
    match schema.get("type"):
        case "object" if "properties" in schema:
            parts = {
                name: _MEANINGFUL[name] if name in _MEANINGFUL else answers(part, depth)
                for name, part in schema["properties"].items()
            }
            return st.fixed_dictionaries({}, optional=parts)
        case "object":
            return st.dictionaries(st.text(max_size=3), _ANYTHING, max_size=2)
        case "array":
            return st.lists(answers(schema["items"], depth), max_size=6)
        case "string" if "enum" in schema:
            return st.sampled_from(schema["enum"])
        case "string":
            kinds = {"date-time": _MOMENTS, "int64": st.integers(-(2**63), 2**63 - 1).map(str)}
            return kinds.get(schema.get("format", ""), st.text(max_size=4))
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(-(2**31), 2**31 - 1)
        case "number":
            return st.floats(allow_nan=False)
    return _ANYTHING


CALLS = {
    "v2beta1GetHealthzResponse": lambda client: client.health(),
    "v2beta1ListExperimentsResponse": lambda client: list(client.experiments()),
    "v2beta1Experiment": lambda client: client.experiment("e"),
    "v2beta1Run": lambda client: client.run("r"),
    "v2beta1ListRunsResponse": lambda client: client.find_run("t"),
    "v2beta1Pipeline": lambda client: client.pipeline("p"),
    "v2beta1ListPipelineVersionsResponse": lambda client: list(client.versions("p")),
    "v2beta1PipelineVersion": lambda client: client.version_by_id("p", "v"),
    "v2beta1ListRecurringRunsResponse": lambda client: list(client.recurring_runs()),
    "v2beta1RecurringRun": lambda client: client.recurring_run("r"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_the_api_may_answer_is_read_or_refused(name: str) -> None:
    @FEW
    @given(answers({"$ref": name}))
    def holds(answer: dict[str, Any]) -> None:
        with suppress(JupyterKfpError):
            CALLS[name](Client(Answering(answer)))

    holds()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with one run of a cluster that keeps no artifacts where we could read them."""
    monkeypatch.setenv("JUPYTER_KFP_HOME", str(tmp_path))
    opened, plan = open_store(), ir.read(TEXT)
    remote = {"profile": "p", "endpoint": "http://a", "url": ""}
    opened.create_run(
        NewRun("r", "r", plan.name, TEXT, "", options={"remote": remote}), outline(plan, plan.dag)
    )
    yield opened
    opened.close()


def test_whatever_is_seen_of_a_run_is_one_run_with_its_tasks(store: Store) -> None:
    @FEW
    @given(answers({"$ref": "v2beta1Run"}))
    def holds(answer: dict[str, Any]) -> None:
        store.mirror("r").reopen()
        try:
            record = mirroring.refresh("r", Client(Answering({"run_id": "r", **answer})))
        except JupyterKfpError:
            return
        tasks = store.tasks("r")
        assert [run.id for run in store.runs()] == ["r"]
        assert {t.path for t in tasks} == {"a", "b"}
        assert not record.state.is_final or all(t.state.is_final for t in tasks)
        assert all([a.number for a in t.attempts] == list(range(1, len(t.attempts) + 1)) for t in tasks)

    holds()
