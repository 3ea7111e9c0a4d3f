"""Nodes of a workflow → tasks, and whatever a server may say → a clear state."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jupyter_kfp.engine import ir
from jupyter_kfp.remote import nodes
from jupyter_kfp.remote.objects import Run, RunState
from jupyter_kfp.store.records import State
from tests.unit.engine.building import pipeline, python, task

PLAN = ir.read(pipeline({"a": task(python("pass")), "b": task(python("pass"), after=("a",))}))
START = datetime(2026, 3, 1, tzinfo=timezone.utc)


def node(name: str, state: str, second: int = 0, **more: Any) -> dict[str, Any]:
    moment = (START + timedelta(seconds=second)).isoformat()
    return {
        "display_name": name,
        "state": state,
        "start_time": moment,
        "end_time": moment,
        "task_id": name,
        **more,
    }


def states(run_state: str, *found: dict[str, Any], **more: Any) -> dict[str, State]:
    run = Run.model_validate(
        {"run_id": "r", "state": run_state, "run_details": {"task_details": list(found)}, **more}
    )
    return {t.task.path: t.state for t in nodes.seen(PLAN, run).tasks}


def test_drivers_and_executors_are_no_tasks() -> None:
    found = states(
        "RUNNING",
        node("root-driver", "SUCCEEDED"),
        node("a-driver", "SUCCEEDED"),
        node("a", "RUNNING"),
        node("executor", "RUNNING"),
    )
    assert found == {"a": State.RUNNING, "b": State.PENDING}


def test_a_task_whose_driver_failed_has_failed() -> None:
    assert states("FAILED", node("a-driver", "FAILED")) == {"a": State.FAILED, "b": State.SKIPPED}


def test_what_argo_omits_is_skipped() -> None:
    found = states("FAILED", node("a", "FAILED"), node("b", "RUNTIME_STATE_UNSPECIFIED"))
    assert found == {"a": State.FAILED, "b": State.SKIPPED}


def test_what_was_terminated_is_canceled_though_argo_says_failed() -> None:
    history = [{"state": "RUNNING"}, {"state": "CANCELING"}, {"state": "FAILED"}]
    found = states("FAILED", node("a", "FAILED"), state_history=history)
    assert found == {"a": State.CANCELED, "b": State.CANCELED}


def test_where_every_executor_was_skipped_all_was_reused() -> None:
    found = states("SUCCEEDED", node("a", "SUCCEEDED"), node("b", "SUCCEEDED"), node("executor", "SKIPPED"))
    assert found == {"a": State.CACHED, "b": State.CACHED}


def test_gos_zero_time_is_no_time() -> None:
    run = Run.model_validate({"run_id": "r", "finished_at": "0001-01-01T00:00:00Z"})
    assert run.finished_at is None


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([s.value for s in RunState]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Run.model_fields, "task_details", "display_name", "start_time"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_json)
def test_whatever_a_server_says_is_a_run_or_is_none(answer: Any) -> None:
    """Nothing but pydantic's own error, which the client turns into its own, and never an endless state."""
    try:
        run = Run.model_validate(answer)
    except ValidationError:
        return
    found = nodes.seen(PLAN, run)
    assert {t.task.path for t in found.tasks} == {"a", "b"}
    if found.state.is_final:
        assert all(t.state.is_final for t in found.tasks)


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_of_kfp_is_one_of_ours(state: RunState) -> None:
    found = states(state.value, node("a", state.value))
    assert set(found) == {"a", "b"}
