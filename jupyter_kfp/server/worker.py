"""What needs KFP's compiler, which takes seconds to import, or draws: called in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import connection, parent_process
from threading import Thread
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import DiagnosticsError
from jupyter_kfp.server.answers import Box, Cell, Finding, Parameter, Picture, Port, Preview, Step

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


def preview(path: str, content: Mapping[str, Any] | None, closed: Collection[str] | None = None) -> Preview:
    """The notebook as a pipeline; ``content`` is its JSON as it is being edited, else the file counts.

    ``closed``: the boxes to draw as one node; None: those of a large pipeline.

    Raises NotebookError where it is no notebook. What is wrong in it is in the answer.
    """
    from jupyter_kfp.api import load

    loaded = load(path, content)
    found = loaded.check()
    graph: Graph | None = None
    steps: list[Step] = []
    try:
        graph, steps = _drawable(loaded)
    except DiagnosticsError as error:
        found = (*found, *(d for d in error.diagnostics if d not in found))
    drawn = _picture(graph, closed) if graph else None
    return Preview(
        name=loaded.name,
        svg=drawn.svg if drawn else None,
        boxes=drawn.boxes if drawn else [],
        steps=steps,
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


def picture(ir: str, states: Mapping[str, str], closed: Collection[str] | None = None) -> Picture:
    """A compiled pipeline as SVG, coloured by the states of a run."""
    from jupyter_kfp.views.graph import with_states

    return _picture(with_states(_graph(ir), states), closed)


@lru_cache(maxsize=4)  # a run is drawn anew at each change of a state
def _graph(ir: str) -> Graph:
    from jupyter_kfp.views.graph import graph_from_ir

    return graph_from_ir(ir)


def _picture(graph: Graph, closed: Collection[str] | None) -> Picture:
    from jupyter_kfp.views.folding import crowded, folded
    from jupyter_kfp.views.svg import to_svg

    boxes = crowded(graph) if closed is None else closed
    return Picture(
        svg=to_svg(folded(graph, boxes), ids=True),
        boxes=[Box(id=one.id, label=one.label, folded=one.id in boxes) for one in graph.groups],
    )


def _drawable(loaded: LoadedPipeline) -> tuple[Graph, list[Step]]:
    """The graph, and its tasks with the code of their cells, where they are of a notebook. Raises DiagnosticsError."""
    from jupyter_kfp.notebook.needs import RESERVED
    from jupyter_kfp.remote import changes, package
    from jupyter_kfp.views.graph import graph_from_ir

    text = loaded.compile()
    if loaded.analysis is None:
        graph_from_ir(text)  # somebody else's file: it says what is wrong with it
    spec, platform = package.specs(text)  # parsed once, which takes as long as drawing
    graph = graph_from_ir(spec)
    code = _code(loaded)
    said = changes.options(spec, platform)
    steps = [
        Step(
            path=node.id,
            code=code.get(node.id.rpartition(".")[2], ""),
            options=said.get(node.id, {}),
            inputs=[Port(name=one.name, type=one.type) for one in node.inputs if one.name not in RESERVED],
            outputs=[Port(name=port.name, type=port.type) for port in node.outputs],
        )
        for node in graph.nodes
    ]
    return graph, steps


def _code(loaded: LoadedPipeline) -> dict[str, str]:
    """The code of the steps by the keys of their tasks."""
    from jupyter_kfp.compiler import task_names

    if loaded.analysis is None:
        return {}
    keys = task_names(loaded.pipeline)
    return {
        keys[step.name]: "\n\n".join(code.source for code in step.body)
        for step in loaded.pipeline.steps
        if step.name in keys
    }


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
