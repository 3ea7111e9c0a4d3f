"""Pipelines with control flow, as KFP's own compiler makes them."""

# ruff: noqa: B006, PTH123, T201 (the bodies of components are as users write them)

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, List  # noqa: UP035 (as KFP's documentation has it)

from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Output, PipelineTaskFinalStatus


def compiled(pipeline: Callable[..., Any]) -> str:
    """The IR of a pipeline."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pipeline.yaml")
        compiler.Compiler().compile(pipeline, str(path))  # type: ignore[arg-type]
        return path.read_text(encoding="utf-8")


@dsl.component(base_image="python:3.11")
def numbers(n: int) -> list:  # type: ignore[type-arg]
    return list(range(n))


@dsl.component(base_image="python:3.11")
def pair(x: int, y: str) -> str:
    assert isinstance(x, int), "an integer stays one, in lists too"
    return f"{x}{y}"


@dsl.component(base_image="python:3.11")
def twice(x: int) -> list:  # type: ignore[type-arg]
    return [x, x]


@dsl.component(base_image="python:3.11")
def show(value: list) -> str:  # type: ignore[type-arg]
    return repr(value)


@dsl.component(base_image="python:3.11")
def say(text: str = "nothing") -> str:
    return text


@dsl.component(base_image="python:3.11")
def fail(text: str) -> str:
    raise RuntimeError(text)


@dsl.component(base_image="python:3.11")
def fail_on(item: str, bad: str) -> str:
    assert item != bad, f"{item} is bad"
    return item


@dsl.component(base_image="python:3.11")
def report(status: PipelineTaskFinalStatus, path: str = ""):  # type: ignore[no-untyped-def]
    import json
    import pathlib

    print("reported", status)
    if path:
        pathlib.Path(path).write_text(json.dumps(vars(status)))


@dsl.component(base_image="python:3.11")
def write(name: str, out: Output[Dataset]):  # type: ignore[no-untyped-def]
    with open(out.path, "w") as stream:
        stream.write(name)
    out.metadata["name"] = name


@dsl.component(base_image="python:3.11")
def read(found: Input[Artifact]) -> str:
    with open(found.path) as stream:
        return f"{stream.read()} {found.metadata}"


@dsl.component(base_image="python:3.11")
def read_all(found: Input[List[Artifact]]) -> str:  # noqa: UP006
    return ",".join(open(each.path).read() + each.metadata["name"] for each in found)


@dsl.pipeline
def nested_loops(outer: list = [1, 2], n: int = 2) -> str:  # type: ignore[type-arg]
    """Two loops, one inside the other, and what they leave."""
    made = numbers(n=n)
    with dsl.ParallelFor(outer) as x:
        with dsl.ParallelFor(["a", "b"], parallelism=1) as y:
            each = pair(x=x, y=y)
        whole = twice(x=x)
        show(value=made.output)  # the item of a loop does not stand in for other values
        inside = show(value=dsl.Collected(each.output))
        say(text=inside.output)
    show(value=dsl.Collected(whole.output))
    return show(value=dsl.Collected(each.output)).output


@dsl.pipeline
def made_items(n: int = 3) -> str:
    """A loop over what a task made; none, if n is 0."""
    with dsl.ParallelFor(numbers(n=n).output) as x:
        each = pair(x=x, y="!")
    return show(value=dsl.Collected(each.output)).output


@dsl.pipeline
def structs(items: list = [{"n": 1, "s": "a"}, {"n": 2, "s": "b"}]) -> str:  # type: ignore[type-arg]
    """A loop over mappings, of which tasks take parts."""
    with dsl.ParallelFor(items) as item:
        with dsl.If(item.s == "a"):
            say(text=item.s)
        each = pair(x=item.n, y=item.s)
    return show(value=dsl.Collected(each.output)).output


@dsl.pipeline
def many_items(count: int = 5) -> str:
    """More iterations at once than kfp.local runs."""
    with dsl.ParallelFor([1, 2, 3, 4, 5]) as x:
        each = pair(x=x, y="")
    return show(value=dsl.Collected(each.output)).output


@dsl.pipeline
def branches(number: int = 1, ratio: float = 0.5, word: str = "a") -> str:
    """If, elif and else, what one of them made, and a branch of its own."""
    with dsl.If(number == 1):
        first = say(text="one")
    with dsl.Elif(number > 1):
        second = say(text="more")
    with dsl.Else():
        third = say(text="less")
    with dsl.If(ratio > 0.75):
        high = say(text=word)
        say(text=high.output)
    with dsl.If(word == "b"):
        say(text="b it is")
    return say(text=dsl.OneOf(first.output, second.output, third.output)).output


@dsl.pipeline
def artifacts(which: str = "x") -> str:
    """Artifacts out of branches and loops."""
    with dsl.If(which == "x"):
        x = write(name="x")
    with dsl.Else():
        y = write(name="y")
    read(found=dsl.OneOf(x.outputs["out"], y.outputs["out"]))
    with dsl.ParallelFor(["p", "q", "r"]) as name:
        each = write(name=name)
    return read_all(found=dsl.Collected(each.outputs["out"])).output


@dsl.pipeline
def exits(path: str = "") -> None:
    """A part that fails, and what runs whatever happens."""
    with dsl.ExitHandler(report(path=path)):
        failed = fail(text="broken")
        say(text=failed.output)
        say(text="beside")
    say(text="independent")


@dsl.pipeline
def tolerant() -> str:
    """A task that goes on with its default where the one before it failed."""
    return say(text=fail(text="broken").output).ignore_upstream_failure().output


@dsl.pipeline
def failing_iteration() -> str:
    """A loop of which one iteration fails, and a branch that has nothing to do with it."""
    with dsl.ParallelFor(["a", "b", "c"], parallelism=1) as item:
        checked = fail_on(item=item, bad="b")
        say(text=checked.output)
    say(text="independent")
    return show(value=dsl.Collected(checked.output)).output


@dsl.pipeline
def inner(text: str, times: int = 2) -> str:
    """Used as a component."""
    return pair(x=times, y=say(text=text).output).output


@dsl.pipeline
def nested(text: str = "hi") -> str:
    """Pipelines in a pipeline, in a loop too."""
    first = inner(text=text)
    with dsl.ParallelFor([1, 2]) as times:
        each = inner(text=first.output, times=times)
    return show(value=dsl.Collected(each.output)).output


@dsl.pipeline
def imported(uri: str, text: str = "t") -> str:
    """An artifact from elsewhere."""
    found = dsl.importer(
        artifact_uri=uri, artifact_class=Dataset, reimport=False, metadata={"given": text, "name": "n"}
    )
    return read(found=found.output).output
