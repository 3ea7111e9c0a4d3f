"""The widget: a pipeline's live graph, its parameters, buttons, and what is known of a chosen step.

What takes time (starting, submitting, reading a step) is done in threads, so that the kernel stays free; they and
the follower of a run change widgets under one lock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from html import escape
from threading import RLock, Thread
from typing import Any

import ipywidgets as widgets

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.records import State
from jupyter_kfp.views.graph import with_states
from jupyter_kfp.views.model import Graph
from jupyter_kfp.views.states import FINAL, LOOKS
from jupyter_kfp.views.svg import to_svg
from jupyter_kfp.views.values import duration, elapsed
from jupyter_kfp.views.widget.canvas import Canvas
from jupyter_kfp.views.widget.clusters import SubmitForm
from jupyter_kfp.views.widget.follow import Follower, Seen, look
from jupyter_kfp.views.widget.form import ParameterForm
from jupyter_kfp.views.widget.picture import iterations
from jupyter_kfp.views.widget.protocols import PipelineLike, RunLike
from jupyter_kfp.views.widget.sections import first_look, sectioned, shown
from jupyter_kfp.views.widget.steps import StepView
from jupyter_kfp.views.widget.story import Progress, bare, progress, told
from jupyter_kfp.views.widget.written import Source

_BAR = {State.FAILED: "danger", State.CANCELED: "warning", State.SUCCEEDED: "success"}


class PipelineWidget(widgets.VBox):
    """A pipeline, a run, or a pipeline and the run that was started from here."""

    def __init__(
        self,
        ir: str,
        *,
        pipeline: PipelineLike | None,
        run: RunLike | None,
        run_of: Callable[[str], RunLike],
    ) -> None:
        """Show the pipeline of ``ir``. ``run_of`` finds a run that was submitted by its id."""
        self._pipeline, self._run_of = pipeline, run_of
        self.run = run
        """The run that is shown; None before one was started."""
        self._lock = RLock()
        self._source = Source(ir)
        self._whole = self._source.graph()
        self._graph = sectioned(self._whole)
        self._closed = first_look(self._graph)
        self._seen: Seen | None = None
        self._follower: Follower | None = None
        self._followed: RunLike | None = None
        self._is_closed = False
        self._make_widgets()
        super().__init__(self._children(), layout=widgets.Layout(width="100%"))
        if run is None:
            self._draw()
            self._tell(f"{len(self._graph.nodes)} steps; not run yet.", None)
            self._buttons()
            self.step.refresh(progress(self._graph, {}).states)
        else:
            self._refresh(look(run))
            self._follow(run)

    def _make_widgets(self) -> None:
        self._headline = widgets.HTML()
        self._bar = widgets.IntProgress(value=0, min=0, max=1, layout=widgets.Layout(width="14em"))
        self._clock = widgets.HTML()
        self.parameters = ParameterForm(
            self._source.parameters, self.run.record.parameters if self.run is not None else None
        )
        if self._pipeline is None:
            self.parameters.lock()  # they are those of the run
        self.submission = SubmitForm() if self._pipeline is not None else None
        self.run_button = _button("Run here", "play", "Run the pipeline on this machine", self.start)
        self.submit_button = _button(
            "Submit", "cloud-upload", "Run it on the cluster chosen below", self.submit
        )
        self.stop_button = _button("Stop", "stop", "End the run", self.stop)
        self.run_button.button_style = "primary"
        self.open_button = _button("Open all", "expand", "Show what is in every box", self._open_all)
        self.close_button = _button("Close all", "compress", "Show every box as one node", self._close_all)
        self.canvas = Canvas(self._clicked)
        self.step = StepView(self._source, self.canvas.choose)

    def _children(self) -> list[Any]:
        left = [self.run_button, self.submit_button] if self._pipeline is not None else []
        wrap = widgets.Layout(flex_flow="row wrap", align_items="center", width="100%")
        buttons = widgets.HBox([*left, self.stop_button, self._bar, self._clock], layout=wrap)
        forms: list[Any] = []
        if self._source.parameters:
            forms.append(("Parameters", self.parameters))
        if self.submission is not None:
            forms.append(("Submit to a cluster", self.submission))
        accordion = widgets.Accordion([form for _, form in forms], titles=[title for title, _ in forms])
        if self._source.parameters:
            accordion.selected_index = 0
        boxes = [self.open_button, self.close_button] if self._graph.groups else []
        hint = "<i>Click a step for its code, log and results" + (
            "; click a box to close or open it.</i>" if self._graph.groups else ".</i>"
        )
        return [
            self._headline,
            buttons,
            *([accordion] if forms else []),
            self.canvas,
            widgets.HBox([*boxes, widgets.HTML(hint)], layout=wrap),
            self.step,
        ]

    # What its buttons do; also for programs.

    def start(self) -> None:
        """Run the pipeline on this machine with the parameters of the form."""
        pipeline = self._pipeline
        if pipeline is None or not self._begin("Starting…"):
            return
        # Checked here, at once: what is wrong with a field is said before anything else happens.
        values = self._checked()
        if values is not None:
            self._in_background(lambda: self._started(pipeline.start(values)))

    def submit(self) -> None:
        """Run the pipeline on the chosen cluster with the parameters of the form."""
        pipeline, form = self._pipeline, self.submission
        if pipeline is None or form is None or not self._begin("Submitting…"):
            return
        values = self._checked()
        if values is not None:
            options = form.options()

            def send() -> None:
                submission = pipeline.submit(values, options)
                if submission.followed:
                    self._started(self._run_of(submission.run_id))
                else:
                    self._tell(f"Submitted as {submission.name}: {submission.url}", None)
                    self._buttons()

            self._in_background(send)

    def stop(self) -> None:
        """End the run that is shown."""
        run = self.run
        if run is not None:
            self.stop_button.disabled = True
            self._in_background(run.cancel)

    def close(self) -> None:
        """Follow the run no longer and free everything in the page; the run goes on."""
        if self._follower is not None:
            self._follower.stop()
        with self._lock:
            self._is_closed = True
            self.canvas.close()
            self.step.close()
            super().close()
            self.layout.close()
            for child in self.children:
                _close(child)

    def wait(self, timeout: float) -> None:
        """Wait until the run that is shown has ended and is drawn so, at most ``timeout`` seconds."""
        if self._follower is not None:
            self._follower.join(timeout)

    # How it goes.

    def _begin(self, text: str) -> bool:
        with self._lock:
            if self.run_button.disabled:
                return False
            self.run_button.disabled = self.submit_button.disabled = True
            self._tell(text, None)
            return True

    def _checked(self) -> dict[str, Any] | None:
        try:
            return self.parameters.values()
        except JupyterKfpError as error:
            self._failed(str(error))
            return None

    def _in_background(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except JupyterKfpError as error:
                self._failed(str(error))
            except Exception as error:  # noqa: BLE001 - nobody hears a thread: what goes wrong is shown
                self._failed(repr(error))

        Thread(target=guarded, name="widget", daemon=True).start()

    def _started(self, run: RunLike) -> None:
        with self._lock:
            # The follower alone listens to the engine's doorbell: who else did would take its news.
            self.run, self._seen = self._run_of(run.id), None
            self._follow(run)

    def _follow(self, run: RunLike) -> None:
        if self._follower is not None:
            self._follower.stop()
        self._followed = run
        self.step.show_run(run)
        if self._seen is None or not self._seen.record.state.is_final:
            self._follower = Follower(run, self._refresh, self._failed).start()

    def _failed(self, text: str) -> None:
        with self._lock:
            self._tell(text, State.FAILED)
            self._buttons()

    def _refresh(self, seen: Seen) -> None:
        with self._lock:
            if self._is_closed or self.run is None or seen.record.id != self.run.id:
                return  # nothing, or another run, is shown by now
            self._seen = seen
            now = progress(self._graph, seen.states)
            self._draw()
            moment = datetime.now(timezone.utc)
            self._advance(seen, now, moment)
            self._buttons()
            self.step.refresh(now.states)
            self._tell(told(seen.record, now, moment), seen.record.state)

    def _advance(self, seen: Seen, now: Progress, moment: datetime) -> None:
        record = seen.record
        self._bar.max, self._bar.value = max(1, now.total), now.done
        self._bar.bar_style = _BAR.get(record.state, "info")
        took = duration(elapsed(record.started_at or record.created_at, record.ended_at or moment))
        counts = ", ".join(f"{now.counts[state]} {state.lower()}" for state in LOOKS if now.counts[state])
        self._clock.value = escape(f"{now.done}/{now.total}  {took}  ({counts})")

    def _buttons(self) -> None:
        going = self._seen is not None and not self._seen.record.state.is_final
        self.run_button.disabled = self.submit_button.disabled = going
        asked = self._seen is not None and self._seen.record.cancel_requested_at is not None
        self.stop_button.disabled = not going or asked

    def _tell(self, text: str, state: State | None) -> None:
        stale = self._followed.stale if self._followed is not None else None
        url = self.run.url if self.run is not None and state is not None else None
        colour = LOOKS[state.value].light[0] if state else "inherit"
        mark = f"{LOOKS[state.value].symbol} " if state else ""
        name = f" <code>{escape(self.run.id)}</code>" if self.run is not None else ""
        link = f' <a href="{escape(url)}" target="_blank" rel="noopener">Open it there</a>' if url else ""
        note = f" <i>({escape(stale)})</i>" if stale else ""
        self._headline.value = (
            f'<div role="status" aria-live="polite"><b>{escape(self._graph.name)}</b>{name} '
            f'<span style="color:{colour};font-weight:600">{mark}{escape(text)}</span>{link}{note}</div>'
        )

    # The graph.

    @property
    def graph(self) -> Graph:
        """All of it, with the states as last seen."""
        return with_states(self._graph, self._seen.states if self._seen else {})

    def _draw(self) -> None:
        states = self._seen.states if self._seen else {}
        self.canvas.show(shown(self.graph, self._closed), iterations(self._graph, states))

    def _clicked(self, item: str) -> None:
        with self._lock:
            if any(group.id == item for group in self._graph.groups):
                self._close_boxes(self._closed ^ {item})
            else:
                self.step.choose(self._iteration(item))

    def _iteration(self, node: str) -> str:
        """The task of a node to show: of several iterations the one that failed, else that runs, else the first."""
        states = progress(self._graph, self._seen.states if self._seen else {}).states
        paths = [path for path in states if bare(path) == node]
        weight = {State.FAILED.value: 0, State.RUNNING.value: 1}
        return min(paths, key=lambda path: weight.get(states[path], 2), default=node)

    def _open_all(self) -> None:
        self._close_boxes(frozenset())

    def _close_all(self) -> None:
        self._close_boxes(frozenset(group.id for group in self._graph.groups))

    def _close_boxes(self, boxes: frozenset[str]) -> None:
        with self._lock:
            self._closed = boxes
            self._draw()

    # Without a kernel.

    def static(self) -> str:
        """The picture that stands where widgets do not: in exports, and before the kernel runs."""
        graph = with_states(self._whole, self._seen.states if self._seen else {})
        return to_svg(shown(graph, self._closed))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**kwargs), "image/svg+xml": self.static()}

    def __repr__(self) -> str:
        if self._seen is None:
            return f"<widget of pipeline {self._graph.name}>"
        ended = sum(state in FINAL for state in progress(self._graph, self._seen.states).states.values())
        return f"<widget of run {self._seen.record.id} {self._seen.record.state.value}, {ended} steps ended>"


def _button(text: str, icon: str, tooltip: str, action: Callable[[], None]) -> Any:
    button = widgets.Button(description=text, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="auto"))
    button.on_click(lambda _: action())
    return button


def _close(widget: Any) -> None:
    """Close a widget with all that is in it."""
    for child in getattr(widget, "children", ()):
        _close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if part is not None:
            part.close()
    widget.close()
