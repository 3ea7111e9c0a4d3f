"""What needs KFP's compiler, which takes seconds to import, or draws: called in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from threading import Thread
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.server.answers import Cell, Finding, Parameter, Preview

if TYPE_CHECKING:
    from jupyter_kfp.api import LoadedPipeline
    from jupyter_kfp.store.records import Origin
    from jupyter_kfp.views.model import Graph


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pipeline, ready to run or to be sent."""

    ir: str
    origin: Origin
    findings: tuple[Finding, ...]


def prepare() -> None:
    """Make this process end with the server and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(0)


def preview(path: str, content: Mapping[str, Any] | None) -> Preview:
    """The notebook as a pipeline; ``content`` is its JSON as it is being edited, else the file counts.

    Raises NotebookError where it is no notebook. What is wrong in it is in the answer.
    """
    from jupyter_kfp.api import load

    loaded = load(path, content)
    found = loaded.check()
    graph = None
    try:
        graph = loaded.graph()
    except DiagnosticsError as error:
        found = (*found, *(d for d in error.diagnostics if d not in found))
    return Preview(
        name=loaded.name,
        svg=_svg(graph) if graph else None,
        findings=[Finding.of(one) for one in found],
        cells=_cells(loaded),
        parameters=_parameters(graph) if graph else [],
    )


def compiled(path: str, *, provenance: bool = False) -> Compiled:
    """The compiled pipeline of a file. Raises DiagnosticsError, NotebookError."""
    from jupyter_kfp.api import load

    loaded = load(path)
    text = loaded.compile(provenance=provenance)
    return Compiled(text, loaded.origin(), tuple(Finding.of(one) for one in loaded.check()))


def picture(ir: str, states: Mapping[str, str]) -> str:
    """A compiled pipeline as SVG, coloured by the states of a run."""
    from jupyter_kfp.views.graph import graph_from_ir

    return _svg(graph_from_ir(ir, states))


def _svg(graph: Graph) -> str:
    from jupyter_kfp.views.svg import to_svg

    return to_svg(graph)


def _parameters(graph: Graph) -> list[Parameter]:
    return [
        Parameter(name=one.name, type=one.type, required=one.required, default=one.default)
        for one in graph.inputs
    ]


def _cells(loaded: LoadedPipeline) -> list[Cell]:
    """Every cell with a part in the pipeline, in notebook order."""
    if loaded.analysis is None:
        return []
    reading = loaded.analysis.reading
    roles = {
        "parameters": reading.parameters,
        "preamble": reading.preamble,
        "skipped": reading.skipped,
        "pipeline": (reading.dsl,) if reading.dsl else (),
    }
    cells = [Cell(cell=one.cell, role=role) for role, members in roles.items() for one in members]
    cells += [Cell(cell=number, role="outputs") for number in {one.cell for one in reading.outputs}]
    cells += [
        Cell(cell=one.cell, role="step", step=step.name) for step in reading.steps for one in step.cells
    ]
    return sorted(cells, key=lambda one: one.cell)
