"""Which values travel as parameters, and which kind of artifact the others are."""

from __future__ import annotations

import pytest

from tests.unit.notebook.writing import analysis_of, types

EVIDENT = {
    "1": "int", "-1": "int", "1.5": "float", "True": "bool", "'a'": "str", "f'{1}'": "str", "not []": "bool",
    "int('3')": "int", "float('3')": "float", "str(3)": "str", "len([1])": "int", "bool([])": "bool",
    "round(2.5)": "int", "round(2.567, 2)": "float", "1 + 2": "int", "1 / 2": "float", "1 * 2.0": "float", "'a' + 'b'": "str",
    "'%s' % 3": "str", "'{}'.format(1)": "str", "', '.join(['a'])": "Artifact", "1 < 2": "bool", "1 in [1]": "bool",
    "None is None": "bool", "[1, 2]": "list", "[0.5, 1.0]": "list[float]", "{'a': 1}": "dict", "{'a': 0.5}": "dict[str, float]",
    "[]": "list",
    # What a parameter cannot hold exactly, or nobody can know, is an artifact.
    "None": "Artifact", "2**60": "Artifact", "9007199254740993": "Artifact", "(1, 2)": "Artifact", "{1: 2}": "Artifact",
    "{1}": "Artifact", "[1, 2.0]": "Artifact", "b'a'": "Artifact", "1j": "Artifact", "[(1,)]": "Artifact", "[object()]": "Artifact",
    "sum([1])": "Artifact", "[1] == [2]": "Artifact", "unknown()": "Artifact", "1e999": "Artifact",
}  # fmt: skip


@pytest.mark.parametrize("expression", EVIDENT)
def test_the_type_of_an_expression(expression: str) -> None:
    analysis = analysis_of(
        f"# %% functions\ndef unknown(): pass\n# %% step:a\nx = {expression}\n# %% outputs\nx"
    )
    assert types(analysis.pipeline.step("a")) == {"x": EVIDENT[expression]}


CONSTRUCTED = {
    "pd.DataFrame()": "Dataset", "pd.read_csv('a')": "Dataset", "pl.read_parquet('a')": "Dataset",
    "pd.DataFrame().dropna().rename(columns={})": "Dataset", "LogisticRegression()": "Model",
    "LogisticRegression().fit([[1]], [1])": "Model", "make_pipeline(LogisticRegression())": "Model",
    "xgb.XGBClassifier()": "Model", "plt.figure()": "HTML", "px.line([1])": "HTML", "np.zeros(3)": "Artifact",
    "Metrics()": "Metrics",
}  # fmt: skip


@pytest.mark.parametrize("expression", CONSTRUCTED)
def test_well_known_constructors(expression: str) -> None:
    analysis = analysis_of(
        "# %% imports\nimport pandas as pd, polars as pl, numpy as np, xgboost as xgb\nimport matplotlib.pyplot as plt\n"
        "import plotly.express as px\nfrom sklearn.linear_model import LogisticRegression\n"
        "from sklearn.pipeline import make_pipeline\nfrom jupyter_kfp import Metrics\n"
        f"# %% step:a\nx = {expression}\n# %% outputs\nx"
    )
    assert types(analysis.pipeline.step("a")) == {"x": CONSTRUCTED[expression]}


FLOWS = {
    "annotation": ("x: float = object()", "float"),
    "annotated list": ("x: list[float] = list()", "list[float]"),
    "annotated artifact": ("from jupyter_kfp import Dataset\nx: Dataset = object()", "Dataset"),
    "optional is no parameter": ("from typing import Optional\nx: Optional[float] = 1.0", "Artifact"),
    "union with None": ("x: float | None = 1.0", "Artifact"),
    "string annotation": ("x: 'float' = object()", "float"),
    "last binding counts": ("x = None\nx = 1.5", "float"),
    "one type on both paths": ("if len('a'):\n    x = 1\nelse:\n    x = 2", "int"),
    "two types": ("if len('a'):\n    x = 1\nelse:\n    x = 'b'", "Artifact"),
    "augmented to float": ("x = 1\nx += 0.5", "float"),
    "augmented by the unknown": ("x = 1\nx += max(1, 2)", "Artifact"),
    "counted in a loop": ("x = 0\nfor i in [1, 2]:\n    x += 1", "int"),
    "changed type in a loop": ("x = 1\nfor i in [1, 2]:\n    x = x / 2", "Artifact"),
    "type of the previous iteration": (
        "y = 1\nx = 1\nfor i in [1, 2]:\n    x = y\n    y = object()",
        "Artifact",
    ),
    "changed list": ("x = []\nx.append(object())", "Artifact"),
    "shared list": ("x = []\ny = x", "Artifact"),
    "shadowed cast": ("int = object\nx = int()", "Artifact"),
    "name of a scalar": ("y = 2\nx = y", "int"),
    "tuple of scalars": ("x, y = 1, 2", "int"),
}


@pytest.mark.parametrize("case", FLOWS)
def test_the_type_a_name_ends_with(case: str) -> None:
    code, expected = FLOWS[case]
    analysis = analysis_of(f"# %% step:a\n{code}\n# %% outputs\nx")
    assert types(analysis.pipeline.step("a"))["x"] == expected


def test_parameters_have_the_type_of_annotation_or_literal() -> None:
    analysis = analysis_of(
        "# %% parameters\na: float = 1\nb = 2\nc = [1.0]\nd = None\ne: int\nf = {'k': [1]}\ng = -1.5\n# %% step:s\nprint(a, b, c, d, e, f, g)"
    )
    found = {p.name: (str(p.type), p.default, p.required) for p in analysis.pipeline.parameters}
    assert found == {
        "a": ("float", 1.0, False),
        "b": ("int", 2, False),
        "c": ("list[float]", [1.0], False),
        "d": ("str", None, False),
        "e": ("int", None, True),
        "f": ("dict", {"k": [1]}, False),
        "g": ("float", -1.5, False),
    }
    assert isinstance(analysis.pipeline.parameters[0].default, float)


def test_an_annotated_artifact_is_exported_though_nobody_reads_it() -> None:
    analysis = analysis_of(
        "# %% imports\nfrom jupyter_kfp import Metrics\n# %% step:a\nm: Metrics = Metrics()\nn: float = 1.0"
    )
    assert types(analysis.pipeline.step("a")) == {"m": "Metrics"}


def test_a_type_from_the_options_wins() -> None:
    analysis = analysis_of("# %% step:a\n#| outputs: {x: Model}\nx = 1.5")
    assert types(analysis.pipeline.step("a")) == {"x": "Model"}


def test_printed_outputs_are_metrics() -> None:
    analysis = analysis_of("# %% step:a\nacc = 0.5\n# %% pipeline-metrics\nprint(acc)")
    assert analysis.pipeline.step("a").metrics == ("acc",)
