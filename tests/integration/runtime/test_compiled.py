"""Branches, loops, exit handlers and nested notebooks: compiled, and run by the engine."""

from __future__ import annotations

from pathlib import Path

import jupyter_kfp
from jupyter_kfp.compiler import compile_pipeline
from jupyter_kfp.pipeline import (
    Arm,
    ArtifactType,
    Branch,
    Code,
    Constant,
    ExitHandler,
    External,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Input,
    Loop,
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

ANY = ValueType(ArtifactType.ARTIFACT)
INTEGER = ValueType(ParameterType.INTEGER)
STRING = ValueType(ParameterType.STRING)
NUMBERS = ValueType(ParameterType.LIST, ParameterType.INTEGER)


def step(
    name: str, code: str, reads: dict[str, tuple[ValueType, Source]] | None = None, /, **makes: ValueType
) -> Step:
    inputs = tuple(Input(n, t, s) for n, (t, s) in (reads or {}).items())
    body = (Code(code, 0),) if code else ()
    return Step(name, body, inputs=inputs, outputs=tuple(Output(n, t) for n, t in makes.items()))


def nested() -> Pipeline:
    """Another notebook: it doubles a number."""
    double = step("double", "twice = n * 2", {"n": (INTEGER, FromParameter("n"))}, twice=INTEGER)
    return Pipeline(
        "double",
        (double,),
        (Parameter("n", INTEGER, 1),),
        (PipelineOutput("twice", INTEGER, FromStep("double", "twice")),),
    )


def everything() -> Pipeline:
    """A loop in a loop over the same list, a nested notebook in it, what they leave, and a choice."""
    double = External(
        "double", nested(), (Input("n", INTEGER, FromItem("inner")),), (Output("twice", INTEGER),)
    )
    pair = step(
        "pair",
        "pair = (a, b, twice)\ntotal = a + twice",
        {
            "a": (INTEGER, FromItem("outer")),
            "b": (INTEGER, FromItem("inner")),
            "twice": (INTEGER, FromStep("double", "twice")),
        },
        pair=ANY,
        total=INTEGER,
    )
    xs = FromParameter("xs")
    loops = Loop("outer", "a", xs, INTEGER, (Loop("inner", "b", xs, INTEGER, (double, pair)),))
    pairs, totals = (FromLoop("outer", FromStep("pair", name)) for name in ("pair", "total"))
    gather = step(
        "gather",
        "assert pairs == [(1, 1, 2), (1, 2, 4), (2, 1, 2), (2, 2, 4)], pairs\nbest = max(totals)\nkept = pairs",
        {"pairs": (ValueType(ArtifactType.ARTIFACT, many=True), pairs), "totals": (NUMBERS, totals)},
        best=INTEGER,
        kept=ANY,
    )
    arms = (
        Arm(
            Compare(FromStep("gather", "best"), ">", Constant(100)),
            (step("large", "word = 'large'", word=STRING),),
        ),
        Arm(None, (step("carry", "", {"word": (STRING, FromParameter("word"))}, word=STRING),)),
    )
    word = FromBranch("size", (FromStep("large", "word"), FromStep("carry", "word")))
    end = step("end", "said = word + '!'", {"word": (STRING, word)}, said=STRING)
    done = step("done", "open(note, 'w').write(status.state)", {"note": (STRING, FromParameter("note"))})
    return Pipeline(
        "everything",
        (ExitHandler(done, (loops, gather, Branch("size", arms), end)),),
        (
            Parameter("xs", NUMBERS, [1, 2]),
            Parameter("word", STRING, "small"),
            Parameter("note", STRING, required=True),
        ),
        (
            PipelineOutput("said", STRING, FromStep("end", "said")),
            PipelineOutput("word", STRING, word),
            PipelineOutput("totals", NUMBERS, totals),
            PipelineOutput("kept", ANY, FromStep("gather", "kept")),
        ),
    )


def test_everything_runs(tmp_path: Path) -> None:
    file, note = tmp_path / "everything.yaml", tmp_path / "note.txt"
    file.write_text(compile_pipeline(everything()), encoding="utf-8")
    run = jupyter_kfp.run(file, note=str(note))
    assert run.state == "SUCCEEDED", run
    assert note.read_text() == "SUCCEEDED"
    assert run.outputs["said"] == "small!"
    assert run.outputs["word"] == "small"
    assert run.outputs["totals"] == [3, 5, 4, 6]
