"""The notebook, whole: every code cell but the skipped ones, in one shell, top to bottom."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from papermill.parameterize import parameterize_notebook

from .container import as_carried
from .describe import describe
from .shell import NotebookShell

_PARAMETER_TAGS = {"pipeline-parameters": "parameters"}


def code_cells(notebook: nbformat.NotebookNode, params: dict[str, Any]) -> list[tuple[int | None, str]]:
    """The cells Run All executes, with their index; parameters are injected as papermill does."""
    positions = {cell.id: position for position, cell in enumerate(notebook.cells)}
    if params:
        notebook = copy.deepcopy(notebook)
        notebook.metadata.papermill = {}  # papermill expects what its own reader leaves there
        for cell in notebook.cells:
            cell.metadata.tags = [_PARAMETER_TAGS.get(tag, tag) for tag in cell.metadata.get("tags", [])]
        notebook = parameterize_notebook(notebook, params)
    return [
        (positions.get(cell.id), cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code" and "skip" not in cell.metadata.get("tags", [])
    ]


def run_all(
    cells: Sequence[tuple[int | None, str]],
    names: Sequence[str],
    results: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Run ``cells`` in a new shell, up to the first that fails, and describe what they left.

    Args:
        cells: Index and source of each cell.
        names: The outputs. One that is unbound at the end has no value.
        results: The same outputs as the pipeline made them (see ``PipelineRun``). They are read here,
            in the namespace of the notebook, because they may refer to its classes.

    Returns:
        ``{"values": {name: text}, "results": {name: text}}`` or ``{"error": {"type", "message", "cell"}}``.
    """
    shell = NotebookShell()
    if any(source.startswith("%%component") for _, source in cells):
        shell.load_extension()
    failure = asyncio.run(_run(shell, cells))
    if failure is not None:
        return {"error": failure}
    return described(shell.namespace, names, results or {})


async def _run(
    shell: NotebookShell, cells: Sequence[tuple[int | None, str]]
) -> dict[str, str | int | None] | None:
    for position, source in cells:
        error = await shell.run(source, None if position is None else f"cell-{position}")
        if error is not None:
            return {"type": error.kind, "message": error.message, "cell": position}
    return None


def described(
    space: dict[str, Any], names: Sequence[str], results: dict[str, dict[str, Any]]
) -> dict[str, dict[str, str]]:
    """The outputs in ``space`` and those of the pipeline as texts."""
    values = {
        name: described_items(space[name])
        if "artifacts" in results.get(name, {}) and isinstance(space[name], list)
        else describe(_as_declared(space[name], results.get(name, {}).get("type")))
        for name in names
        if name in space
    }
    read = {name: _read(result, space) for name, result in results.items()}
    return {"values": values, "results": {name: text for name, text in read.items() if text is not None}}


def _read(result: dict[str, Any], space: dict[str, Any]) -> str | None:
    """The text of one result of the pipeline; None where it is marked unbound."""
    from jupyter_kfp.runtime import serializers
    from jupyter_kfp.runtime.artifacts import local_path

    if "value" in result:
        return describe(result["value"])

    def load(artifact: dict[str, Any]) -> Any:
        uri, metadata = artifact["uri"], artifact["metadata"]
        return serializers.load(Path(local_path(uri)), metadata, space, uri)

    if "artifacts" in result:
        return described_items([load(artifact) for artifact in result["artifacts"]])
    if result["artifact"]["metadata"].get("unbound"):
        return None
    return describe(load(result["artifact"]))


def described_items(values: list[Any]) -> str:
    """A collected list, item by item: what two iterations had in common they may have once each."""
    return "\n".join(f"item {number}\n{describe(value)}" for number, value in enumerate(values))


def _as_declared(value: Any, kind: str | None) -> Any:
    """What an annotation makes of a value that travels as a parameter.

    ``x: float = 1`` travels as 1.0, numpy's scalars as Python's, and KFP has one kind of number inside
    lists and dicts.
    """
    if kind is None:
        return value
    return as_carried(value.item() if hasattr(value, "item") else value, kind)
