"""What KFP cannot say of branches, loops and exit handlers is refused, with step and remedy."""

from __future__ import annotations

import pytest

from jupyter_kfp.compiler import diagnose
from jupyter_kfp.pipeline import (
    Arm,
    Branch,
    Constant,
    ExitHandler,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Loop,
    Node,
    Parameter,
    ParameterType,
    Pipeline,
    PipelineOutput,
    Step,
    ValueType,
)
from jupyter_kfp.pipeline import Test as Compare

from .cases import FLOAT, STRING
from .test_groups import BOOLEAN, INTEGER, step

X = FromParameter("x")
FIVE = Compare(X, "==", Constant(5))
A = FromStep("a", "n")
PARAMETERS = (
    Parameter("x", INTEGER, 1),
    Parameter("maybe", INTEGER, None),
    Parameter("who", STRING, "me"),
    Parameter("big", ValueType(ParameterType.DICT), {}),
    Parameter("xs", ValueType(ParameterType.LIST, ParameterType.INTEGER), None),
)


def branch(*bodies: Step) -> Branch:
    """An if, and an else where there are two."""
    tests = [FIVE, None]
    return Branch("b", tuple(Arm(t, (body,), "x == 5") for t, body in zip(tests, bodies, strict=False)))


def loop(*body: Node, items: object = None, kind: ValueType = INTEGER) -> Loop:
    source = items if isinstance(items, Constant | FromParameter | FromStep) else Constant([1])
    return Loop("l", "n", source, kind, body, text="ITEMS")


def when(test: Compare, *before: Node) -> tuple[Node, ...]:
    return (*before, Branch("b", (Arm(test, (step("a"),), "IT"),)))


REFUSED = {
    "another branch's value": (
        (branch(step("a", n=INTEGER), step("c", {"n": (INTEGER, A)})),),
        "'c' reads 'n' as int and would get nothing. Give it a value in every branch",
    ),
    "an iteration's value": (
        (loop(step("a", n=INTEGER)), step("c", {"n": (INTEGER, A)})),
        "would get nothing. Collect it (--collect NAMES=NAME), or read it inside the loop.",
    ),
    "an item outside of its loop": (
        (loop(step("a")), step("c", {"n": (INTEGER, FromItem("l"))})),
        "'c' reads 'n' as int and would get nothing.",
    ),
    "one of a branch without else": (
        (branch(step("a", n=INTEGER)), step("c", {"n": (INTEGER, FromBranch("b", (A,)))})),
        "would get nothing",
    ),
    "one of different types": (
        (
            branch(step("a", n=INTEGER), step("d", n=STRING)),
            step("c", {"n": (INTEGER, FromBranch("b", (A, FromStep("d", "n"))))}),
        ),
        "would get nothing",
    ),
    "collected under a condition": (
        (loop(branch(step("a", n=INTEGER))), step("c", {"n": (ValueType(ParameterType.LIST), FromLoop("l", A))})),
        "would get nothing",
    ),
    "collected inside the loop": (
        (loop(step("a", n=INTEGER), step("c", {"n": (ValueType(ParameterType.LIST), FromLoop("l", A))})),),
        "would get nothing",
    ),
    "a constant of another type": ((step("c", {"n": (INTEGER, Constant("a"))}),), "as int and would get a str."),
    "a constant KFP rewrites": ((step("c", {"n": (STRING, Constant("{{$}}"))}),), "contains '{{$'"),
    "after the inside of a lone if": (
        (branch(step("a")), step("c", after=("a",))),
        "'c' comes after 'a', which runs under a condition that it does not have; KFP would skip both. Put 'c' under",
    ),
    "after the other branch": (
        (branch(step("a"), step("c", after=("a",))),),
        "which stands in another branch of 'b': only one of them runs. Take out after:a.",
    ),
    "after the exit step": (
        (ExitHandler(step("z"), (step("c", after=("z",)),)),),
        "'c' comes after 'z', and 'z' runs last in any case.",
    ),
    "an exit step that reads a step's value": (
        (ExitHandler(step("z", {"n": (INTEGER, A)}), (step("a", n=INTEGER),)),),
        "KFP gives it parameters and status only",
    ),
    "texts compared with numbers": (when(Compare(X, "==", Constant("5"))), "cannot decide 'IT': it compares int with str"),
    "numbers compared with booleans": (
        when(Compare(FromStep("flag", "n"), "==", Constant(1)), step("flag", n=BOOLEAN)),
        "cannot decide 'IT': it compares bool with int",
    ),
    "a dict in a condition": (when(Compare(FromParameter("big"), "==", X)), "texts, numbers and booleans only"),
    "None in a condition": (when(Compare(FromParameter("maybe"), "==", X)), "may be None"),
    "infinity in a condition": (when(Compare(X, "<", Constant(float("inf")))), "inf cannot be written"),
    "a number KFP would round": (when(Compare(X, "<", Constant(2**53 + 1))), "cannot be written"),
    "half a letter": (when(Compare(FromParameter("who"), "==", Constant("\ud800"))), "cannot be written"),
    "an unknown operator": (when(Compare(X, "in", Constant(1))), "'in' is no comparison"),
    "a loop over a number": ((loop(step("a"), items=X),), "goes over 'ITEMS', which may be a int"),
    "a loop over None": ((loop(step("a"), items=FromParameter("xs")),), "which may be None"),
    "a loop over mixed items": ((loop(step("a"), items=Constant([1, "a"])),), "has items that are no int"),
    "an empty arm": ((Branch("b", (Arm(FIVE, (), "x == 5"),)),), "The branch 'x == 5' has no steps."),
    "an empty loop": ((loop(),), "The loop over 'ITEMS' has no steps."),
    "a step called as a group": ((loop(step("for_loop-2")),), "KFP itself calls groups of steps 'for-loop-2'. Rename"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    body, message = REFUSED[case]
    found = [str(finding) for finding in diagnose(Pipeline("p", body, PARAMETERS))]
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    ("body", "source", "message"),
    [
        ((loop(step("a", n=INTEGER)),), A, "would be nothing. Collect it"),
        ((step("a", n=INTEGER),), Constant(1), "is a constant"),
        ((loop(step("a", n=INTEGER)),), FromLoop("l", A), "would be a list[int]"),
    ],
)
def test_outputs(body: tuple[Node, ...], source: object, message: str) -> None:
    (finding,) = diagnose(Pipeline("p", body, outputs=(PipelineOutput("n", INTEGER, source),)))  # type: ignore[arg-type]
    assert message in str(finding)


def test_order_that_kfp_keeps_is_not_refused() -> None:
    body = (
        loop(step("a"), step("d", after=("a",))),
        branch(step("e", after=("a",)), step("f")),
        step("c", after=("a", "e")),
    )
    assert diagnose(Pipeline("p", body, PARAMETERS)) == ()


def test_whole_numbers_for_floats() -> None:
    use = step("c", {"n": (FLOAT, Constant(1)), "m": (FLOAT, FromItem("l"))})
    assert diagnose(Pipeline("p", (loop(use, items=Constant([1, 2.5]), kind=FLOAT),))) == ()
