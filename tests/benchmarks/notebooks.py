"""Notebooks of any number of steps, tagged so that Kale and this package both take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
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


def write_notebook(path: Path, sources: Sequence[str], tags: Sequence[str] = ()) -> Path:
    """A notebook of these cells, each with one tag or, without ``tags``, with none."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [_cell(source, *tags[number : number + 1]) for number, source in enumerate(sources)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


def write_steps(path: Path, steps: int, body: str) -> Path:
    """A notebook of a chain of steps. ``body`` has ``{number}`` and ``{before}``, the value of the step before."""
    sources = [body.format(number=n, before=f"value_{n - 1}" if n else "0") for n in range(steps)]
    return write_notebook(path, sources, [f"step:s{n}" for n in range(steps)])


def write_two_branches(path: Path, steps: int) -> Path:
    """A first step, two chains side by side and a last step; each works for two seconds on an idle machine."""
    work = "from time import process_time\nend = process_time() + 2\nwhile process_time() < end:\n    sum(range(1000))\n"
    sources, tags = [f"{work}value_0 = 0"], ["step:s0"]
    for number in range(1, steps - 1):
        before = max(0, number - 2)
        sources.append(f"{work}value_{number} = value_{before} + 1")
        tags.append(f"step:s{number}")
    sources.append(f"{work}total = value_{steps - 3} + value_{steps - 2}\nprint(total)")
    return write_notebook(path, sources, [*tags, "step:total"])


def write_elyra(directory: Path, steps: int, body: str) -> Path:
    """A pipeline of Elyra: a chain of nodes, a notebook each, as its editor would save it."""
    nodes = []
    for number in range(steps):
        name = f"node{number}.ipynb"
        write_notebook(directory / name, [body.format(number=number, before=0)])
        link = {"id": f"l{number}", "node_id_ref": f"n{number - 1}", "port_id_ref": "outPort"}
        parameters = {"filename": name, "runtime_image": "python:3.11", "dependencies": [], "outputs": []}
        nodes.append(
            {
                "id": f"n{number}",
                "type": "execution_node",
                "op": "execute-notebook-node",
                "app_data": {
                    "label": f"s{number}",
                    "component_parameters": {**parameters, "include_subdirectories": False, "env_vars": []},
                    "ui_data": {},
                },
                "inputs": [{"id": "inPort", "app_data": {}, **({"links": [link]} if number else {})}],
                "outputs": [{"id": "outPort", "app_data": {}}],
            }
        )
    primary = {
        "id": "primary",
        "nodes": nodes,
        "app_data": {"ui_data": {"comments": []}, "version": 8, "properties": {"name": "benchmark"}},
        "runtime_ref": "",
    }
    document = {"doc_type": "pipeline", "version": "3.0", "id": "benchmark", "primary_pipeline": "primary"}
    path = directory / f"elyra{steps}.pipeline"
    path.write_text(json.dumps({**document, "pipelines": [primary], "schemas": []}))
    return path


def _cell(source: str, *tags: str) -> nbformat.NotebookNode:
    return new_code_cell(source, metadata={"tags": list(tags)})
