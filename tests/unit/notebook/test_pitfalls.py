"""The pitfalls that the source documents warn of, by name (requirements, row 37): each is told before a run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jupyter_kfp.errors import Diagnostic, Severity
from jupyter_kfp.notebook import Analysis, analyze
from jupyter_kfp.notebook.pitfalls import check_pitfalls
from jupyter_kfp.notebook.source import parse_notebook
from jupyter_kfp.pipeline import Constant, FromParameter, FromStep, Json, Loop, ParameterType, ValueType

from .writing import analysis_of, codes, sources

INTEGER = ValueType(ParameterType.INTEGER)


def pitfalls(analysis: Analysis) -> list[Diagnostic]:
    """What `check_pitfalls` finds in a notebook that has no errors."""
    assert analysis.ok, [str(d) for d in analysis.diagnostics]
    return list(check_pitfalls(analysis.reading, analysis.pipeline))


def found(text: str) -> list[tuple[str, str | None, int | None, int | None]]:
    """(code, step, cell, line) of every pitfall in the notebook that ``text`` writes down."""
    return [(d.code, d.step, d.cell, d.line) for d in pitfalls(analysis_of(text))]


# ------------------------------------------------- imports outside the function


def test_imports_outside_the_function_are_no_pitfall_here() -> None:
    analysis = analysis_of("# %% imports\nimport math\n\n# %% step:a\nx = math.pi")
    assert analysis.diagnostics == ()
    assert "import math" in analysis.pipeline.step("a").preamble[0].source


def test_an_import_inside_another_step_travels_too() -> None:
    analysis = analysis_of("# %% step:a\nimport math\nx = math.pi\n\n# %% step:b\ny = math.e")
    assert analysis.diagnostics == ()
    assert ["import math" in code.source for code in analysis.pipeline.step("b").preamble] == [True]
    assert sources(analysis.pipeline.step("b")) == {}


# ------------------------------------------------------- unserializable returns


@pytest.mark.parametrize(
    "made", ["(i for i in range(3))", "lambda: 1", "open('f')"], ids=["generator", "lambda", "file"]
)
def test_an_unserializable_return_is_an_error_unless_its_source_travels(made: str) -> None:
    analysis = analysis_of(f"# %% step:a\nvalue = {made}\n\n# %% step:b\nprint(value)")
    if made.startswith("lambda"):
        assert sources(analysis.pipeline.step("b")) == {}  # a function is code and travels as such
    else:
        assert codes(analysis) == ["K303"]


# ------------------------------------------------ missing resources on heavy steps

TORCH = "# %% imports\nimport torch\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TORCH + "# %% step:a\nloss = torch.ones(1)\nloss.backward()", [("K401", "a", 1, 2)]),
        (
            "# %% step:a\nfrom transformers import AutoModel\nmodel = AutoModel.from_pretrained('bert')",
            [("K401", "a", 0, 2)],
        ),
        (
            # The function that trains stands in the preamble.
            TORCH + "# %% functions\ndef fit_it(x):\n    torch.ones(x).backward()\n\n# %% step:a\nfit_it(3)",
            [("K401", "a", 2, None)],
        ),
        (
            # The model was made by another step.
            "# %% imports\nimport keras\n\n# %% step:make\nmodel = keras.Sequential()\n\n# %% step:fit\nmodel.fit([1], [2])",
            [("K401", "fit", 2, 1)],
        ),
    ],
    ids=["own code", "loads", "preamble", "made elsewhere"],
)
def test_missing_resources_on_a_heavy_step(text: str, expected: list[Any]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize("option", ["memory:8G", "cpu:2", "gpu:1", "memory_request:1G"])
def test_a_heavy_step_that_names_its_resources_is_fine(option: str) -> None:
    assert found(TORCH + f"# %% step:a {option}\nloss = torch.ones(1)\nloss.backward()") == []


@pytest.mark.parametrize(
    "text",
    [
        TORCH + "# %% step:a\nx = torch.ones(3).tolist()",
        "# %% imports\nfrom sklearn.svm import SVC\n\n# %% step:a\nmodel = SVC().fit([[1], [2]], [0, 1])",
        "# %% imports\nimport xgboost\n\n# %% step:a\nmodel = xgboost.XGBClassifier()\nmodel.fit([[1], [2]], [0, 1])",
        "# %% step:a\nfrom transformers import AutoTokenizer\ntokens = AutoTokenizer.from_pretrained('bert')",
        # Another step's library is not this one's.
        TORCH
        + "# %% step:a\nx = torch.ones(3).tolist()\n\n# %% step:b\nfrom sklearn.svm import SVC\nm = SVC().fit([x], [1])",
    ],
    ids=["tensor", "sklearn", "xgboost", "tokenizer", "other step"],
)
def test_light_steps_need_no_resources(text: str) -> None:
    assert found(text) == []


# -------------------------------------------------------------- a monolithic step

PHASES = [
    "import pandas as pd\nfrom sklearn.svm import SVC\ndf = pd.read_csv('https://example.com/x.csv')",
    "df = df.fillna(0)\nX, y = df.drop(columns='y'), df.y",
    "model = SVC().fit(X, y)",
    "accuracy = model.score(X, y)",
]


def monolith(cells: list[str], *, tags: list[list[str]] | None = None, headings: bool = True) -> Analysis:
    """A notebook with a heading before every cell."""
    written: list[dict[str, Any]] = []
    for number, source in enumerate(cells):
        if headings:
            written.append({"cell_type": "markdown", "metadata": {}, "source": f"## Part {number}"})
        own = tags[number] if tags else ["step:all"] if number == 0 else []
        written.append({"cell_type": "code", "metadata": {"tags": own}, "source": source})
    return analyze(parse_notebook(json.dumps({"nbformat": 4, "metadata": {}, "cells": written}), "nb"))


def filled(cells: list[str], statements: int) -> list[str]:
    """The same cells with more to do in the second one."""
    more = "\n".join(f"df['c{number}'] = {number}" for number in range(statements))
    return [cells[0], f"{cells[1]}\n{more}", *cells[2:]]


def test_a_monolithic_step_of_several_headings() -> None:
    (warning,) = pitfalls(monolith(filled(PHASES, 15)))
    assert (warning.code, warning.severity, warning.step, warning.cell) == (
        "K402",
        Severity.WARNING,
        "all",
        1,
    )
    assert "load, prepare, train, evaluate" in warning.message


def test_a_long_monolithic_step_needs_no_headings() -> None:
    assert [d.code for d in pitfalls(monolith(filled(PHASES, 60), headings=False))] == ["K402"]


@pytest.mark.parametrize(
    "analysis",
    [
        monolith(PHASES),
        monolith(filled(PHASES, 15), headings=False),
        monolith(filled(PHASES, 15), tags=[["step:a"], ["step:b"], ["step:c"], ["step:d"]]),
        monolith(["x = 1", *[f"x += {n}" for n in range(70)]]),
    ],
    ids=["small", "medium without headings", "divided", "one phase"],
)
def test_what_is_no_monolith(analysis: Analysis) -> None:
    assert pitfalls(analysis) == []


# ------------------------------------------------- string-to-boolean comparison


def comparison(default: str, code: str) -> str:
    return f"# %% parameters\nflag = {default}\n\n# %% step:a\n{code}"


@pytest.mark.parametrize(
    ("default", "code", "remedy"),
    [
        ("True", "x = 1 if flag == 'true' else 2", "`if flag`"),
        ("False", "x = 'False' != flag", "`if flag`"),
        ("'true'", "x = 1\nif flag == True:\n    x = 2", '`flag == "true"`'),
    ],
)
def test_a_bool_compared_with_a_text(default: str, code: str, remedy: str) -> None:
    (warning,) = pitfalls(analysis_of(comparison(default, code)))
    assert (warning.code, warning.severity, warning.step, warning.cell) == ("K403", Severity.WARNING, "a", 1)
    assert remedy in warning.remedy


def test_a_bool_of_an_earlier_step_compared_with_a_text() -> None:
    text = "# %% step:a\ngood: bool = 1 < 2\n\n# %% step:b\nx = 1\ny = good == 'True'"
    assert found(text) == [("K403", "b", 1, 2)]


@pytest.mark.parametrize(
    ("default", "code"),
    [
        ("True", "x = flag == False"),
        ("'a'", "x = flag == 'true'"),
        ("True", "flag = str(flag)\nx = flag == 'True'"),
        ("1", "x = flag == '1'"),
    ],
)
def test_comparisons_that_can_be_true_or_are_not_known(default: str, code: str) -> None:
    assert found(comparison(default, code)) == []


# --------------------------------------------------------- secrets in parameters


@pytest.mark.parametrize(
    "text",
    [
        "# %% parameters\npassword = 'hunter2-and-more'\n\n# %% step:a\nx = password",
        "# %% step:a\napi_key = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'",
        "# %% functions\nTOKEN = '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'\n\n# %% step:a\nx = TOKEN",
    ],
    ids=["default of a parameter", "code of a step", "preamble"],
)
def test_a_secret_is_an_error(text: str) -> None:
    assert "K306" in codes(analysis_of(text))


# --------------------------------------------------------- unbounded ParallelFor


def looping(items: Constant | FromParameter | FromStep, parallelism: int | None = None) -> list[Diagnostic]:
    """What is found in a pipeline whose second step stands in a loop."""
    analysis = analysis_of("# %% parameters\nmany = [1, 2]\n\n# %% step:a\nxs = many\n\n# %% step:b\ny = 1")
    first, second = analysis.pipeline.body
    loop = Loop("for-x", "x", items, INTEGER, (second,), parallelism, text="xs")
    return list(check_pitfalls(analysis.reading, replace(analysis.pipeline, body=(first, loop))))


def constants(count: int) -> Constant:
    values: list[Json] = list(range(count))
    return Constant(values)


@pytest.mark.parametrize("items", [constants(11), FromParameter("many"), FromStep("a", "xs")])
def test_an_unbounded_loop(items: Constant | FromParameter | FromStep) -> None:
    (warning,) = looping(items)
    assert (warning.code, warning.severity, warning.step, warning.cell) == ("K404", Severity.WARNING, "b", 2)
    assert "--parallelism" in warning.remedy
    assert looping(items, parallelism=4) == []


def test_a_loop_over_few_known_items_needs_no_limit() -> None:
    assert looping(constants(10)) == []


def test_the_header_of_an_unbounded_loop_is_its_place() -> None:
    text = "# %% parameters\nmany: list = [1, 2]\n\n# %%\n\n%%component b --for x in many\ny = x"
    assert found(text) == [("K404", "b", 1, 1)]
