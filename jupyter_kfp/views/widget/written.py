"""The steps of a compiled pipeline as they are written: code and options, read from the IR alone."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jupyter_kfp.engine import ir
from jupyter_kfp.engine.packed import packed_step
from jupyter_kfp.engine.plan import Container, ParameterSpec, Plan
from jupyter_kfp.remote import changes, package
from jupyter_kfp.views.graph import graph_from_ir
from jupyter_kfp.views.model import Graph
from jupyter_kfp.views.widget.details import Written
from jupyter_kfp.views.widget.story import bare


class Source:
    """A compiled pipeline. Raises UsageError saying what is wrong with it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._plan: Plan = ir.read(text)

    # Parsing YAML is most of the time that a large pipeline takes: it is done as seldom as can be.
    @cached_property
    def _specs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return package.specs(self._text)

    @cached_property
    def _options(self) -> dict[str, dict[str, Any]]:
        return changes.options(*self._specs)

    def graph(self) -> Graph:
        """The graph, without states. Raises UsageError where it cannot be drawn."""
        return graph_from_ir(self._specs[0])

    @property
    def parameters(self) -> dict[str, ParameterSpec]:
        """The pipeline's parameters, typed."""
        return dict(self._plan.root.input_parameters)

    def step(self, path: str) -> Written:
        """The step at a path, with or without its iterations."""
        packed = packed_step(self._plan, path)
        options = self._options.get(bare(path), {})
        if packed is None:
            return Written(self._command(path), options)
        # Where the header of the cell was, a comment keeps the lines where they are in the notebook.
        cells = (cell["source"] for cell in packed["cells"] if cell["role"] == "step")
        return Written(tuple(cell.removeprefix("#\n") for cell in cells), options)

    def _command(self, path: str) -> tuple[str, ...]:
        """What a component that is of no notebook runs."""
        plan = self._plan
        dag = plan.dag
        *boxes, key = bare(path).split(".")
        for box in boxes:
            inner = plan.inner(dag.tasks[box]) if box in dag.tasks else None
            if inner is None:
                return ()
            dag = inner
        executor = plan.executor(dag.tasks[key]) if key in dag.tasks else None
        return ("\n".join((*executor.command, *executor.args)),) if isinstance(executor, Container) else ()
