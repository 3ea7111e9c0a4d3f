"""Which cells of a branch run, and what the others say."""

from __future__ import annotations

import pytest

from jupyter_kfp.live.errors import LiveError

from .kernel import Kernel


@pytest.mark.parametrize(
    ("accuracy", "ran", "said"),
    [
        (
            0.95,
            "deploy",
            ["Skipped retrain: accuracy >= 0.9 was true", "Skipped drop: accuracy >= 0.9 was true"],
        ),
        (
            0.7,
            "retrain",
            [
                "Skipped deploy: accuracy >= 0.9 is false (accuracy = 0.7)",
                "Skipped drop: accuracy >= limit was true",
            ],
        ),
        (
            0.2,
            "drop",
            [
                "Skipped deploy: accuracy >= 0.9 is false (accuracy = 0.2)",
                "Skipped retrain: accuracy >= limit is false (accuracy = 0.2, limit = 0.5)",
            ],
        ),
    ],
)
def test_one_arm_runs_and_the_others_say_why_not(accuracy: float, ran: str, said: list[str]) -> None:
    kernel = Kernel(accuracy=accuracy, limit=0.5)
    lines = [
        *kernel.run("%%component deploy --if accuracy >= 0.9\nran = 'deploy'"),
        *kernel.run("%%component retrain --elif accuracy >= limit\nran = 'retrain'"),
        *kernel.run("%%component drop --else\nran = 'drop'"),
    ]
    assert kernel["ran"] == ran
    assert lines == said


def test_what_an_arm_binds_stays() -> None:
    kernel = Kernel(x=1)
    kernel.run("%%component a --if x\nimport math\ny: int = x + 1\ndef f(): return y\ndel x")
    assert kernel["f"]() == 2
    assert "x" not in kernel.names


def test_truth_is_pythons() -> None:
    kernel = Kernel(xs=[])
    assert kernel.run("%%component a --if xs\ny = 1") == ["Skipped a: xs is false (xs = [])"]
    kernel.run("%%component b --if not xs\ny = 2")
    assert kernel["y"] == 2


def test_a_test_is_evaluated_for_every_cell() -> None:
    kernel = Kernel(n=0)
    kernel.run("%%component a --if n == 0\nn = 1")
    assert kernel.run("%%component b --if n == 0\nn = 2") == ["Skipped b: n == 0 is false (n = 1)"]
    kernel.run("%%component c --else\nelse_of_the_second = True")
    assert kernel["else_of_the_second"]


def test_cells_of_an_elif_share_its_verdict() -> None:
    kernel = Kernel(n=0)
    kernel.run("%%component a --if n\npass")
    kernel.run("%%component b --elif n == 0\nn = 5")
    kernel.run("%%component c --elif n==0\nn += 1")
    assert kernel["n"] == 6
    assert kernel.run("%%component d --else\nn = 0") == ["Skipped d: n == 0 was true"]


def test_tests_after_the_taken_arm_are_not_evaluated() -> None:
    kernel = Kernel(n=1)
    kernel.run("%%component a --if n\nm = 1")
    assert kernel.run("%%component b --elif 1 / 0\nm = 2") == ["Skipped b: n was true"]
    assert kernel["m"] == 1


def test_branches_in_branches() -> None:
    kernel = Kernel(a=True, b=False)
    kernel.run("%%component one --if a --if b\nran = 1")
    kernel.run("%%component two --if a --else\nran = 2")
    kernel.run("%%component three --else\nran = 3")
    assert kernel["ran"] == 2


def test_a_chain_goes_on_after_other_cells() -> None:
    kernel = Kernel(a=False)
    kernel.run("%%component one --if a\nran = 1")
    kernel.run("%%component between\npass")
    kernel.run("%%component two --else\nran = 2")
    assert kernel["ran"] == 2


@pytest.mark.parametrize("header", ["--else", "--elif x"])
def test_an_arm_needs_an_if(header: str) -> None:
    with pytest.raises(LiveError, match=r"`--\w+` of a has no `--if` before it"):
        Kernel(x=1).run(f"%%component a {header}\npass")


def test_nothing_comes_after_an_else() -> None:
    kernel = Kernel(x=0)
    kernel.run("%%component a --if x\npass")
    kernel.run("%%component b --else\npass")
    with pytest.raises(LiveError, match="after the --else"):
        kernel.run("%%component c --elif x == 0\npass")


def test_an_arm_that_runs_again_asks_again() -> None:
    kernel = Kernel(n=1)
    kernel.run("%%component a --if n == 0\nran = 'a'", "A")
    kernel.run("%%component b --elif n == 1\nran = 'b'", "B")
    kernel.run("%%component c --else\nran = 'c'", "C")
    assert kernel["ran"] == "b"
    kernel.run("n = 2\n".join(["%%component set\n", ""]))
    assert kernel.run("%%component b --elif n == 1\nran = 'b'", "B") == ["Skipped b: n == 1 is false (n = 2)"]
    kernel.run("%%component c --else\nran = 'c'", "C")
    assert kernel["ran"] == "c"


def test_an_error_in_a_test_leaves_the_branch_as_it_was() -> None:
    kernel = Kernel(n=1)
    kernel.run("%%component a --if n == 1\npass")
    with pytest.raises(NameError) as caught:
        kernel.run("\n%%component b --if nobody\npass")
    assert caught.traceback[-1].lineno + 1 == 2, "the header's line"
    assert kernel.run("%%component c --else\npass") == ["Skipped c: n == 1 was true"]


def test_only_plain_values_are_shown() -> None:
    class Frame:
        def __repr__(self) -> str:
            raise AssertionError("it may be large")

        def __bool__(self) -> bool:
            return False

    kernel = Kernel(frame=Frame(), text="x" * 100, f=len, items={"a": [Frame()]})
    (line,) = kernel.run("%%component a --if frame and f(text) and items\npass")
    assert "frame = <Frame>" in line
    assert "items = {'a': [<Frame>]}" in line
    assert "f = " not in line
    assert len(line) < 160
