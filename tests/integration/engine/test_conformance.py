"""Pipelines that others compiled, run to their ends: the test data of Kubeflow Pipelines itself."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.engine import ir, support
from jupyter_kfp.errors import UsageError
from jupyter_kfp.views.graph import graph_from_ir
from tests.integration.engine.conftest import Runner
from tests.unit.engine.test_ir import CONFORMANCE

pytestmark = pytest.mark.skipif(
    not CONFORMANCE.is_dir(), reason="the conformance pipelines are not beside this checkout"
)


@dataclass(frozen=True)
class Case:
    """What a pipeline is given, and what comes of it. ``states``: some of its tasks', by path."""

    given: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    state: str = "SUCCEEDED"
    states: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


CASES = {
    "add_numbers": Case({"a": 5, "b": 5}, {"Output": 10}),
    "component_with_env_variable": Case(outputs={"Output": "env_var_value"}),
    "concat_message": Case({"message1": "Hello ", "message2": "World!"}, {"Output": "Hello World!"}),
    "dict_input": Case({"struct": {"a": 1}}),
    "fail_v2": Case(state="FAILED"),
    "lightweight_python_functions_pipeline": Case({"message": "m"}),
    "lightweight_python_functions_with_outputs": Case(
        {"first_message": "a", "second_message": "b", "first_number": 1, "second_number": 2}
    ),
    "local_execution_pipeline_with_exit_handler": Case(
        {"message": "hi"}, states={"record-exit": "SUCCEEDED"}
    ),
    "local_execution_pipeline_with_ignore_upstream_failure": Case(
        {"marker_path": "marker"}, state="FAILED", states={"write-marker": "SUCCEEDED"}
    ),
    "local_execution_pipeline_with_k8s_only_methods": Case({"message": "m"}, {"Output": "m"}),
    "local_execution_pipeline_with_oneof": Case(
        {"pick_a": True},
        {"Output": "selected:A"},
        states={"condition-branches-1.condition-3.branch-b": "SKIPPED"},
    ),
    "local_execution_pipeline_with_retry": Case({"counter_path": "count"}, {"Output": "attempt=2"}),
    "nested_parallel_for_secret": Case(environment={"MY_SECRET_KEY": "secret"}),
    "parallel_for_secret": Case(environment={"MY_SECRET_KEY": "secret"}),
    "parameters_simple": Case(outputs={"Output": [2, 4, 6]}),
    "pipeline_with_caching": Case(outputs={"Output": 2}),
    "pipeline_with_collected_artifacts": Case(outputs={"Output": "0,1,2"}),
    "pipeline_with_exit_handler": Case(state="FAILED", states={"print-op": "SUCCEEDED"}),
    "pipeline_with_importer_workspace": Case(
        outputs={"dir_result": "part-000.txt,part-001.txt", "train_result": "123"}
    ),
    "pipeline_with_multiple_exit_handlers": Case(
        state="FAILED",
        states={"print-op": "SUCCEEDED", "print-op-3": "SUCCEEDED", "print-op-5": "SUCCEEDED"},
    ),
    "pipeline_with_secret_as_env": Case(
        environment={"USER_NAME": "user1", "PASSWORD_VAR1": "psw1", "PASSWORD_VAR2": "psw2"}
    ),
    "pipeline_with_workspace": Case(outputs={"Output": "Hello from workspace!"}),
}
# Pipelines that one machine cannot run, and what is said of each.
REFUSED = {"pipeline_with_volume_long_name": "creates a volume of a cluster"}
# Not run: they download gigabytes from the internet.
NOT_RUN = {"pipeline_with_artifact_upload_download"}
FILES = {file.stem: file for file in sorted(CONFORMANCE.glob("*.yaml"))}
RUN = sorted(FILES.keys() - REFUSED - NOT_RUN)


@pytest.mark.parametrize("name", FILES)
def test_every_pipeline_is_read_and_drawn(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    plan = ir.read(text)
    assert {node.id for node in graph_from_ir(text).nodes}
    if name in REFUSED:
        with pytest.raises(UsageError, match=REFUSED[name]):
            support.check(plan)
    else:
        support.check(plan)


@pytest.mark.parametrize("name", RUN)
def test_pipelines_run_to_their_ends(
    name: str,
    run: Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    case = CASES.get(name, Case())
    for variable, value in case.environment.items():
        monkeypatch.setenv(variable, value)
    given = {
        key: str(tmp_path / value) if key.endswith("_path") else value for key, value in case.given.items()
    }
    record, told = run(FILES[name].read_text(encoding="utf-8"), given)
    states = {task["path"]: task["state"] for task in told["tasks"]}
    counts = ", ".join(f"{count} {state}" for state, count in sorted(Counter(states.values()).items()))
    record_property("conformance", f"{name:<60} {record.state.value:<10} {counts}")
    assert record.state.value == case.state, told["error"]
    assert case.outputs is None or told["outputs"] == case.outputs
    assert {path: states[path] for path in case.states} == case.states
    assert not {"PENDING", "RUNNING"} & set(states.values())


def test_the_branch_that_is_not_taken_is_skipped(run: Runner) -> None:
    _, told = run(FILES["flip_coin"].read_text(encoding="utf-8"))
    states = {task["path"]: task["state"] for task in told["tasks"]}
    heads, tails = states["condition-1.random-num"], states["condition-4.random-num-2"]
    assert {heads, tails} == {"SUCCEEDED", "SKIPPED"}
    assert told["state"] == "SUCCEEDED"
