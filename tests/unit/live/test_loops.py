"""Iterations: what they see, what they leave, how cells share them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kfp.live.errors import LiveError

from .kernel import Kernel


def test_iterations_keep_their_names_to_themselves() -> None:
    kernel = Kernel(x=1, gone=2, seen=[])
    kernel.run(
        "%%component a --for i in range(3)\nseen.append((x, 'new' in globals(), gone))\nx += i\nnew = i\ndel gone"
    )
    assert kernel["seen"] == [(1, False, 2)] * 3
    kernel["seen"].clear()
    assert kernel.names == {"x": 1, "gone": 2, "seen": []}


def test_headings() -> None:
    kernel = Kernel()
    said = kernel.run("%%component a --for lr in [0.1, 0.2] --for c in [{'n': 1}] --if lr > 0.1\npass")
    assert said == [
        "lr = 0.1 (1 of 2)",
        "  c = {'n': 1} (1 of 1)",
        "    Skipped a: lr > 0.1 is false (lr = 0.1)",
        "lr = 0.2 (2 of 2)",
        "  c = {'n': 1} (1 of 1)",
    ]
    assert kernel.run("%%component b --for x in []\npass") == ["No iterations of b: [] is empty"]


def test_the_next_cell_goes_on_in_each_iteration() -> None:
    kernel = Kernel(log=[])
    kernel.run("%%component a --for i in range(2) --parallelism 2\nx = i * 10\ni = i + 1")
    kernel.run("%%component b --for  i  in range( 2 )\nlog.append((i, x))\nx = x + 1")
    kernel.run("%%component c --for i in range(2) --collect xs=x,is_=i\npass")
    assert kernel["log"] == [(1, 0), (2, 10)]
    assert (kernel["xs"], kernel["is_"]) == ([1, 11], [1, 2])


def test_items_are_evaluated_once_per_body() -> None:
    kernel = Kernel(items=[1, 2])
    kernel.run("%%component a --for x in items\ny = x")
    kernel.space["items"] = [3]
    kernel.run("%%component b --for x in items --collect ys=y\npass")
    assert kernel["ys"] == [1, 2]


@pytest.mark.parametrize(
    "between", ["%%component c\npass", "%%component c --if True\npass", "%%component c --for x in [9]\npass"]
)
def test_a_cell_in_between_ends_the_body(between: str) -> None:
    kernel = Kernel(xs=[1])
    kernel.run("%%component a --for x in xs\ny = x")
    kernel.run(between)
    with pytest.raises(NameError, match="'y' is not defined"):
        kernel.run("%%component b --for x in xs\ny")


def test_the_first_cell_starts_the_loop_anew() -> None:
    kernel = Kernel(xs=[1])
    kernel.run("%%component a --for x in xs\ny = x", "A")
    kernel.run("%%component b --for x in xs\ny = y + 1", "B")
    kernel.space["xs"] = [5, 6]
    kernel.run("%%component a --for x in xs\ny = x * 10", "A")
    kernel.run("%%component b --for x in xs --collect ys=y\ny = y + 1", "B")
    assert kernel["ys"] == [51, 61]


def test_a_later_cell_may_run_again_also_after_the_body() -> None:
    kernel = Kernel()
    kernel.run("%%component a --for x in [1, 2]\ny = x", "A")
    kernel.run("%%component b --for x in [1, 2]\nz = y", "B")
    kernel.run("%%component c\npass", "C")
    kernel.run("%%component b --for x in [1, 2] --collect zs=z\nz = y + 1", "B")
    assert kernel["zs"] == [2, 3]


def test_names_changed_around_a_loop_are_seen_in_it() -> None:
    kernel = Kernel(n=1)
    kernel.run("%%component a --for x in [1, 2]\ny = x")
    kernel.space["n"] = 10
    kernel.run("%%component b --for x in [1, 2] --collect ys=y\ny += n")
    assert kernel["ys"] == [11, 12]


def test_dicts_have_fields() -> None:
    kernel = Kernel(out=[])
    kernel.run(
        "%%component a --for c in [{'lr': 0.1}, {'lr': 0.2}]\nout.append((c.lr, c['lr'], c == {'lr': c.lr}))"
    )
    assert kernel["out"] == [(0.1, 0.1, True), (0.2, 0.2, True)]


def test_loops_in_loops() -> None:
    kernel = Kernel()
    kernel.run("%%component a --for x in [1, 2]\ny = x * 10")
    kernel.run(
        "%%component b --for x in [1, 2] --collect ps=p --for k in range(x) --collect own=p\np = y + k"
    )
    kernel.run("%%component c --for x in [1, 2] --for k in range(x)\np += 100")
    kernel.run("%%component d --for x in [1, 2] --collect lists=own\npass")
    assert kernel["ps"] == [110, 120, 121]
    assert kernel["lists"] == [[110], [120, 121]]
    assert set(kernel.names) == {"ps", "lists"}


def test_two_loops_in_one_iteration_are_both_collected() -> None:
    kernel = Kernel()
    kernel.run("%%component a --for x in [1, 2] --for k in [1, 2]\np = x * k")
    kernel.run("%%component b --for x in [1, 2] --for j in [1]\nq = x")
    kernel.run("%%component c --for x in [1, 2] --collect ps=p,qs=q\npass")
    assert (kernel["ps"], kernel["qs"]) == ([1, 2, 2, 4], [1, 2])


def test_branches_in_loops_and_loops_in_branches() -> None:
    kernel = Kernel(log=[], go=True)
    kernel.run("%%component a --for x in [1, 2, 3] --if x == 2\nlog.append(('a', x))")
    kernel.run("%%component b --for x in [1, 2, 3] --elif x == 3\nlog.append(('b', x))")
    kernel.run("%%component c --for x in [1, 2, 3] --else\nlog.append(('c', x))")
    assert kernel["log"] == [("a", 2), ("b", 3), ("c", 1)]
    kernel.run("%%component d --if go --for x in [1, 2]\ny = x")
    kernel.run("%%component e --if go --for x in [1, 2] --collect ys=y\ny += 1")
    kernel.run("%%component f --else --for x in 1 / 0\npass")
    assert kernel["ys"] == [2, 3]


def test_a_name_bound_to_the_value_it_had_is_bound() -> None:
    kernel = Kernel(n=1)
    kernel.run("%%component a --for x in [1, 2] --collect ns=n --for k in [1, 2]\nn = n * 1")
    assert kernel["ns"] == [1, 1, 1, 1]


def test_an_empty_loop_collects_an_empty_list() -> None:
    kernel = Kernel()
    kernel.run("%%component a --for x in [] --collect ys=y\ny = x")
    kernel.run("%%component b --for x in [1, 2] --collect zs=z --for k in []\nz = k")
    assert (kernel["ys"], kernel["zs"]) == ([], [])


def test_collecting_waits_for_the_cell_that_binds() -> None:
    kernel = Kernel()
    said = kernel.run("%%component a --for x in [1, 2] --collect ys=y\npass")
    assert said[-1] == "`ys` comes once a cell of this loop binds `y`."
    assert "ys" not in kernel.names
    kernel.run("%%component b --for x in [1, 2]\ny = x")
    assert kernel["ys"] == [1, 2]


def test_collecting_waits_for_the_arm_that_binds_the_rest() -> None:
    kernel = Kernel()
    said = kernel.run("%%component a --for x in [1, 2] --collect ys=y --if x > 1\ny = 'big'")
    assert said[-1] == "`ys` comes once every iteration binds `y`; x = 1 (1 of 2) has not."
    assert "ys" not in kernel.names
    kernel.run("%%component b --for x in [1, 2] --else\ny = 'small'")
    assert kernel["ys"] == ["small", "big"]


def test_an_iteration_without_the_name_is_an_error() -> None:
    kernel = Kernel()
    source = "%%component a --for x in [1, 2, 3] --collect ys=y\nif x != 2:\n    y = x"
    with pytest.raises(
        LiveError, match=r"`--collect ys=y`: the iteration x = 2 \(2 of 3\) has not bound `y`"
    ):
        kernel.run(source)
    assert not kernel.names
    kernel.space["y"] = 7
    kernel.run(source)
    assert kernel["ys"] == [1, 7, 3], "an iteration sees the names around it"


def test_an_error_says_where_and_leaves_everything_as_it_was() -> None:
    kernel = Kernel(z=0, n=5)
    with pytest.raises(ZeroDivisionError) as caught:
        kernel.run("%%component a --for x in [1, 0] --for k in ['u']\nn = k\n1 / x")
    assert caught.value.__notes__ == [  # type: ignore[attr-defined]
        "In the iteration k = 'u' (1 of 1) of a.",
        "In the iteration x = 0 (2 of 2) of a.",
    ]
    assert kernel.names == {"z": 0, "n": 5}


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "ZeroDivisionError", "StopIteration"])
def test_a_cell_that_failed_can_be_corrected_and_run_again(error: str) -> None:
    kernel = Kernel(error=True)
    kernel.run("%%component a --for x in [1, 2]\ny = x", "A")
    kernel.run("%%component b --for x in [1, 2]\ny = y * 10", "B")
    source = "%%component c --for x in [1, 2] --collect ys=y\ny = y + 1\nif error and x == 2: raise {}"
    with pytest.raises((Exception, KeyboardInterrupt, SystemExit)):
        kernel.run(source.format(error), "C")
    assert set(kernel.names) == {"error"}
    kernel.space["error"] = False
    kernel.run(source.format(error), "C")
    assert kernel["ys"] == [11, 21]


def test_a_loop_whose_first_cell_failed_has_not_begun() -> None:
    kernel = Kernel()
    with pytest.raises(ZeroDivisionError):
        kernel.run("%%component a --for x in [1, 2]\ny = x\n1 / (x - 2)")
    with pytest.raises(NameError):
        kernel.run("%%component b --for x in [1, 2]\ny")


def test_a_loop_over_an_underscore() -> None:
    kernel = Kernel(_="IPython's", xs=[])
    kernel.run("%%component a --for _ in range(2)\nxs.append(_)")
    kernel.run("%%component b --for _ in range(2)\nxs.append(_)")
    assert kernel.space["_"] == "IPython's"
    assert kernel["xs"] == [0, 1, 0, 1]


def test_what_is_no_sequence_is_an_error_of_the_header() -> None:
    with pytest.raises(TypeError, match="must be an iterable, not int") as caught:
        Kernel().run("%%component a --for x in 5\npass")
    assert caught.traceback[-1].lineno == 0


STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from("abx"), st.sampled_from("abxo"), st.sampled_from(["+", "*"]), st.integers(0, 3)
    ).map(lambda t: f"{t[0]} = {t[1]} {t[2]} {t[3]}"),
    min_size=1,
    max_size=6,
)


@given(statements=STATEMENTS, data=st.data())
def test_a_body_in_many_cells_is_the_body_in_one(statements: list[str], data: st.DataObject) -> None:
    statements = ["a = a + 0", "b = b + 0", *statements]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(statements)))) - {len(statements)})
    around: dict[str, Any] = {"a": 1, "b": 2, "o": 3}
    header = "--for x in [1, 2, 3] --collect xs=x,as_=a,bs=b"

    whole = Kernel(**around)
    whole.run(f"%%component s {header}\n" + "\n".join(statements))
    parts = Kernel(**around)
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(statements)], strict=True)):
        parts.run(f"%%component s{number} {header}\n" + "\n".join(statements[start:end]))

    plain = []
    for x in [1, 2, 3]:
        space = {**around, "x": x}
        exec("\n".join(statements), space)
        plain.append((space["x"], space["a"], space["b"]))
    assert whole.names == parts.names
    assert list(zip(whole["xs"], whole["as_"], whole["bs"], strict=True)) == plain
    assert {name: whole[name] for name in around} == around
