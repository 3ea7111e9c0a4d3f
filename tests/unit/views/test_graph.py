from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_kfp.errors import UsageError
from jupyter_kfp.views.graph import Edge, EdgeKind, GroupKind, NodeKind, Port, graph_from_ir
from jupyter_kfp.views.mermaid import to_mermaid
from jupyter_kfp.views.svg import to_svg
from jupyter_kfp.views.text import to_text

from .helpers import SHARED, check_golden, pipeline

FOREIGN = sorted(SHARED.glob("*.yaml"))


@pytest.mark.skipif(not FOREIGN, reason="the conformance pipelines are not beside this repository")
@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.stem)
def test_every_conformance_pipeline_is_drawn(path: Path) -> None:
    graph = graph_from_ir(path.read_text(encoding="utf-8"))
    assert graph.nodes
    assert graph.name
    for node in graph.nodes:
        assert node.name in to_text(graph)
    assert to_svg(graph).count('<g class="node') == len(graph.nodes)
    assert to_mermaid(graph).startswith("---\n")
    json.dumps(graph.as_dict())


def ends(graph: Any) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(edge.source, edge.target, edge.labels) for edge in graph.edges}


def task(component: str = "c", **more: Any) -> dict[str, Any]:
    return {"componentRef": {"name": component}, **more}


def spec(tasks: dict[str, Any], components: dict[str, Any] | None = None, **root: Any) -> dict[str, Any]:
    return {
        "pipelineInfo": {"name": "p"},
        "components": {"c": {"executorLabel": "e"}, **(components or {})},
        "deploymentSpec": {"executors": {"e": {"container": {"image": "python"}}}},
        "root": {"dag": {"tasks": tasks}, **root},
    }


def output(producer: str, key: str) -> dict[str, Any]:
    return {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}


def test_a_notebooks_pipeline() -> None:
    graph = pipeline("two_branches")
    assert [node.name for node in graph.nodes] == [
        "load",
        "split",
        "train_forest",
        "train_logistic",
        "evaluate",
        "report",
    ]
    assert ("split", "evaluate", ("test",)) in ends(graph)
    assert ("evaluate", "report", ("accuracy", "figure")) in ends(graph)
    assert all(edge.kind is EdgeKind.DATA for edge in graph.edges)
    assert [str(value) for value in graph.inputs] == ["test_size: float = 0.25"]
    assert graph.inputs[0].targets == ("split",)
    assert graph.outputs[0].sources == ("evaluate",)
    assert graph.description == "Two models, one winner."


def test_reserved_ports_appear_only_where_they_are_read() -> None:
    graph = pipeline("two_branches")
    assert ("train-forest", "report", ("executed_html",)) in ends(graph)
    assert not any("executed_notebook" in edge.labels for edge in graph.edges)
    assert graph.nodes[0].outputs == (Port("df", "Dataset"),)


def test_boxes_have_readable_headlines() -> None:
    graph = pipeline("control_flow")
    assert [(group.kind, group.label) for group in graph.groups] == [
        (GroupKind.BRANCHES, "one of"),
        (GroupKind.CONDITION, "big: if f > 3"),
        (GroupKind.CONDITION, "elif f == 2"),
        (GroupKind.CONDITION, "elif f == 1"),
        (GroupKind.CONDITION, "else"),
        (GroupKind.LOOP, "my loop: for item in g"),
        (GroupKind.LOOP, 'for item2 in [{"a": 1}, {"a": 2}] (3 at a time)'),
    ]


def test_values_are_followed_out_of_and_into_boxes() -> None:
    graph = pipeline("control_flow")
    branches = "condition-branches-1"
    found = ends(graph)
    assert (f"{branches}.condition-2.f-2", "f-6", ("x",)) in found
    assert (f"{branches}.condition-5.f-5", "f-6", ("x",)) in found
    assert ("f", f"{branches}.condition-3", ("Output",)) in found
    assert ("g", "for-loop-6", ("Output",)) in found


def test_a_declared_order_is_an_edge_of_its_own_kind() -> None:
    graph = pipeline("control_flow")
    inner = "for-loop-6.for-loop-8"
    assert Edge(f"{inner}.f-7", f"{inner}.f-8", kind=EdgeKind.ORDER) in graph.edges


def test_an_order_beside_a_value_is_not_drawn_twice() -> None:
    tasks = {"a": task(), "b": task(dependentTasks=["a"], inputs={"parameters": {"x": output("a", "y")}})}
    assert graph_from_ir(spec(tasks)).edges == (Edge("a", "b", ("y",)),)


def test_importer_condition_on_a_task_and_exit_task() -> None:
    document = spec(
        {
            "import": task("i"),
            "maybe": task(triggerPolicy={"condition": "inputs.parameter_values['x'] == true"}),
            "last": task(
                dependentTasks=["maybe"], triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
            ),
        },
        {"i": {"executorLabel": "importer"}},
    )
    document["deploymentSpec"]["executors"]["importer"] = {"importer": {}}
    nodes = {node.id: node for node in graph_from_ir(document).nodes}
    assert nodes["import"].kind is NodeKind.IMPORTER
    assert nodes["maybe"].note == "if x == True"
    assert nodes["last"].note == "runs whatever happens upstream"


def test_a_final_status_flows_from_the_exit_handler() -> None:
    inputs = {"parameters": {"status": {"taskFinalStatus": {"producerTask": "exit-handler-1"}}}}
    tasks = {"exit-handler-1": task("d"), "tell": task(inputs=inputs, dependentTasks=["exit-handler-1"])}
    graph = graph_from_ir(spec(tasks, {"d": {"dag": {"tasks": {"a": task()}}}}))
    assert graph.groups[0].kind is GroupKind.EXIT_HANDLER
    assert graph.edges == (Edge("exit-handler-1", "tell", ("status",)),)


def test_states_colour_tasks_and_boxes() -> None:
    graph = pipeline(
        "control_flow", {"f": "SUCCEEDED", "condition-branches-1.condition-5": "skipped", "x": "FAILED"}
    )
    states = {item.id: item.state for item in graph.items}
    assert states["f"] == "SUCCEEDED"
    assert states["condition-branches-1.condition-5"] == "SKIPPED"
    assert states["g"] is None


@pytest.mark.parametrize(
    ("iterations", "shown"),
    [
        (["SUCCEEDED", "SUCCEEDED"], "SUCCEEDED"),
        (["SUCCEEDED", "CACHED"], "SUCCEEDED"),
        (["CACHED", "CACHED"], "CACHED"),
        (["SUCCEEDED", "PENDING"], "RUNNING"),
        (["PENDING", "PENDING"], "PENDING"),
        (["SKIPPED", "PENDING"], "PENDING"),
        (["SUCCEEDED", "FAILED", "RUNNING"], "FAILED"),
        (["SKIPPED", "SKIPPED"], "SKIPPED"),
        (["SUCCEEDED", "CANCELED"], "CANCELED"),
    ],
)
def test_a_loops_task_shows_what_its_iterations_have_in_common(iterations: list[str], shown: str) -> None:
    states = {f"for-loop-6[{index}].for-loop-8[0].f-7": state for index, state in enumerate(iterations)}
    graph = pipeline("control_flow", states)
    node = next(node for node in graph.nodes if node.id.endswith("f-7"))
    assert node.state == shown
    assert sum(node.counts.values()) == len(iterations)
    assert graph.by_id["for-loop-6"].state == shown


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(ValueError, match="'DONE' is not a state; the states are PENDING"):
        pipeline("two_branches", {"load": "DONE"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "a: [",
        "just text",
        "root: 3",
        "{root: {dag: {tasks: [1]}}}",
        "{root: {dag: {tasks: {a: 3}}}}",
    ],
)
def test_what_is_not_a_pipeline_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="not a compiled pipeline"):
        graph_from_ir(text)


def test_tasks_that_wait_for_each_other_are_named() -> None:
    tasks = {"a": task(dependentTasks=["b"]), "b": task(dependentTasks=["a"])}
    with pytest.raises(UsageError, match="circle \\(a → b → a\\)"):
        graph_from_ir(spec(tasks))


def test_a_component_that_contains_itself_is_refused() -> None:
    components = {"d": {"dag": {"tasks": {"a": task("d")}}}}
    with pytest.raises(UsageError, match="the component d contains itself"):
        graph_from_ir(spec({"a": task("d")}, components))


def test_a_pipeline_of_one_component_without_a_dag() -> None:
    document = spec({})
    document["root"] = {"executorLabel": "e"}
    graph = graph_from_ir(document)
    assert [(node.id, node.image) for node in graph.nodes] == [("p", "python")]


def test_names_are_counted_by_number() -> None:
    graph = graph_from_ir(spec({f"step-{index}": task() for index in (10, 9, 1)}))
    assert [node.id for node in graph.nodes] == ["step-1", "step-9", "step-10"]


def test_json_golden() -> None:
    document = pipeline("two_branches", {"load": "SUCCEEDED"}).as_dict()
    check_golden("two_branches.json", json.dumps(document, indent=1) + "\n")


def test_a_notebooks_headers_are_the_headlines() -> None:
    """The compiler names branches and loops like the headers they come from; nothing is said twice."""
    inner = {"dag": {"tasks": {"a": {"taskInfo": {"name": "a"}, "componentRef": {"name": "a"}}}}}

    def task(name: str, **more: object) -> dict[str, object]:
        return {"taskInfo": {"name": name}, "componentRef": {"name": "inner"}, **more}

    loop = {
        "parameterIterator": {"itemInput": "i", "items": {"raw": "[1, 2]"}},
        "iteratorPolicy": {"parallelismLimit": 2},
    }
    tasks = {
        "condition-1": task("if x >= 1", triggerPolicy={"condition": "inputs.parameter_values['x'] >= 1"}),
        "for-loop-2": task("for i in sizes", **loop),
        "for-loop-3": task("team", **loop),
    }
    graph = graph_from_ir({"components": {"inner": inner, "a": {}}, "root": {"dag": {"tasks": tasks}}})
    labels = {group.id: group.label for group in graph.groups}
    assert labels["condition-1"] == "if x >= 1"
    assert labels["for-loop-2"] == "for i in sizes (2 at a time)"
    assert labels["for-loop-3"].startswith("team: for ")


def test_whole_numbers_of_defaults_are_shown_as_such() -> None:
    defaults = {"ns": [1.0, 2.0], "xs": [0.5, 2.0], "d": {"n": 3.0}}
    kinds = {"ns": "LIST", "xs": "LIST", "d": "STRUCT"}
    parameters = {n: {"parameterType": kinds[n], "defaultValue": value} for n, value in defaults.items()}
    task = {"taskInfo": {"name": "a"}, "componentRef": {"name": "a"}}
    root = {"inputDefinitions": {"parameters": parameters}, "dag": {"tasks": {"a": task}}}
    graph = graph_from_ir({"components": {"a": {}}, "root": root})
    shown = {given.name: repr(given.default) for given in graph.inputs}
    assert shown == {"ns": "[1, 2]", "xs": "[0.5, 2.0]", "d": "{'n': 3}"}
