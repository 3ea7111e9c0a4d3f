from pathlib import Path

import pytest

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.plan import (
    ComponentInput,
    Constant,
    Container,
    Importer,
    Iterator,
    ParameterKind,
    RetryPolicy,
    SecretVariable,
    TaskOutput,
)
from jupyter_kfp.errors import UsageError
from tests.unit.engine.building import pipeline, shell, task

CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance" / "ir"


def test_a_pipeline_is_read_whole() -> None:
    text = pipeline(
        {
            "a": task(
                shell("x"), inputs={"n": "$n", "k": 3}, outputs={"o": "NUMBER_DOUBLE", "m": "system.Model"}
            ),
            "b": task(shell("y"), inputs={"v": "a.o", "m": "a:m"}, after=("a",)),
        },
        parameters={"n": ("NUMBER_INTEGER", 3.0)},
        outputs={"r": "a.o", "s": "a:m"},
    )
    plan = ir.read(text)
    a, b = plan.dag.tasks["a"], plan.dag.tasks["b"]
    assert plan.name == "small"
    assert a.parameters == {"n": ComponentInput("n"), "k": Constant(3)}
    assert (b.parameters, b.artifacts) == ({"v": TaskOutput("a", "o")}, {"m": TaskOutput("a", "m")})
    assert (a.upstream, b.upstream) == (frozenset(), frozenset({"a"}))
    assert plan.dag.parameter_outputs == {"r": (TaskOutput("a", "o"),)}
    assert plan.dag.artifact_outputs == {"s": (TaskOutput("a", "m"),)}
    assert plan.component(a).output_artifacts["m"].schema_title == "system.Model"
    executor = plan.executor(a)
    assert isinstance(executor, Container)
    assert executor.command == ("sh", "-c", "x")


def test_the_default_of_an_integer_is_an_integer_though_yaml_has_a_float() -> None:
    text = pipeline(
        {}, parameters={"i": ("NUMBER_INTEGER", 3.0), "d": ("NUMBER_DOUBLE", 3), "l": ("LIST", [1, 2.0])}
    )
    specs = ir.read(text).root.input_parameters
    assert [repr(specs[name].default) for name in "idl"] == ["3", "3.0", "[1, 2]"]


def test_null_is_a_default_of_its_own() -> None:
    specs = ir.read(pipeline({}, parameters={"x": ("STRING", None), "y": "STRING"})).root.input_parameters
    assert (specs["x"].has_default, specs["x"].default) == (True, None)
    assert not specs["y"].has_default


def test_json_is_read_too_and_so_is_a_pipeline_job() -> None:
    import json

    import yaml

    spec = yaml.safe_load(pipeline({"a": task(shell("x"))}))
    assert ir.read(json.dumps(spec)) == ir.read(json.dumps({"pipelineSpec": spec, "runtimeConfig": {}}))


def test_the_retry_policy() -> None:
    policy = {"maxRetryCount": 3, "backoffDuration": "2s", "backoffFactor": 3.0, "backoffMaxDuration": "10s"}
    plan = ir.read(pipeline({"a": task(shell("x"), retryPolicy=policy), "b": task(shell("x"))}))
    assert plan.dag.tasks["a"].retry == RetryPolicy(3, 2.0, 3.0, 10.0)
    assert [plan.dag.tasks["a"].retry.wait(n) for n in (1, 2, 3)] == [2.0, 6.0, 10.0]
    assert plan.dag.tasks["b"].retry.count == 0
    assert RetryPolicy(9999, 1.0, 2.0, 60.0).wait(5000) == 60.0


def test_what_kubernetes_is_told() -> None:
    config = {
        "exec-a": {
            "activeDeadlineSeconds": "77",
            "secretAsEnv": [
                {"secretName": "s", "keyToEnv": [{"secretKey": "k", "envVar": "K"}], "optional": True},
                {
                    "secretNameParameter": {"componentInputParameter": "x"},
                    "keyToEnv": [{"secretKey": "l", "envVar": "L"}],
                },
            ],
            "configMapAsEnv": [{"configMapName": "c", "keyToEnv": [{"configMapKey": "k", "envVar": "C"}]}],
            "pvcMount": [{"constant": "data", "mountPath": "/data"}],
            "nodeSelector": {"labels": {"disk": "ssd"}},
            "tolerations": [],
        }
    }
    container = {
        **shell("x"),
        "resources": {"resourceMemoryLimit": "1G", "accelerator": {"resourceCount": "1"}},
    }
    executor = ir.read(pipeline({"a": task(container)}, kubernetes=config)).executors["exec-a"]
    assert isinstance(executor, Container)
    assert executor.timeout == 77.0
    assert executor.secrets == (
        SecretVariable("K", "s", "k", optional=True),
        SecretVariable("L", "", "l", parameter="x"),
    )
    assert executor.config == (SecretVariable("C", "c", "k"),)
    assert executor.ignored == ("memory", "gpu", "node_selector", "volume")


def test_tasks_in_order_follow_their_upstream() -> None:
    tasks = {"c": task(shell("x"), after=("b",)), "b": task(shell("x"), after=("a",)), "a": task(shell("x"))}
    assert [t.key for t in ir.in_order(ir.read(pipeline(tasks)).dag)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no mapping"),
        ("- 1", "holds no mapping"),
        ("{", "cannot be parsed"),
        ("a: [", "cannot be parsed"),
        ("a: 1", "has no root"),
        ("apiVersion: argoproj.io/v1alpha1\nroot: {}", "has no root"),
        ("root: {dag: {}}", "'pipelineInfo' is missing"),
        ("pipelineInfo: {name: x}\nroot: {executorLabel: e}", "its root has no DAG"),
        ("pipelineInfo: {name: x}\nroot: {dag: {tasks: {a: {}}}}", "'componentRef' is missing"),
        (
            "pipelineInfo: {name: x}\nroot: {dag: {tasks: {a: {componentRef: {name: c}}}}}",
            "of the component 'c'",
        ),
        ("pipelineInfo: {name: x}\nroot: {dag: {tasks: 3}}", "int"),
        (
            "pipelineInfo: {name: x}\nroot: {inputDefinitions: {parameters: {a: {parameterType: X}}}, dag: {}}",
            "'X'",
        ),
        (pipeline({"a": task(shell("x"), after=("z",))}), "comes after 'z'"),
        (pipeline({"a": task(shell("x"), after=("b",)), "b": task(shell("x"), after=("a",))}), "in a circle"),
    ],
)
def test_what_is_no_pipeline_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(UsageError, match="not a compiled Kubeflow pipeline") as caught:
        ir.read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance pipelines are not beside this checkout")
@pytest.mark.parametrize("file", sorted(CONFORMANCE.glob("*.yaml")), ids=lambda file: file.stem)
def test_pipelines_of_others_are_read(file: Path) -> None:
    assert ir.read(file.read_text(encoding="utf-8")).dag.tasks


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance pipelines are not beside this checkout")
def test_control_flow_keeps_its_place_in_the_plan() -> None:
    def read(name: str) -> ir.Plan:
        return ir.read((CONFORMANCE / f"{name}.yaml").read_text(encoding="utf-8"))

    loop = read("pipeline_with_collected_artifacts").dag.tasks["for-loop-2"]
    assert loop.iterator == Iterator("pipelinechannel--loop-item-param-1", "[0, 1, 2]", is_constant=True)
    flip = read("flip_coin")
    assert any(
        task.condition
        for component in flip.components.values()
        if component.dag
        for task in component.dag.tasks.values()
    )
    importer = read("pipeline_with_importer_workspace").executors["exec-importer-2"]
    assert isinstance(importer, Importer)
    assert (importer.uri, importer.type.schema_title) == (ComponentInput("uri"), "system.Dataset")
    assert (importer.metadata, importer.again, importer.to_workspace) == ({"source": "directory"}, True, True)
    assert ParameterKind.TASK_FINAL_STATUS in {
        spec.kind
        for component in read("pipeline_with_input_status_state").components.values()
        for spec in component.input_parameters.values()
    }


def test_whole_numbers_inside_lists_and_dicts_of_the_ir_are_integers() -> None:
    """KFP writes every number of a default as a double."""
    assert ir.written([1.0, [2.0, 0.5], {"a": 3.0}], ParameterKind.LIST) == [1, [2, 0.5], {"a": 3}]
    assert [type(item) for item in ir.written([1.0, 0.5], ParameterKind.LIST)] == [int, float]
    assert type(ir.written({"a": 1.0}, ParameterKind.STRUCT)["a"]) is int
    assert type(ir.written(2.0, ParameterKind.NUMBER_DOUBLE)) is float
