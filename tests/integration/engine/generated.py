"""Pipelines of KFP's own DSL, generated: what `kfp.local` runs right is the same everywhere.

A pipeline is a list of operations; each makes a value that later ones may use. They are data, so that
hypothesis can make them smaller; `build` makes KFP's pipeline of them.
"""

# ruff: noqa: PTH123 (the bodies of components are as users write them)

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from kfp import dsl
from kfp.dsl import Dataset, Input, Output

component = dsl.component(install_kfp_package=False, base_image="python:3.11")


@component
def join(first: str, second: str = "by default") -> str:
    import hashlib

    text = f"<{first}|{second}>"  # the whole of it would double at every step
    return text if len(text) < 80 else f"{text[:60]}{hashlib.sha256(text.encode()).hexdigest()}"


@component
def gather(
    a: str, b: str = "", c: str = "", d: str = "", e: str = "", f: str = "", g: str = "", h: str = ""
) -> str:
    return "\n".join((a, b, c, d, e, f, g, h))


@component
def measure(text: str, factor: int = 3, ratio: float = 0.5) -> int:
    assert (type(factor), type(ratio)) == (int, float)
    return len(text) * factor + int(ratio * 10)


@component
def number(value: int) -> str:
    assert type(value) is int
    return f"#{value}"


@component
def write(text: str, out: Output[Dataset]):  # type: ignore[no-untyped-def]
    with open(out.path, "w") as file:
        file.write(text)
    out.metadata["length"] = str(len(text))


@component
def read(found: Input[Dataset]) -> str:
    with open(found.path) as file:
        return f"{file.read()}:{found.metadata['length']}"


@component
def record(text: str, flag: bool = True) -> dict:  # type: ignore[type-arg]
    return {"text": text, "flag": flag, "deep": {"list": [text, "é"]}}


@component
def look(found: dict) -> str:  # type: ignore[type-arg]
    return repr(sorted(found.items()))


@dsl.pipeline
def inner(text: str, suffix: str = "inside") -> str:
    return join(first=join(first=text, second=suffix).output).output  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Op:
    """One operation. ``first`` and ``second`` pick among the texts there are by then, modulo their number.

    ``second`` is None where the default holds; ``text`` is a constant.
    """

    kind: str
    first: int
    second: int | None
    text: str


KINDS = ("join", "measure", "artifact", "record", "nested", "if", "branches")
# Text that means something to a shell, to Python, to templates.
TEXTS = st.text(st.sampled_from("aé $`;%&*(){}<>#\\~=\n"), max_size=6)
OPS = st.builds(
    Op,
    kind=st.sampled_from(KINDS),
    first=st.integers(0, 20),
    second=st.none() | st.integers(0, 20),
    text=TEXTS,
)
PIPELINES = st.lists(OPS, min_size=2, max_size=5)


def build(ops: list[Op]) -> Callable[..., Any]:
    """The pipeline; its output is a text in which every operation's value is."""

    @dsl.pipeline(name="generated")
    def generated(word: str, choice: str = "a") -> str:
        texts: list[Any] = [word]
        ends: list[Any] = []
        for op in ops:
            made, is_end = _add(op, texts, choice)
            (ends if is_end else texts).append(made)
        return gather(**dict(zip("abcdefgh", [*texts, *ends], strict=False))).output  # type: ignore[no-any-return]

    return generated  # type: ignore[no-any-return]


def _add(op: Op, texts: list[Any], choice: Any) -> tuple[Any, bool]:
    """The value an operation makes, and whether only the end of the pipeline may use it."""
    first = texts[op.first % len(texts)]
    second = {} if op.second is None else {"second": texts[op.second % len(texts)]}
    match op.kind:
        case "join":
            return join(first=first, **second).output, False
        case "measure":
            return number(value=measure(text=first).output).output, False
        case "artifact":
            return read(found=write(text=first).outputs["out"]).output, False
        case "record":
            return look(found=record(text=first).output).output, False
        case "nested":
            return inner(text=first, **({"suffix": op.text} if second else {})).output, False
        case "if":
            with dsl.If(choice != "b"):
                join(first=first, second=op.text)
            return join(first=op.text, **second).output, False
        case _:
            with dsl.If(choice == "a"):
                left = join(first=first, second=op.text)
            with dsl.Else():
                right = join(first=op.text, second=first)
            return dsl.OneOf(left.output, right.output), True
