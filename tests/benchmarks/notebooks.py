"""Notebooks of any number of steps, tagged so that Kale and this package both take them."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

BRANCHES = 4


def write_chain(path: Path, steps: int, *, trivial: bool = False) -> Path:
    """A notebook with ``steps`` steps in four parallel chains that meet in the last one.

    Every step reads what the step before it on its chain bound, a function, a parameter and, unless it is
    ``trivial``, imported modules.
    """
    cells = [
        _cell("size = 8\nrate = 0.5", "pipeline-parameters"),
        _cell(
            "import math" if trivial else "import math\nimport numpy as np\nimport pandas as pd", "imports"
        ),
        _cell("def scaled(value, by):\n    return [math.sqrt(abs(v)) * by for v in value]", "functions"),
    ]
    names: list[str] = []
    for number in range(steps - 1):
        previous = number - BRANCHES
        before = f"values_{previous}" if previous >= 0 else "list(range(size))"
        body = f"values_{number} = scaled({before}, rate)\nlast_{number} = values_{number}[-1]\n"
        if not trivial:
            body += (
                f"frame_{number} = pd.DataFrame({{'value': values_{number}}})\n"
                f"frame_{number}['square'] = np.square(frame_{number}['value'])\n"
                f"print(frame_{number}.describe())\n"
            )
        tags = [f"step:s{number}"] + ([f"prev:s{previous}"] if previous >= 0 else [])
        cells.append(_cell(body, *tags))
        names.append(f"s{number}")
    ends = names[-BRANCHES:]
    total = " + ".join(f"last_{name[1:]}" for name in ends) or "0.0"
    cells.append(_cell(f"total = {total}\nprint(total)", "step:total", *(f"prev:{name}" for name in ends)))
    notebook = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "kubeflow_notebook": {
                "experiment_name": "benchmark",
                "pipeline_name": "benchmark",
                "pipeline_description": "",
                "base_image": "python:3.11-slim",
            },
        },
    )
    nbformat.write(notebook, path)
    return path


def _cell(source: str, *tags: str) -> nbformat.NotebookNode:
    return new_code_cell(source, metadata={"tags": list(tags)})
