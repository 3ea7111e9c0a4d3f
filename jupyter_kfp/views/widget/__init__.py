"""A pipeline or a run as a widget in a notebook: its live graph, parameters, buttons, and every step's details.

Needs ipywidgets and ipycytoscape (``pip install 'jupyter-kfp[widget]'``), which are imported when a widget is made;
without them there is the static picture.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_kfp.views.widget.protocols import PipelineLike, RunLike

_NEEDED = ("ipywidgets", "ipycytoscape")


def pipeline_widget(pipeline: PipelineLike, run_of: Callable[[str], RunLike]) -> Any:
    """A pipeline to look at and to run; the picture alone where widgets are not installed."""
    ir = pipeline.compile()
    if missing():
        return StaticPicture(ir, {})
    from jupyter_kfp.views.widget.panel import PipelineWidget

    return PipelineWidget(ir, pipeline=pipeline, run=None, run_of=run_of)


def run_widget(run: RunLike, ir: str, states: dict[str, str], run_of: Callable[[str], RunLike]) -> Any:
    """A run to look at and to stop, live; its picture as it is now where widgets are not installed."""
    if missing():
        return StaticPicture(ir, states)
    from jupyter_kfp.views.widget.panel import PipelineWidget

    return PipelineWidget(ir, pipeline=None, run=run, run_of=run_of)


def missing() -> tuple[str, ...]:
    """The packages that a widget needs and that are not installed."""
    return tuple(name for name in _NEEDED if find_spec(name) is None)


class StaticPicture:
    """The graph as it is now, and a line that says what is to be installed for more."""

    def __init__(self, ir: str, states: dict[str, str]) -> None:
        self._ir, self._states = ir, states
        self.note = f"Install {' and '.join(missing())} (pip install 'jupyter-kfp[widget]') to run it from here and watch it."

    def __repr__(self) -> str:
        return self.note

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from jupyter_kfp.views.graph import graph_from_ir
        from jupyter_kfp.views.svg import to_svg

        return {"text/plain": self.note, "image/svg+xml": to_svg(graph_from_ir(self._ir, self._states))}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)
        print(self.note)  # noqa: T201 - the line for those who see the picture
