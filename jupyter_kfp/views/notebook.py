"""A run's progress inside a notebook: one output that is redrawn, and what an executed notebook keeps of it."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from jupyter_kfp.views.progress import Task, Tracker
from jupyter_kfp.views.states import FINAL, LOOKS, symbol
from jupyter_kfp.views.values import duration, elapsed

# Set on every element: the front ends' own styles stripe tables and align them to the right.
_CELL = "text-align:left;background:transparent;padding:1px 12px 1px 0;white-space:nowrap"
_REASON = "text-align:left;background:transparent;padding:1px 0;white-space:normal"


class NotebookWatch:
    """Shows a run in the output of the running cell; call it with every event, as `progress.Watch`."""

    def __init__(self, *, tasks: Iterable[str] = ()) -> None:
        """Prepare to show a run of which ``tasks`` (paths) are expected."""
        self.tracker = Tracker.of(tasks)
        self._display: Any = None

    def __enter__(self) -> NotebookWatch:
        from IPython.display import display

        self._display = display(self, display_id=True)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._redraw()

    def __call__(self, event: Any) -> None:
        """Takes in one event."""
        if self.tracker.add(event):
            self._redraw()

    def _redraw(self) -> None:
        if self._display is not None:
            self._display.update(self)

    def __repr__(self) -> str:
        """The present as plain text, for front ends without HTML."""
        rows = [
            (symbol(task.state), task.path, _word(task), _took(task), task.message) for task in self._tasks
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
        lines = [
            "  ".join(f"{text:<{width}}" for text, width in zip(row, [*widths, 0], strict=True))
            for row in rows
        ]
        notes = [f"{kind}: {text}" for text, kind in self.tracker.notes]
        return "\n".join(line.rstrip() for line in (*lines, *notes, self._summary()))

    def _repr_html_(self) -> str:
        rows = "".join(self._row(task) for task in self._tasks)
        notes = "".join(f"<div>{html.escape(f'{kind}: {text}')}</div>" for text, kind in self.tracker.notes)
        state = self.tracker.state or "PENDING"
        summary = f'<div style="color:{LOOKS[state].light[0]}">{html.escape(self._summary())}</div>'
        return f'<table style="margin:0;border:none">{rows}</table>{notes}{summary}'

    @property
    def _tasks(self) -> list[Task]:
        return list(self.tracker.tasks.values())

    @staticmethod
    def _row(task: Task) -> str:
        color = f"color:{LOOKS[task.state].light[0]}"
        reason = (
            f'<pre style="margin:0;white-space:pre-wrap">{html.escape(task.message)}</pre>'
            if task.message
            else ""
        )
        return (
            f'<tr style="background:transparent"><td style="{_CELL};{color}">{symbol(task.state)}</td>'
            f'<td style="{_CELL}">{html.escape(task.path)}</td>'
            f'<td style="{_CELL};{color}">{_word(task)}</td>'
            f'<td style="{_CELL}">{_took(task)}</td><td style="{_REASON}">{reason}</td></tr>'
        )

    def _summary(self) -> str:
        tracker = self.tracker
        counts = tracker.counts
        took = duration(elapsed(tracker.started, tracker.ended)) if tracker.ended else ""
        if tracker.state in FINAL and tracker.state is not None:
            text = " ".join(
                filter(
                    None, (symbol(tracker.state), "Run", tracker.state.lower(), f"in {took}" if took else "")
                )
            )
            return f"{text}. {tracker.message}" if tracker.message and not counts["FAILED"] else text
        return f"{sum(counts[state] for state in FINAL)} of {len(tracker.tasks)} steps have ended"


def _word(task: Task) -> str:
    return task.state.lower()


def _took(task: Task) -> str:
    """How long an ended task took; the picture is only redrawn at events, so no time runs in it."""
    return duration(elapsed(task.started, task.ended)) if task.started and task.ended else ""
