"""Control flow, played: pipelines of KFP's own compiler, with nothing executed."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from jupyter_kfp.store.records import State
from tests.unit.engine.building import pipeline, shell, task
from tests.unit.engine.playing import Play

SUCCEEDED, SKIPPED, FAILED = State.SUCCEEDED, State.SKIPPED, State.FAILED


def fail(_given: Mapping[str, Any]) -> Mapping[str, Any]:
    raise AssertionError("broken")


def fail_on(given: Mapping[str, Any]) -> Mapping[str, Any]:
    assert given["item"] != given["bad"], "bad"
    return {"Output": given["item"]}


BODIES: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "numbers": lambda given: {"Output": list(range(given["n"]))},
    "pair": lambda given: {"Output": f"{given['x']}{given['y']}"},
    "twice": lambda given: {"Output": [given["x"]] * 2},
    "show": lambda given: {"Output": repr(given["value"])},
    "say": lambda given: {"Output": given.get("text", "nothing")},
    "write": lambda given: {"out": given["name"]},
    "read": lambda given: {"Output": "".join(given["found"])},
    "read-all": lambda given: {"Output": ",".join(given["found"])},
    "report": lambda _given: {},
    "fail": fail,
    "fail-on": fail_on,
}


@functools.cache
def text_of(name: str) -> str:
    from tests.unit.engine import pipelines

    return pipelines.compiled(getattr(pipelines, name))


def play(name: str, slots: int = 100, **given: Any) -> Play:
    return Play(text_of(name), BODIES, given).run(slots)


def test_nested_loops_leave_one_flat_list_in_the_order_of_their_items() -> None:
    played = play("nested_loops")
    assert played.outputs == {"Output": "['1a', '1b', '2a', '2b']"}
    assert played.inputs["for-loop-1.for-loop-3.pair[1][0]"] == {"x": 2, "y": "a"}
    assert played.states["for-loop-1.for-loop-3.pair[1][1]"] is SUCCEEDED
    assert played.states["for-loop-1.for-loop-3[1]"] is SUCCEEDED


def test_a_list_that_a_task_made_is_one_item() -> None:
    lists = [given["value"] for given in play("nested_loops").inputs.values() if "value" in given]
    assert [[1, 1], [2, 2]] in lists


def test_inside_a_loop_outer_values_stay_what_they_are() -> None:
    """kfp.local puts the loop's item in their place."""
    played = play("nested_loops", n=3)
    inside = [given for path, given in played.inputs.items() if path.startswith("for-loop-1.show")]
    assert [given["value"] for given in inside if given["value"][0] == 0] == [[0, 1, 2]] * 2
    assert {"value": ["2a", "2b"]} in inside, "what a loop inside collects is that iteration's"


def test_integers_in_lists_stay_integers() -> None:
    """kfp.local makes doubles of them."""
    assert [type(given["x"]) for path, given in play("nested_loops").inputs.items() if ".pair" in path] == [
        int
    ] * 4
    assert play("made_items").inputs["show"] == {"value": ["0!", "1!", "2!"]}


def test_a_loop_over_nothing_is_an_empty_list() -> None:
    played = play("made_items", n=0)
    assert played.outputs == {"Output": "[]"}
    assert played.states == {"": SUCCEEDED, "numbers": SUCCEEDED, "for-loop-1": SUCCEEDED, "show": SUCCEEDED}


def test_parts_of_an_item() -> None:
    assert play("structs").outputs == {"Output": "['1a', '2b']"}
    played = play("structs", items=[{"n": 1}])
    assert played.states[""] is FAILED
    assert played.failures["for-loop-1.pair[0]"].endswith("has no value for {\"n\": 1}: there is no 's'.")


def test_an_item_of_another_kind_is_named() -> None:
    played = play("nested_loops", outer=[1, "x"])
    assert (
        played.failures["for-loop-1.twice[1]"]
        == "The input 'x' is of type int, but got 'x' (str), in 'twice'."
    )
    assert played.states["for-loop-1.twice[0]"] is SUCCEEDED


def test_what_is_no_list_is_no_loop() -> None:
    bodies = {**BODIES, "numbers": lambda _given: {"Output": "nonsense"}}
    played = Play(text_of("made_items"), bodies, {}).run()
    words = "The loop 'for-loop-1' is to go over \"nonsense\", which is no list."
    assert played.failures == {"for-loop-1": words}


def test_a_list_may_be_text() -> None:
    bodies = {**BODIES, "numbers": lambda _given: {"Output": "[7]"}}
    assert Play(text_of("made_items"), bodies, {}).run().outputs == {"Output": "['7!']"}


def test_as_many_iterations_run_as_there_is_room_for() -> None:
    """kfp.local runs no more than two."""
    assert play("many_items").most == 5
    assert play("many_items", slots=3).most == 3
    assert play("failing_iteration").most == 2, "one iteration, and what is beside the loop"


@pytest.mark.parametrize(
    ("number", "word", "taken"), [(1, "one", 2), (2, "more", 3), (0, "less", 4), (-7, "less", 4)]
)
def test_one_branch_is_taken(number: int, word: str, taken: int) -> None:
    played = play("branches", number=number)
    assert played.outputs == {"Output": word}
    assert played.states[""] is SUCCEEDED
    for branch in (2, 3, 4):
        state = SUCCEEDED if branch == taken else SKIPPED
        assert played.states[f"condition-branches-1.condition-{branch}"] is state


def test_branches_of_their_own() -> None:
    played = play("branches", ratio=0.8, word="b")
    assert (played.states["condition-5"], played.states["condition-6"]) == (SUCCEEDED, SUCCEEDED)
    assert SKIPPED is play("branches").states["condition-5"]


def test_artifacts_out_of_branches_and_loops() -> None:
    for which in ("x", "y"):
        played = play("artifacts", which=which)
        assert played.inputs["read"] == {"found": [which]}
        assert played.outputs == {"Output": "p,q,r"}


def test_an_exit_task_runs_after_a_failure_and_knows_it() -> None:
    played = play("exits")
    status = {
        "state": "FAILED",
        "pipelineJobResourceName": "run",
        "pipelineTaskName": "exit-handler-1",
        "error": {"code": 2, "message": "exit-handler-1.fail: broken"},
    }
    assert played.inputs["report"]["status"] == status
    assert played.states[""] is FAILED
    assert played.states["exit-handler-1.say"] is SKIPPED
    assert played.states["exit-handler-1.say-2"] is SUCCEEDED, "what does not need the failed task"
    played = Play(text_of("exits"), {**BODIES, "fail": BODIES["say"]}, {}).run()
    assert played.inputs["report"]["status"] == {**status, "state": "SUCCEEDED", "error": {}}
    assert played.states[""] is SUCCEEDED


def test_a_task_may_tolerate_failures_before_it() -> None:
    played = play("tolerant")
    assert played.states == {"": FAILED, "fail": FAILED, "say": SUCCEEDED}
    assert played.outputs == {"Output": "nothing"}, "the component's default"


def test_a_failing_iteration_fails_the_loop_and_what_needs_it() -> None:
    played = play("failing_iteration")
    states = {path: state for path, state in played.states.items() if "[" not in path}
    assert states == {"": FAILED, "for-loop-2": FAILED, "say-2": SUCCEEDED, "show": SKIPPED}
    iterations = [played.states[f"for-loop-2[{n}]"] for n in range(3)]
    assert iterations == [SUCCEEDED, FAILED, SUCCEEDED]
    assert played.states["for-loop-2.say[1]"] is SKIPPED


def test_pipelines_in_pipelines() -> None:
    played = play("nested")
    assert played.outputs == {"Output": "['12hi', '22hi']"}
    assert played.states["for-loop-2.inner-2.say[1]"] is SUCCEEDED


def conditional(condition: str, **inputs: Any) -> Play:
    """A task with a condition of its own, and one after it."""
    more = {"triggerPolicy": {"condition": condition}}
    tasks = {
        "say": task(shell("x"), inputs=inputs, outputs={"Output": "STRING"}, **more),
        "show": task(shell("x"), after=("say",)),
    }
    return Play(pipeline(tasks), {**BODIES, "show": lambda _given: {}}, {}).run()


def test_a_condition_that_cannot_be_evaluated_fails_its_task() -> None:
    played = conditional("inputs.parameter_values['nope'] == 'x'")
    assert played.states == {"": FAILED, "say": FAILED, "show": SKIPPED}
    assert played.failures["say"] == ("Its condition nope == 'x' cannot be evaluated: there is no 'nope'.")
    played = conditional("inputs.parameter_values['n']", n=3)
    assert played.failures["say"] == "Its condition n is 3.0, neither true nor false."


def test_what_comes_after_a_skipped_task_is_skipped_and_that_is_no_failure() -> None:
    played = conditional("inputs.parameter_values['n'] == 4", n=3)
    assert played.states == {"": SUCCEEDED, "say": SKIPPED, "show": SKIPPED}


def test_a_condition_is_no_python() -> None:
    """kfp.local puts values into an expression and evaluates it with eval."""
    for text in ("' or 'a' == 'a", "__import__('os')", "a\nb", "\\", "it's"):
        assert conditional("inputs.parameter_values['s'] == 'x'", s=text).states["say"] is SKIPPED


def test_a_loop_over_artifacts() -> None:
    spec = yaml.safe_load(pipeline({
        "write": task(shell("x"), inputs={"name": "$name"}, outputs={"out": "system.Dataset"}),
        "read": task(shell("x"), outputs={"Output": "STRING"}),
    }, parameters={"name": ("STRING", "n")}))  # fmt: skip
    dataset = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
    tasks = spec["root"]["dag"]["tasks"]
    reading = tasks.pop("read")
    reading["inputs"] = {"artifacts": {"found": {"componentInputArtifact": "item"}}}
    spec["components"]["comp-read"]["inputDefinitions"] = {"artifacts": {"found": dataset}}
    output = {
        "parameters": {
            "all": {"valueFromParameter": {"producerSubtask": "read", "outputParameterKey": "Output"}}
        }
    }
    spec["components"]["comp-loop"] = {
        "dag": {"tasks": {"read": reading}, "outputs": output},
        "inputDefinitions": {"artifacts": {"items": {**dataset, "isArtifactList": True}, "item": dataset}},
        "outputDefinitions": {"parameters": {"all": {"parameterType": "LIST"}}},
    }
    tasks["loop"] = {
        "componentRef": {"name": "comp-loop"},
        "dependentTasks": ["write"],
        "inputs": {
            "artifacts": {
                "items": {"taskOutputArtifact": {"producerTask": "write", "outputArtifactKey": "out"}}
            }
        },
        "artifactIterator": {"itemInput": "item", "items": {"inputArtifact": "items"}},
    }
    spec["root"]["dag"]["outputs"] = {
        "parameters": {
            "all": {"valueFromParameter": {"producerSubtask": "loop", "outputParameterKey": "all"}}
        }
    }
    played = Play(yaml.safe_dump(spec), BODIES, {}).run()
    assert played.outputs == {"all": ["n"]}
    assert played.inputs["loop.read[0]"] == {"found": ["n"]}
