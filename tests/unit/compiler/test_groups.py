"""Branches, loops, exit handlers: through KFP's own objects, and every reference in the IR holds."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_kfp.compiler import diagnose, task_names
from jupyter_kfp.pipeline import (
    Arm,
    ArtifactType,
    Branch,
    Code,
    Constant,
    ExitHandler,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Input,
    Loop,
    Node,
    Output,
    Parameter,
    ParameterType,
    Pipeline,
    PipelineOutput,
    Source,
    Step,
    ValueType,
)
from jupyter_kfp.pipeline import Test as Compare

from .cases import DATASET, FLOAT, MODEL, STRING, Compiled, compiled, step_json
from .references import dangling

pytestmark = pytest.mark.usefixtures("plain_payload")

INTEGER = ValueType(ParameterType.INTEGER)
BOOLEAN = ValueType(ParameterType.BOOLEAN)
MODELS = ValueType(ArtifactType.MODEL, many=True)
FLOATS = ValueType(ParameterType.LIST, ParameterType.FLOAT)


def step(name: str, reads: dict[str, tuple[ValueType, Source]] | None = None, /, **makes: Any) -> Step:
    """A step with inputs ``{name: (type, source)}`` and outputs by type."""
    after = makes.pop("after", ())
    more = {key: makes.pop(key) for key in ("picks",) if key in makes}
    inputs = tuple(Input(n, t, s) for n, (t, s) in (reads or {}).items())
    outputs = tuple(Output(n, t) for n, t in makes.items())
    return Step(name, (Code("pass", 1),), inputs=inputs, outputs=outputs, after=after, **more)


def build(*body: Node, parameters: tuple[Parameter, ...] = (), outputs: Any = ()) -> Compiled:
    """The pipeline, compiled, with no reference in it that leads nowhere."""
    found = tuple(PipelineOutput(n, t, s) for n, t, s in outputs)
    pipeline = Pipeline("p", body, parameters, found)
    assert diagnose(pipeline) == ()
    ir = compiled(pipeline)
    assert dangling(ir.spec) == []
    for name, key in task_names(pipeline).items():
        assert any(key in dag["tasks"] for dag in _dags(ir)), name
    return ir


def _dags(ir: Compiled) -> list[Any]:
    return [ir.spec["root"]["dag"], *(c["dag"] for c in ir.spec["components"].values() if "dag" in c)]


def inside(ir: Compiled, *path: str) -> dict[str, Any]:
    """The task at a path of task keys."""
    dag = ir.spec["root"]["dag"]
    for key in path[:-1]:
        dag = ir.spec["components"][dag["tasks"][key]["componentRef"]["name"]]["dag"]
    return dag["tasks"][path[-1]]


def test_a_branch_is_ifs_and_an_else_and_its_outputs_are_one() -> None:
    score = step("score", accuracy=FLOAT)
    test = FromStep("score", "accuracy")
    arms = (
        Arm(Compare(test, ">", Constant(0.9)), (step("good", label=STRING, model=MODEL),), "accuracy > 0.9"),
        Arm(Compare(test, ">", Constant(1)), (step("fair", label=STRING, model=DATASET),), "accuracy > 1"),
        Arm(None, (step("bad", label=STRING, model=MODEL),)),
    )
    label, model = (
        FromBranch("quality", tuple(FromStep(n, v) for n in ("good", "fair", "bad")))
        for v in ("label", "model")
    )
    report = step("report", {"label": (STRING, label), "model": (ValueType(ArtifactType.ARTIFACT), model)})
    again = step("again", {"label": (STRING, label)})
    ir = build(score, Branch("quality", arms), report, again, outputs=[("label", STRING, label)])
    group = "condition-branches-1"
    assert sorted(inside(ir, group, "condition-2")["triggerPolicy"]) == ["condition"]
    accuracy = "inputs.parameter_values['pipelinechannel--score-accuracy']"
    assert inside(ir, group, "condition-2")["triggerPolicy"]["condition"] == f"{accuracy} > 0.9"
    assert inside(ir, group, "condition-3")["triggerPolicy"]["condition"] == (
        f"!({accuracy} > 0.9) && {accuracy} > double(1)"
    )
    names = [inside(ir, group, f"condition-{n}")["taskInfo"]["name"] for n in (2, 3, 4)]
    assert names == ["if accuracy > 0.9", "elif accuracy > 1", "else"]
    assert inside(ir, "report")["dependentTasks"] == [group]
    assert inside(ir, "again")["inputs"]["parameters"]["label"] == {
        "taskOutputParameter": {
            "producerTask": group,
            "outputParameterKey": "pipelinechannel--condition-branches-1-oneof-1",
        }
    }


def test_what_stands_behind_a_branch_without_an_else_is_not_in_it() -> None:
    arms = tuple(
        Arm(Compare(FromStep("a", "n"), ">", Constant(number)), (step(f"s{number}"),)) for number in (5, 3)
    )
    ir = build(
        step("a", n=INTEGER),
        Branch("if-1", arms),
        step("b", m=INTEGER),
        outputs=[("m", INTEGER, FromStep("b", "m"))],
    )
    assert "b" in ir.spec["root"]["dag"]["tasks"]


@pytest.mark.parametrize(
    "text", ["it's", 'say "x"', "\\", "a\nb", "größe ✓", "{{$.inputs}}", "' || true || '"]
)
def test_texts_in_conditions_are_escaped(text: str) -> None:
    from celpy.celparser import CELParser

    arm = Arm(Compare(FromParameter("who"), "==", Constant(text)), (step("a"),))
    ir = build(Branch("b", (arm,)), parameters=(Parameter("who", STRING, "x"),))
    condition = inside(ir, "condition-1")["triggerPolicy"]["condition"]
    assert condition.isascii()
    CELParser().parse(condition)
    assert condition.count("==") == 1


@pytest.mark.parametrize(
    ("left", "value", "expected"),
    [
        (BOOLEAN, True, "inputs.parameter_values['pipelinechannel--x'] == true"),
        (INTEGER, -3, "int(inputs.parameter_values['pipelinechannel--x']) == -3"),
        (INTEGER, 2.5, "double(int(inputs.parameter_values['pipelinechannel--x'])) == 2.5"),
        (FLOAT, 2, "inputs.parameter_values['pipelinechannel--x'] == double(2)"),
    ],
)
def test_constants_in_conditions(left: ValueType, value: Any, expected: str) -> None:
    default = {BOOLEAN: True, INTEGER: 1, FLOAT: 1.0}[left]
    arm = Arm(Compare(FromParameter("x"), "==", Constant(value)), (step("a"),))
    ir = build(Branch("b", (arm,)), parameters=(Parameter("x", left, default),))
    assert inside(ir, "condition-1")["triggerPolicy"]["condition"] == expected


@pytest.mark.parametrize(
    ("kind", "items", "raw"),
    [
        (FLOAT, [1, 0.5], "[1.0, 0.5]"),
        (INTEGER, [1, 2], "[1, 2]"),
        (STRING, ["a'b", "ü"], '["a\'b", "\\u00fc"]'),
        (BOOLEAN, [True], "[true]"),
        (FLOAT, [], "[]"),
    ],
)
def test_a_loop_over_constants(kind: ValueType, items: Any, raw: str) -> None:
    body = (step("train", {"x": (kind, FromItem("l"))}),)
    loop = Loop("l", "x", Constant(items), kind, body, parallelism=2, text="ITEMS")
    task = inside(build(loop), "for-loop-2")
    assert task["parameterIterator"]["items"]["raw"] == raw
    assert task["iteratorPolicy"] == {"parallelismLimit": 2}
    assert task["taskInfo"]["name"] == "for x in ITEMS"


def test_json_items_and_picks_are_told_to_the_step() -> None:
    indices, values = FromStep("make", "x_indices"), FromStep("make", "x_values")
    make = step("make", x_indices=ValueType(ParameterType.LIST, ParameterType.INTEGER), x_values=DATASET)
    texts = Constant(['{"a": 1}', "[1]"])
    read = step("read", {"item": (STRING, FromItem("json")), "n": (INTEGER, FromItem("inner"))})
    inner = Loop("inner", "n", Constant([1]), INTEGER, (read,))
    pick = step(
        "pick", {"x": (INTEGER, FromItem("index")), "x_values": (DATASET, values)}, picks={"x": "x_values"}
    )
    ir = build(
        make,
        Loop("json", "item", texts, STRING, (inner,), json=True),
        Loop("index", "x", indices, INTEGER, (pick,)),
    )
    packed = {
        json["step"]: json
        for executor in ir.spec["deploymentSpec"]["executors"].values()
        for json in [__import__("json").loads(executor["container"]["args"][2])]
    }
    assert packed["read"]["json"] == ["item"]
    assert packed["pick"]["picks"] == {"x": "x_values"}
    assert "json" not in packed["pick"]
    definition = ir.spec["components"]["comp-for-loop-5"]["inputDefinitions"]["parameters"]
    assert definition["pipelinechannel--make-x_indices-loop-item"] == {"parameterType": "NUMBER_INTEGER"}


def test_collected_values_and_artifacts_also_from_nested_loops_and_into_groups() -> None:
    train = step(
        "train",
        {"lr": (FLOAT, FromItem("rates")), "size": (INTEGER, FromItem("sizes"))},
        model=MODEL,
        score=FLOAT,
    )
    sizes = Loop("sizes", "size", FromParameter("sizes"), INTEGER, (train,))
    models = FromLoop("rates", FromStep("train", "model"))
    scores = FromLoop("rates", FromStep("train", "score"))
    best = step("best", {"models": (MODELS, models), "scores": (FLOATS, scores)}, chosen=MODEL)
    inner = step(
        "inner", {"models": (MODELS, models), "scores": (FLOATS, scores), "p": (STRING, FromParameter("p"))}
    )
    deep = Loop("deep", "n", Constant([1, 2]), INTEGER, (inner,))
    test = Compare(FromParameter("p"), "==", Constant("yes"))
    ir = build(
        Loop("rates", "lr", Constant([0.1, 1]), FLOAT, (sizes,)),
        best,
        Branch("maybe", (Arm(test, (deep,)),)),
        parameters=(
            Parameter("sizes", ValueType(ParameterType.LIST, ParameterType.INTEGER), [1, 2]),
            Parameter("p", STRING, "yes"),
        ),
        outputs=[("models", MODELS, models), ("scores", FLOATS, scores)],
    )
    assert (
        inside(ir, "best")["inputs"]["artifacts"]["models"]["taskOutputArtifact"]["producerTask"]
        == "for-loop-2"
    )
    assert ir.spec["root"]["outputDefinitions"]["artifacts"]["models"]["isArtifactList"] is True


def test_a_loop_in_a_loop_over_the_same_list_has_items_of_its_own() -> None:
    numbers = ValueType(ParameterType.LIST, ParameterType.INTEGER)
    pair = step(
        "pair", {"a": (INTEGER, FromItem("outer")), "b": (INTEGER, FromItem("inner"))}, product=INTEGER
    )
    for source in (FromParameter("xs"), FromStep("make", "xs")):
        inner = Loop("inner", "b", source, INTEGER, (pair,))
        ir = build(
            step("make", xs=numbers),
            Loop("outer", "a", source, INTEGER, (inner,)),
            parameters=(Parameter("xs", numbers, [1, 2]),),
        )
        given = inside(ir, "for-loop-1", "for-loop-2", "pair")["inputs"]["parameters"]
        assert given["a"] != given["b"]


@pytest.mark.parametrize("name", ["p", "item", "loop", "x"])
def test_parameters_whose_name_is_part_of_a_loops_reach_the_groups_in_it(name: str) -> None:
    """KFP's compiler takes ``p`` for the item ``loop-item-param-1``."""
    use = step("use", {"v": (STRING, FromParameter(name)), "n": (INTEGER, FromItem("l"))})
    test = Compare(FromParameter(name), "==", Constant("a"))
    body = (Branch("b", (Arm(test, (use,)),)),)
    numbers = ValueType(ParameterType.LIST, ParameterType.INTEGER)
    parameters = (Parameter(name, STRING, "a"), Parameter("xs", numbers, [1]))
    build(Loop("l", "n", Constant([1]), INTEGER, body), parameters=parameters)
    build(Loop("l", "n", FromParameter("xs"), INTEGER, body), parameters=parameters)


def test_many_loops_do_not_take_each_others_items() -> None:
    """``loop-item-param-1`` is a part of ``loop-item-param-11``."""
    body: tuple[Node, ...] = (step("use", {f"n{i}": (INTEGER, FromItem(f"l{i}")) for i in range(12)}),)
    for i in reversed(range(12)):
        body = (Loop(f"l{i}", f"n{i}", Constant([i]), INTEGER, body),)
    build(*body)


def test_an_input_that_may_be_none_stays_optional_through_groups() -> None:
    use = step("use", {"note": (STRING, FromParameter("note"))})
    test = Compare(FromItem("l"), "==", Constant(1))
    loop = Loop("l", "n", Constant([1]), INTEGER, (Branch("b", (Arm(test, (use,)),)),))
    ir = build(loop, parameters=(Parameter("note", STRING, None), Parameter("mode", STRING, "a")))
    for name in ("comp-for-loop-2", "comp-condition-3"):
        definition = ir.spec["components"][name]["inputDefinitions"]["parameters"]["pipelinechannel--note"]
        assert definition["isOptional"] is True


def test_the_exit_step_gets_parameters_and_the_status() -> None:
    last = step("notify", {"channel": (STRING, FromParameter("channel")), "n": (INTEGER, Constant(3))})
    body = (step("train", model=MODEL), step("use", {"model": (MODEL, FromStep("train", "model"))}))
    ir = build(ExitHandler(last, body), parameters=(Parameter("channel", STRING, "#ml"),))
    task = inside(ir, "notify")
    assert task["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}
    assert task["inputs"]["parameters"]["n"]["runtimeValue"]["constant"] == 3
    assert task["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    definition = ir.component("notify")["inputDefinitions"]["parameters"]["status"]
    assert definition == {"isOptional": True, "parameterType": "TASK_FINAL_STATUS"}
    assert step_json(ir, "notify")["status"] == "status"


def test_what_stands_in_an_exit_handler_may_be_the_pipelines_output() -> None:
    """KFP's compiler refuses that."""
    train = step("train", {"n": (INTEGER, FromItem("l"))}, model=MODEL, score=FLOAT)
    arms = (
        Arm(
            Compare(FromStep("first", "score"), ">", Constant(0.5)), (step("yes", word=STRING, file=DATASET),)
        ),
        Arm(None, (step("no", word=STRING, file=DATASET),)),
    )
    body = (
        step("first", score=FLOAT, data=DATASET),
        Loop("l", "n", Constant([1, 2]), INTEGER, (train,)),
        Branch("b", arms),
    )
    word, file = (FromBranch("b", (FromStep("yes", v), FromStep("no", v))) for v in ("word", "file"))
    outputs = [
        ("score", FLOAT, FromStep("first", "score")),
        ("data", DATASET, FromStep("first", "data")),
        ("models", MODELS, FromLoop("l", FromStep("train", "model"))),
        ("scores", FLOATS, FromLoop("l", FromStep("train", "score"))),
        ("word", STRING, word),
        ("file", DATASET, file),
    ]
    ir = build(ExitHandler(step("notify"), body), outputs=outputs)
    handed = ir.spec["root"]["dag"]["outputs"]
    assert handed["parameters"]["word"]["valueFromParameter"] == {
        "producerSubtask": "exit-handler-1",
        "outputParameterKey": "word",
    }


def test_order_across_groups() -> None:
    train = step("train", {"n": (INTEGER, FromItem("l"))})
    test = Compare(FromParameter("x"), "==", Constant(1))
    branch = Branch("b", (Arm(test, (step("one", after=("start",)),)), Arm(None, (step("other"),))))
    ir = build(
        step("start"),
        Loop("l", "n", Constant([1]), INTEGER, (train, step("then", after=("train",)))),
        branch,
        step("end", after=("train", "one")),
        parameters=(Parameter("x", INTEGER, 1),),
    )
    assert inside(ir, "end")["dependentTasks"] == ["condition-branches-3", "for-loop-2"]
    assert inside(ir, "condition-branches-3")["dependentTasks"] == ["start"]
    assert inside(ir, "for-loop-2", "then")["dependentTasks"] == ["train"]
