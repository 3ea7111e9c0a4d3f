"""The lower half of the widget: what is known of one step, chosen in the graph or from a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Any

import ipywidgets as widgets

from jupyter_kfp.store.records import State
from jupyter_kfp.views.widget import details
from jupyter_kfp.views.widget.protocols import RunLike
from jupyter_kfp.views.widget.story import bare
from jupyter_kfp.views.widget.written import Source

_NONE = "(choose a step)"


class StepView(widgets.VBox):
    """A list of the steps, which the keyboard reaches, and the chosen one in tabs."""

    def __init__(self, source: Source, on_choice: Callable[[str | None], None]) -> None:
        """``on_choice`` hears the node of the step that is shown."""
        self._source, self._on_choice = source, on_choice
        self._run: RunLike | None = None
        self._states: Mapping[str, str] = {}
        self._drawn: tuple[str | None, str | None] = (None, None)  # the step that is shown, in which state
        self._reading = Lock()
        self.steps = widgets.Dropdown(
            options=[(_NONE, None)], description="Step", layout=widgets.Layout(width="auto", min_width="20em")
        )
        self.steps.observe(self._chosen, "value")
        self.head = widgets.HTML()
        self.pages = {title: widgets.HTML() for title in details.TABS}
        self.tabs = widgets.Tab(list(self.pages.values()), titles=details.TABS)
        self.tabs.layout.display = "none"
        top = widgets.HBox([self.steps, self.head], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([top, self.tabs], layout=widgets.Layout(width="100%"))

    @property
    def path(self) -> str | None:
        """The task that is shown."""
        return None if self.steps.value is None else str(self.steps.value)

    def show_run(self, run: RunLike) -> None:
        """Show steps as this run has them."""
        self._run, self._drawn = run, (None, None)

    def refresh(self, states: Mapping[str, str]) -> None:
        """Take in how the tasks are now (path → state); what is shown is read again where that has changed."""
        self._states = states
        options = [(_NONE, None), *((path, path) for path in states)]
        if list(self.steps.options) != options:
            before = self.path
            with self.steps.hold_trait_notifications():
                self.steps.options = options
                self.steps.value = self._successor(before)
        state = states.get(self.path or "")
        if self.path is not None and ((self.path, state) != self._drawn or state == State.RUNNING.value):
            self._read(self.path)

    def _successor(self, path: str | None) -> str | None:
        """The task itself, or where a loop has begun since, its first iteration."""
        if path is None or path in self._states:
            return path
        return next((found for found in self._states if bare(found) == bare(path)), None)

    def choose(self, path: str) -> None:
        """Show the task at a path."""
        if path in self._states:
            self.steps.value = path

    def close(self) -> None:
        """Show nothing more."""
        self.steps.unobserve_all()
        super().close()

    def _chosen(self, change: Mapping[str, Any]) -> None:
        path = change["new"]
        self._on_choice(None if path is None else bare(path))
        if path is None:
            self.head.value, self.tabs.layout.display = "", "none"
            return
        self.head.value = f"{details.head(path, None)} …"
        # A run on a cluster may have to be asked, and files to be fetched.
        Thread(target=self._read, args=(path,), kwargs={"fetch": True}, name="widget", daemon=True).start()

    def _read(self, path: str, *, fetch: bool = False) -> None:
        with self._reading:
            state = self._states.get(path)
            try:
                if fetch and self._run is not None:
                    self._run.fetch_logs()
                step = self._run.steps.get(path) if self._run is not None else None
                record = step.record if step is not None else None
                head = details.head(path, record)
                pages = (
                    details.code(self._source.step(path)),
                    details.log(step),
                    details.ports(record),
                    details.results(step),
                    details.executed(step),
                )
            except Exception as error:  # noqa: BLE001 - nobody hears a thread: what goes wrong is shown
                self.head.value = details.failed(path, error)
                return
            if self.path != path:
                return  # another one was chosen in the meantime
            self.head.value = head
            for page, text in zip(self.pages.values(), pages, strict=True):
                page.value = text
            self.tabs.layout.display = ""
            self._drawn = (path, state)
