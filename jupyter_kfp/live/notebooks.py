"""``--notebook PATH``: another notebook, run whole in a kernel of its own, from its parameters to its outputs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.live.errors import LiveError
from jupyter_kfp.live.inputs import match_inputs
from jupyter_kfp.live.kernels import execute

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from jupyter_kfp.notebook.reading import Reading

_INDEX = "outputs.json"
_CALLERS = "JUPYTER_KFP_NOTEBOOKS"  # the notebooks that wait for this kernel's
# What kernels left: artifact objects point into them, so they stay as long as this kernel.
_left: list[tempfile.TemporaryDirectory[str]] = []


def run_notebook(path: Path, given: Mapping[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    """Run the notebook at ``path`` with the parameters ``given``; the values of its outputs by name.

    ``space`` is where values find the functions and classes they refer to. Raises LiveError for inputs it
    does not take, a cell that fails, or an output that is not there; NotebookError for no notebook.
    """
    from jupyter_kfp.notebook.parameters import read_parameters
    from jupyter_kfp.notebook.roles import assign_roles
    from jupyter_kfp.notebook.source import read_notebook

    path = path.resolve()
    callers = [*filter(None, os.environ.get(_CALLERS, "").split(os.pathsep))]
    if str(path) in callers:
        raise LiveError(f"{path.name} runs itself, by way of this notebook.", "Name another notebook.")
    reading = assign_roles(read_notebook(path))
    parameters = [p for cell in reading.parameters for p in read_parameters(cell)[0]]
    values = match_inputs(path.name, "parameter", given, parameters)
    directory = tempfile.TemporaryDirectory(prefix="jupyter-kfp-")
    _left.append(directory)
    document = _document(reading, values, Path(directory.name))
    # The front end tells %kfp in a kernel which notebook that serves; here, we are the front end.
    told = {_CALLERS: os.pathsep.join([*callers, str(path)]), "JPY_SESSION_NAME": str(path)}
    failure = execute(document, path.parent, told)
    if failure is not None:
        raise LiveError(f"{path.name} failed{failure.place}: {failure.message}", "", failure.details)
    found = _loaded(Path(directory.name), space)
    return {output.name: found[output.name] for output in reading.outputs}


def _document(reading: Reading, values: Mapping[str, Any], directory: Path) -> NotebookNode:
    """The notebook as it is executed: parameters in their place, and a last cell that saves the outputs."""
    from nbformat import v4
    from papermill.parameterize import parameterize_notebook

    skipped = {cell.cell for cell in reading.skipped}
    document: NotebookNode = v4.new_notebook()
    document.metadata.papermill = {}  # papermill expects what its own reader leaves there
    document.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    code = [cell for cell in reading.notebook.cells if cell.kind == "code" and cell.index not in skipped]
    parameter_cells = {cell.cell for cell in reading.parameters}
    for cell in code:
        metadata = {
            "tags": ["parameters"] if cell.index in parameter_cells else [],
            "jupyter_kfp": {"cell": cell.index},
        }
        document.cells.append(v4.new_code_cell(cell.source, metadata=metadata))
    if values:
        document = parameterize_notebook(document, dict(values))
    ours = any(cell.source.lstrip().startswith(("%%component", "%%pipeline")) for cell in code)
    if ours and not any("load_ext jupyter_kfp" in cell.source for cell in code):
        document.cells.insert(0, v4.new_code_cell("%load_ext jupyter_kfp"))
    save = f"__import__({__name__!r}, fromlist=['']).leave({str(directory)!r}, {[output.name for output in reading.outputs]!r})"
    document.cells.append(v4.new_code_cell(save))
    return document


def leave(directory: str, names: list[str]) -> None:
    """In the other kernel: write the outputs ``names``, those that share something in one piece."""
    from jupyter_kfp.runtime import serializers
    from jupyter_kfp.runtime.sharing import groups

    space = sys.modules["__main__"].__dict__
    missing = [name for name in names if name not in space]
    if missing:
        raise LiveError(
            f"it ended without its output `{missing[0]}`.", "Bind it, or take it off its outputs cell."
        )
    index = []
    for number, group in enumerate(groups({name: space[name] for name in names})):
        values = {name: space[name] for name in group}
        file = Path(directory, str(number))
        try:
            metadata = serializers.save(values[group[0]], file, (), space, values if len(group) > 1 else None)
        except Exception as error:  # noqa: BLE001 - each library refuses in its own way
            kind = type(values[group[0]]).__qualname__
            message = f"its output `{group[0]}` ({kind}) cannot leave it: {error}."
            raise LiveError(message, "Make it in the notebook that uses it.") from None
        index.append({"names": group, "file": file.name, "metadata": metadata})
    Path(directory, _INDEX).write_text(json.dumps(index), "utf-8")


def _loaded(directory: Path, space: dict[str, Any]) -> dict[str, Any]:
    """The outputs that :func:`leave` wrote."""
    from jupyter_kfp.runtime import serializers

    found: dict[str, Any] = {}
    for entry in json.loads((directory / _INDEX).read_text("utf-8")):
        names, metadata = entry["names"], entry["metadata"]
        value = serializers.load(directory / entry["file"], metadata, space)
        found.update(value if metadata["serializer"] == "bundle" else {names[0]: value})
    return found
