"""Control flow of a notebook's headers: the blocks it makes, and what flows through them."""

from __future__ import annotations

import ast
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_kfp.errors import Severity
from jupyter_kfp.notebook import Analysis, analyze_file
from jupyter_kfp.pipeline import (
    Arm,
    Branch,
    Constant,
    ExitHandler,
    External,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Loop,
    Node,
    Source,
    Step,
    walk,
)
from jupyter_kfp.pipeline import (
    Test as Comparison,
)
from tests.unit.notebook.writing import analysis_of, codes, types


def outline(body: tuple[Node, ...]) -> str:
    """A body as text: ``a if(b | c) for(d)``."""
    words = []
    for node in body:
        match node:
            case Branch(arms=arms):
                words.append(f"if({' | '.join(outline(arm.body) for arm in arms)})")
            case Loop(body=inner):
                words.append(f"for({outline(inner)})")
            case ExitHandler(exit=last, body=inner):
                words.append(f"exit[{last.name}]({outline(inner)})")
            case _:
                words.append(node.name)
    return " ".join(words)


def shape(analysis: Analysis) -> str:
    assert analysis.ok, analysis.diagnostics
    return outline(analysis.pipeline.body)


def source(analysis: Analysis, step: str, name: str) -> Source:
    """Where an input comes from."""
    (found,) = [i.source for i in analysis.pipeline.step(step).inputs if i.name == name]
    return found


def arms(analysis: Analysis) -> tuple[Arm, ...]:
    """The arms of the only branch."""
    (branch,) = [n for n in walk(analysis.pipeline.body) if isinstance(n, Branch)]
    return branch.arms


def loop(analysis: Analysis) -> Loop:
    """The only loop."""
    (found,) = [n for n in walk(analysis.pipeline.body) if isinstance(n, Loop)]
    return found


GATE = """
# %% parameters
threshold = 0.9
# %%
%%component train
accuracy: float = 0.95
# %%
%%component deploy --if accuracy >= threshold
where = "production"
# %%
%%component tell --if accuracy >= threshold
print(where)
# %%
%%component stage --elif accuracy > -0.5
where = "stage"
# %%
%%component hold --else
where = "nowhere"
# %%
%%component report
print(where)
"""


def test_a_branch_with_three_arms() -> None:
    gate = analysis_of(GATE)
    assert shape(gate) == "train if(deploy tell | stage | hold) report"
    first, second, third = arms(gate)
    assert first.test == Comparison(FromStep("train", "accuracy"), ">=", FromParameter("threshold"))
    assert second.test == Comparison(FromStep("train", "accuracy"), ">", Constant(-0.5))
    assert third.test is None
    found = source(gate, "report", "where")
    assert found == FromBranch("if-1", tuple(FromStep(s, "where") for s in ("deploy", "stage", "hold")))


@pytest.mark.parametrize(
    ("expression", "test"),
    [
        ("n > 3", Comparison(FromStep("make", "n"), ">", Constant(3))),
        ("-2 <= n", Comparison(Constant(-2), "<=", FromStep("make", "n"))),
        ("n != n2", Comparison(FromStep("make", "n"), "!=", FromStep("make", "n2"))),
        ("n < share", Comparison(FromStep("make", "n"), "<", FromStep("make", "share"))),
        ("word == 'good'", Comparison(FromStep("make", "word"), "==", Constant("good"))),
        ("word != other", Comparison(FromStep("make", "word"), "!=", FromParameter("other"))),
        ("flag", Comparison(FromStep("make", "flag"), "==", Constant(True))),
        ("not flag", Comparison(FromStep("make", "flag"), "==", Constant(False))),
        ("flag == False", Comparison(FromStep("make", "flag"), "==", Constant(False))),
    ],
)
def test_plain_comparisons_stay_conditions_of_kfp(expression: str, test: Comparison) -> None:
    found = analysis_of(CONDITION.format(expression))
    assert shape(found) == "make if(use)"
    assert arms(found)[0].test == test


CONDITION = """
# %% parameters
other = "x"
maybe: int = None
# %%
%%component make
n: int = 5
n2: int = 6
share: float = 0.5
word: str = "good"
flag: bool = True
xs = [n]
# %%
%%component use --if {}
print("used")
"""


@pytest.mark.parametrize(
    "expression",
    [
        "word == 'it\\'s'", 'word == "say \\"no\\""', "word == 'größe'", "word == ''' '''[0:0]", "n is None", "n == None",
        "n in [1, 2]", "n > 1 and flag", "flag or n", "not n", "word.startswith('g')", "1 < n < 9", "n == '5'", "n == flag",
        "xs", "len(xs) > 1", "xs[0] == 5", "n + 1 > 5", "word < 3", "n > 2**60", "maybe == 1", "True", "word == 'a{{$}}b'",
        "n == 1e300", "any(x > 3 for x in xs)", "(lambda: flag)()", "word == 'a\\nb'", "flag > False",
    ],
)  # fmt: skip
def test_other_expressions_are_computed(expression: str) -> None:
    found = analysis_of(CONDITION.format(expression))
    assert found.ok, found.diagnostics
    (arm,) = arms(found)
    assert isinstance(arm.test, Comparison)
    assert arm.test.operator == "=="
    assert arm.test.right == Constant(True)
    assert isinstance(arm.test.left, FromStep)
    step = found.pipeline.step(arm.test.left.step)
    assert types(step)[arm.test.left.name] == "bool"
    assert expression in step.body[-1].source


def test_a_computed_condition_belongs_to_the_step_that_made_all_it_reads() -> None:
    found = analysis_of(CONDITION.format("n > 1 and flag"))
    assert shape(found) == "make if(use)"


def test_a_condition_over_several_steps_is_a_step() -> None:
    found = analysis_of("""
        # %% step:a
        x = 1
        # %% step:b
        y = 2
        # %%
        %%component c --if x < y or y is None
        z = 1
        """)
    assert shape(found) == "a b check_c if(c)"


def test_a_later_condition_is_only_computed_where_the_first_did_not_hold() -> None:
    found = analysis_of("""
        # %% step:a
        x: object = None
        # %%
        %%component b --if x is None
        y = 1
        # %%
        %%component c --elif x.real > 3
        y = 2
        # %%
        %%component d --else
        y = 3
        """)
    assert shape(found) == "a if(b | c | d)"
    assert "not (x is None) and not not (x.real > 3)" in found.pipeline.step("a").body[-1].source


def test_text_compared_with_a_boolean_is_an_error() -> None:
    found = analysis_of(CONDITION.format("flag == 'true'"))
    (problem,) = found.diagnostics
    assert (problem.code, problem.severity, problem.cell, problem.line) == ("K230", Severity.ERROR, 2, 1)
    assert "flag == 'true'" in problem.message


def test_a_name_bound_before_keeps_its_value_where_no_arm_binds_it() -> None:
    found = analysis_of("""
        # %% step:a
        x: int = 1
        model = object()
        # %%
        %%component retrain --if x > 3
        model = dict()
        # %% step:use
        print(model, x)
        """)
    assert shape(found) == "a if(retrain | without_retrain) use"
    carry = found.pipeline.step("without_retrain")
    assert carry.body == ()
    assert [i.source for i in carry.inputs] == [FromStep("a", "model")]
    alternatives = (FromStep("retrain", "model"), FromStep("without_retrain", "model"))
    assert source(found, "use", "model") == FromBranch("if-1", alternatives)
    assert source(found, "use", "x") == FromStep("a", "x")


def test_a_step_of_the_arm_hands_on_what_it_does_not_bind() -> None:
    found = analysis_of("""
        # %% step:a
        x: int = 1
        y = [1]
        # %%
        %%component b --if x > 3
        y = [2]
        # %%
        %%component c --else
        print("kept")
        # %% step:use
        print(y)
        """)
    assert shape(found) == "a if(b | c) use"
    assert source(found, "use", "y") == FromBranch("if-1", (FromStep("b", "y"), FromStep("c", "y")))


def test_a_change_in_place_counts_as_binding() -> None:
    found = analysis_of("""
        # %% step:a
        x: int = 1
        y = [1]
        # %%
        %%component b --if x > 3
        y.append(2)
        # %% step:use
        print(y)
        """)
    assert shape(found) == "a if(b | without_b) use"


def test_arms_of_different_types_travel_as_artifacts() -> None:
    found = analysis_of("""
        # %% step:a
        x: int = 1
        # %%
        %%component b --if x > 3
        y: int = 2
        # %%
        %%component c --else
        y: str = "none"
        # %% step:use
        print(y)
        """)
    assert shape(found) == "a if(b keep_b | c keep_c) use"
    assert [str(i.type) for i in found.pipeline.step("use").inputs] == ["Artifact"]


def test_a_parameter_that_may_be_none_is_handed_on_as_an_artifact() -> None:
    found = analysis_of("""
        # %% parameters
        maybe: int = None
        n = 1
        # %%
        %%component b --if n > 3
        maybe: int = 2
        # %% step:use
        print(maybe)
        """)
    assert [str(i.type) for i in found.pipeline.step("use").inputs] == ["Artifact"]


def test_a_name_that_only_some_arms_bind() -> None:
    found = analysis_of("""
        # %% step:a
        x: int = 1
        # %%
        %%component b --if x > 3
        y = 2
        # %% step:use
        z = 1
        print(y)
        """)
    (problem,) = found.diagnostics
    assert (problem.code, problem.cell, problem.line, problem.step) == ("K223", 2, 2, "use")
    assert "`x > 3`" in problem.message


def test_what_changes_its_own_condition_ends_the_branch() -> None:
    found = analysis_of("""
        # %% step:start
        loss: float = 8.0
        # %%
        %%component one --if loss > 1
        loss: float = loss / 4
        # %%
        %%component two --if loss > 1
        loss: float = loss / 4
        # %% step:use
        print(loss)
        """)
    assert shape(found) == "start if(one | without_one) check_two if(two | without_two) use"


def test_an_else_without_an_if() -> None:
    text = """
        # %% step:a
        x = 1
        # %%
        %%component b --else
        y = 1
        """
    assert codes(analysis_of(text)) == ["K228"]
    later = """
        # %%
        %%component a --if 1 > 0
        x = 1
        # %%
        %%component b --else
        x = 2
        # %%
        %%component c --elif 2 > 1
        x = 3
        """
    assert codes(analysis_of(later)) == ["K228"]


LOOP = """
# %% parameters
seeds = [1, 2, 3]
rates: list[float] = [0.1, 1.0]
mixed = [1, "a"]
# %%
%%component prepare
data = [1, 2]
words: list[str] = ["a"]
frames = [object()]
# %%
%%component fit --for item in {} --parallelism 2 --collect models=model
model = [data, item]
# %%
%%component rate --for item in {} --collect scores=score
score: float = len(model) * 1.0
# %%
%%component pick
best = models[scores.index(max(scores))]
"""


@pytest.mark.parametrize(
    ("items", "looped", "kind"),
    [
        ("[1, 2]", Constant([1, 2]), "int"),
        ("(0.5, 2.0)", Constant([0.5, 2.0]), "float"),
        ("['a', \"it's\"]", Constant(["a", "it's"]), "str"),
        ("[True, False]", Constant([True, False]), "bool"),
        ("seeds", FromParameter("seeds"), "int"),
        ("rates", FromParameter("rates"), "float"),
        ("words", FromStep("prepare", "words"), "str"),
    ],
)
def test_a_loop_over_scalars(items: str, looped: Source, kind: str) -> None:
    found = analysis_of(LOOP.format(items, items))
    assert shape(found) == "prepare for(fit rate) pick"
    made = loop(found)
    assert (made.items, str(made.type), made.parallelism, made.json, made.text) == (
        looped,
        kind,
        2,
        False,
        items,
    )
    assert source(found, "fit", "item") == FromItem(made.name)
    assert source(found, "rate", "model") == FromStep("fit", "model")
    assert source(found, "pick", "models") == FromLoop(made.name, FromStep("fit", "model"))
    assert source(found, "pick", "scores") == FromLoop(made.name, FromStep("rate", "score"))
    assert {i.name: str(i.type) for i in found.pipeline.step("pick").inputs} == {
        "models": "list[Artifact]",
        "scores": "list[float]",
    }


def test_a_loop_over_other_literals_has_json_texts() -> None:
    items = '[{"lr": 0.1, "n": 1}, {"lr": 1.0, "n": None}]'
    found = analysis_of(LOOP.format(items, items))
    made = loop(found)
    assert made.json
    assert isinstance(made.items, Constant)
    assert isinstance(made.items.value, list)
    assert [json.loads(str(text)) for text in made.items.value] == ast.literal_eval(items)


@pytest.mark.parametrize(
    ("items", "maker"),
    [("range(3)", "list_item"), ("mixed", "list_item"), ("frames", "prepare"), ("sorted(data)", "prepare"), ("[1, {2}]", "list_item")],
)  # fmt: skip
def test_a_loop_over_anything_else_counts_through_a_list(items: str, maker: str) -> None:
    found = analysis_of(LOOP.format(items, items))
    made = loop(found)
    assert made.items == FromStep(maker, "item_indices")
    assert str(made.type) == "int"
    fit = found.pipeline.step("fit")
    assert fit.picks == {"item": "item_values"}
    assert source(found, "fit", "item_values") == FromStep(maker, "item_values")
    assert found.pipeline.step("rate").picks == {}  # it does not read the item


def test_nested_loops_collect_a_flat_list_outside_and_one_list_per_round_inside() -> None:
    found = analysis_of("""
        # %%
        %%component trial --for lr in [0.1, 0.2] --collect scores=score --for size in [16, 32] --collect own=score
        score: float = lr * size
        # %%
        %%component best --for lr in [0.1, 0.2] --collect tops=top
        top: float = max(own)
        # %% step:end
        print(scores, tops)
        """)
    assert shape(found) == "for(for(trial) best) end"
    outer, inner = [n.name for n in walk(found.pipeline.body) if isinstance(n, Loop)]
    assert source(found, "end", "scores") == FromLoop(outer, FromStep("trial", "score"))
    assert source(found, "best", "own") == FromLoop(inner, FromStep("trial", "score"))
    assert source(found, "end", "tops") == FromLoop(outer, FromStep("best", "top"))


def test_what_is_collected_from_a_branch_is_handed_on_in_the_loop() -> None:
    found = analysis_of("""
        # %%
        %%component odd --for i in [1, 2] --collect ys=y --if i > 1
        y = "big"
        # %%
        %%component even --for i in [1, 2] --else
        y = "small"
        # %% step:end
        print(ys)
        """)
    assert shape(found) == "for(if(odd | even) keep_odd) end"
    assert source(found, "end", "ys") == FromLoop("for-1", FromStep("keep_odd", "y"))


def test_a_loop_in_a_branch() -> None:
    found = analysis_of("""
        # %% step:a
        x: int = 1
        ys = []
        # %%
        %%component b --if x > 0 --for i in [1, 2] --collect ys=y
        y = i
        # %% step:end
        print(ys)
        """)
    assert shape(found) == "a if(for(b) keep_b | without_b) end"


def test_each_iteration_has_names_of_its_own() -> None:
    found = analysis_of("""
        # %% step:a
        total = 0
        # %%
        %%component b --for i in [1, 2]
        total = total + i
        # %% step:end
        print(total)
        """)
    assert codes(found) == ["K231"]
    assert source(found, "end", "total") == FromStep("a", "total")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("xs.append(i)", "K226"),
        ("ys = xs\nys.append(i)", "K226"),
        ("xs += [i]", "K226"),
        ("xs = list(xs)\nxs.append(i)", None),
        ("own = []\nown.append(i)", None),
    ],
)
def test_changes_in_place_of_what_was_before_the_loop(body: str, code: str | None) -> None:
    found = analysis_of(f"# %% step:a\nxs = []\n# %%\n%%component b --for i in [1, 2]\n{body}")
    assert codes(found) == ([code] if code else [])


def test_names_of_a_loop_behind_it() -> None:
    found = analysis_of("""
        # %%
        %%component b --for i in [1, 2]
        y = i
        # %% step:end
        print(y)
        # %% outputs
        y
        """)
    assert codes(found) == ["K224", "K213"]
    assert "--collect ys=y" in str(found.diagnostics[0].remedy)


def test_collecting_what_no_iteration_binds() -> None:
    found = analysis_of("# %%\n%%component b --for i in [1] --collect ys=why\ny = i")
    assert codes(found) == ["K225"]


def test_collecting_what_only_some_iterations_bind() -> None:
    found = analysis_of("# %%\n%%component b --for i in [1, 2] --collect ys=y --if i > 1\ny = i")
    (problem,) = found.diagnostics
    assert (problem.code, problem.step) == ("K225", "b")
    assert "not every iteration over [1, 2] binds `y`" in problem.message


def test_a_changed_item_is_told_by_the_names_of_the_notebook() -> None:
    found = analysis_of("""
        # %% step:a
        rows = [[1], [2]]
        # %%
        %%component b --for row in rows --parallelism 2
        row.append(0)
        """)
    (problem,) = found.diagnostics
    assert (problem.code, problem.step) == ("K226", "b")
    assert "changes `rows` of before the loop" in problem.message


@pytest.mark.parametrize(
    ("change", "read", "code"),
    [
        ("ys[0][0].append(1)", "print(data)", "K236"),
        ("data.append(1)", "print(ys)", "K236"),
        ("data.append(1)", "print(data)", None),
        ("ys.sort()", "print(ys)", None),
        ("data = []", "print(ys)", None),
    ],
)
def test_what_a_loop_collected_is_a_copy(change: str, read: str, code: str | None) -> None:
    found = analysis_of(f"""
        # %% step:a
        data = [1]
        # %%
        %%component b --for i in [1, 2] --collect ys=y
        y = [data, i]
        # %% step:c
        {change}
        # %% step:d
        {read}
        """)
    assert codes(found) == ([code] if code else [])
    assert found.ok


def test_an_item_nobody_else_sees_may_change() -> None:
    found = analysis_of("""
        # %%
        %%component b --for row in [[n] for n in range(2)] --collect rows=row
        row.append(0)
        """)
    assert shape(found) == "list_row for(b)"


def test_a_loop_reads_what_its_own_iterations_could_change() -> None:
    found = analysis_of("""
        # %% step:a
        table = object()
        # %%
        %%component b --for i in [1, 2]
        show(table)
        # %% functions
        def show(x): print(x)
        """)
    assert found.pipeline.step("b").guard == {"table": "a"}


def test_an_exit_step() -> None:
    found = analysis_of("""
        # %% parameters
        channel = "#ml"
        # %% imports
        import json
        # %% step:a
        x = 1
        # %%
        %%component tell --on-exit
        message = json.dumps([channel, status.state])
        # %%
        %%component tell --on-exit
        print(message)
        # %% step:b
        print(x)
        """)
    assert shape(found) == "exit[tell](a b)"
    tell = found.pipeline.step("tell")
    assert [i.name for i in tell.inputs] == ["channel"]
    assert tell.outputs == ()


def test_an_exit_step_of_two_cells_that_read_its_status() -> None:
    found = analysis_of("""
        # %%
        %%component tell --on-exit
        words = [status.state]
        # %%
        %%component tell --on-exit
        print(words, status.error_message)
        """)
    assert shape(found) == "exit[tell]()"


def test_an_exit_step_cannot_read_what_steps_make() -> None:
    found = analysis_of("""
        # %% step:a
        x = 1
        # %%
        %%component tell --on-exit
        print(x, status.error_message)
        # %% step:b
        print(status)
        """)
    assert codes(found) == ["K227", "K201"]


def test_cells_of_one_step_in_different_places() -> None:
    found = analysis_of("""
        # %%
        %%component a --if 1 > 0
        x = 1
        # %% step:b
        y = 1
        # %%
        %%component a --if 1 > 0
        z = 1
        """)
    assert "K229" in codes(found)


# ------------------------------------------------------------------ other notebooks and components


def write(path: Path, *cells: tuple[str, list[str]]) -> Path:
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {"cell_type": "code", "metadata": {"tags": tags}, "source": text, "outputs": [], "execution_count": None}
            for text, tags in cells
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    write(
        tmp_path / "lib.ipynb",
        ("rate: float\nrounds = 3\nname: str = 'm'", ["parameters"]),
        ("model = [rate] * rounds\nloss: float = 0.5", ["step:fit"]),
        ("model\nloss", ["outputs"]),
    )
    return tmp_path


def use(library: Path, body: str, *more: tuple[str, list[str]]) -> Analysis:
    cells = (
        ("rates = 0.5\nn: int = 2", ["parameters"]),
        ("measured = 0.25\nword: str = 'w'", ["step:measure"]),
        (f"%%component train --notebook lib.ipynb\n{body}", []),
        ("print(model, loss)", ["step:show"]),
    )
    return analyze_file(write(library / "top.ipynb", *cells, *more))


def external(analysis: Analysis) -> External:
    (found,) = [n for n in walk(analysis.pipeline.body) if isinstance(n, External)]
    return found


def test_another_notebook_is_a_nested_pipeline(library: Path) -> None:
    found = use(library, "rate = rates\nname = word\nrounds = 5")
    assert shape(found) == "measure train show"
    node = external(found)
    assert {i.name: i.source for i in node.inputs} == {
        "rate": FromParameter("rates"),
        "name": FromStep("measure", "word"),
        "rounds": Constant(5),
    }
    assert not isinstance(node.component, str)
    assert [s.name for s in node.component.steps] == ["fit"]
    assert source(found, "show", "loss") == FromStep("train", "loss")
    assert {i.name: str(i.type) for i in found.pipeline.step("show").inputs} == {
        "loss": "float",
        "model": "Artifact",
    }


def test_inputs_that_need_code_are_computed_by_a_step(library: Path) -> None:
    found = use(library, "rate = measured * 2\nrounds = n")
    assert shape(found) == "measure train_inputs train show"
    assert {i.name: i.source for i in external(found).inputs} == {
        "rate": FromStep("train_inputs", "rate"),
        "rounds": FromStep("train_inputs", "rounds"),
    }
    assert types(found.pipeline.step("train_inputs")) == {"rate": "float", "rounds": "int"}


def test_the_item_of_a_loop_is_given_without_code(library: Path) -> None:
    header = "%%component train --for r in [0.5, 1.5] --collect losses=loss --notebook lib.ipynb"
    cells = ((f"{header}\nrate = r", []), ("print(losses)", ["step:show"]))
    found = analyze_file(write(library / "top.ipynb", *cells))
    assert shape(found) == "for(train) show"
    assert {i.name: i.source for i in external(found).inputs} == {"rate": FromItem("for-1")}


@pytest.mark.parametrize("other", ["1", "1 + 1"])
def test_none_for_an_input_that_is_none_by_default_is_no_value(library: Path, other: str) -> None:
    write(
        library / "lib.ipynb",
        ("n = 1\nmaybe: int = None", ["parameters"]),
        ("m = [n]", ["step:a"]),
        ("m", ["outputs"]),
    )
    path = write(
        library / "top.ipynb", (f"%%component train --notebook lib.ipynb\nmaybe = None\nn = {other}", [])
    )
    node = external(analyze_file(path))
    assert {i.name: i.source for i in node.inputs}["maybe"] == Constant(None)


def test_inputs_do_not_become_names(library: Path) -> None:
    found = use(library, "rate = 0.5", ("print(rate)", ["step:later"]))
    assert codes(found) == ["K201"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("rounds = 3", "K233", "`rate`"),
        ("rate = 0.5\nroundz = 3", "K234", "did you mean `rounds`"),
        ("rate = measured + 1\nroundz = 3", "K234", "did you mean `rounds`"),
    ],
)
def test_missing_and_misspelt_inputs(library: Path, body: str, code: str, words: str) -> None:
    (found,) = use(library, body).diagnostics
    assert (found.code, found.cell, found.step) == (code, 2, "train")
    assert words in found.message


def test_notebooks_that_cannot_be_nested(library: Path, tmp_path: Path) -> None:
    def problem(name: str) -> str:
        path = write(tmp_path / "top.ipynb", (f"%%component train --notebook {name}", []))
        (found,) = [d for d in analyze_file(path).diagnostics if d.code == "K232"]
        assert found.line == 1
        return found.message

    write(tmp_path / "wrong.ipynb", ("print(missing)", ["step:a"]))
    assert "does not exist" in problem("nowhere.ipynb")
    assert "contains itself" in problem("top.ipynb")
    assert "cell 1: step a reads `missing`" in problem("wrong.ipynb")


COMPONENT = """
pipelineInfo: {name: scale}
root:
  dag: {}
  inputDefinitions:
    artifacts: {data: {artifactType: {schemaTitle: system.Dataset}}}
    parameters:
      factor: {parameterType: NUMBER_DOUBLE, defaultValue: 2.0, isOptional: true}
      count: {parameterType: NUMBER_INTEGER}
  outputDefinitions:
    artifacts: {scaled: {artifactType: {schemaTitle: system.Dataset}}}
    parameters: {rows: {parameterType: NUMBER_INTEGER}}
"""


def test_a_component_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "scale.yaml").write_text(COMPONENT)
    path = write(
        tmp_path / "top.ipynb",
        ("import pandas as pd\ntable = pd.DataFrame({'a': [1]})\nn = 1", ["step:load"]),
        ("%%component scale --from scale.yaml\ndata = table\ncount = n", []),
        ("print(scaled.path, rows)", ["step:show"]),
    )
    found = analyze_file(path)
    assert shape(found) == "load scale show"
    node = external(found)
    assert node.component == COMPONENT
    assert {i.name: (str(i.type), i.source) for i in node.inputs} == {
        "data": ("Dataset", FromStep("load", "table")),
        "count": ("int", FromStep("load", "n")),
    }
    assert {i.name: str(i.type) for i in found.pipeline.step("show").inputs} == {
        "rows": "int",
        "scaled": "Dataset",
    }
    assert "measure" not in {n.name for n in walk(found.pipeline.body) if isinstance(n, Step)}


# ------------------------------------------------------------------ the explicit mode


def test_the_pipeline_in_kfps_own_dsl() -> None:
    found = analysis_of("""
        # %% step:make
        data = [1]
        other = 2
        # %% step:show
        print(data)
        # %%
        %%pipeline
        made = make()
        with dsl.If(made.outputs["other"] > 1):
            show(data=made.outputs["data"])
        result = made.outputs["data"]
        # %% outputs
        result
        """)
    assert found.ok, found.diagnostics
    pipeline = found.pipeline
    assert pipeline.dsl is not None
    assert pipeline.dsl.cell == 2
    assert "dsl.If" in pipeline.dsl.source
    assert set(types(pipeline.step("make"))) == {"data", "other"}
    assert [output.name for output in pipeline.outputs] == ["result"]


def test_a_pipeline_cell_that_is_no_python() -> None:
    found = analysis_of("# %% step:a\nx = 1\n# %%\n%%pipeline\na(\n")
    assert [(d.code, d.cell) for d in found.diagnostics] == [("K221", 1)]


# ------------------------------------------------------------------ components from elsewhere


class _Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name http.server wants
        found = self.path == "/scale.yaml"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(COMPONENT.encode() if found else b"nothing here")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def component_from(source: str, body: str = "data = table\ncount = 1") -> Analysis:
    return analysis_of(f"# %% step:load\ntable = object()\n# %%\n%%component scale --from {source}\n{body}")


def test_a_component_from_an_address(address: str) -> None:
    found = component_from(f"{address}/scale.yaml")
    assert shape(found) == "load scale"
    assert external(found).component == COMPONENT


def test_components_that_cannot_be_had(address: str, tmp_path: Path) -> None:
    (tmp_path / "text.yaml").write_text("a: [")
    (tmp_path / "other.yaml").write_text("kind: Deployment")
    for source, words in {
        f"{address}/nothing.yaml": "cannot be fetched",
        "http://127.0.0.1:1/x.yaml": "cannot be fetched",
        f"{tmp_path}/missing.yaml": "does not exist",
        f"{tmp_path}/text.yaml": "is not YAML",
        f"{tmp_path}/other.yaml": "neither a KFP component nor a pipeline",
        f"{tmp_path}": "cannot be read",
    }.items():
        (problem,) = component_from(source).diagnostics
        assert (problem.code, problem.cell, problem.line) == ("K232", 1, 1)
        assert words in problem.message


def test_a_component_of_kfp_v1(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(
        "name: Old\ninputs: [{name: Data}, {name: Row Count, type: Integer}, {name: note, default: x}]\n"
        "outputs: [{name: Result, type: Model}]\nimplementation: {container: {image: x, command: [a]}}\n"
    )
    found = component_from(f"{tmp_path}/old.yaml", "data = 'text'\nrow_count = 3")
    assert found.ok, found.diagnostics
    assert {i.name: i.source for i in external(found).inputs} == {
        "data": Constant("text"),
        "row_count": Constant(3),
    }
    assert [(o.name, str(o.type)) for o in external(found).outputs] == [("result", "Model")]
