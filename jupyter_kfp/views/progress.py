"""A run's progress on a terminal, live, or line by line where there is none.

Fed by events, whoever makes them: mappings or records with

``kind``
    ``task`` or ``run`` (a change to ``state``), ``warning`` or ``note``; others are passed over.
``task`` or ``path``
    the task's dotted place; ``loop.train[2]`` for an iteration.
``state``, ``message``, ``time``
    a state of KFP's; text, for instance why it failed; a datetime, ISO string or epoch seconds.

The records of ``store.RunEvent`` are such events.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jupyter_kfp.views.states import FINAL, LOOKS, STATES, checked, symbol
from jupyter_kfp.views.values import duration, elapsed, get, moment

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_SPINNER = "|/-\\"


@dataclass(slots=True)
class Task:
    """What is known of one task so far."""

    path: str
    state: str = "PENDING"
    started: datetime | None = None
    ended: datetime | None = None
    message: str = ""

    def seconds(self, now: float) -> float | None:
        """How long it took, or has been running at the moment ``now`` (epoch seconds)."""
        return elapsed(self.started, self.ended or now) if self.started else None


@dataclass
class Tracker:
    """The state of a run, event by event. ``tasks`` stand in the order in which they are known."""

    tasks: dict[str, Task] = field(default_factory=dict)
    state: str | None = None
    message: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    started: datetime | None = None
    ended: datetime | None = None

    @classmethod
    def of(cls, paths: Iterable[str]) -> Tracker:
        """A run of which these tasks are expected."""
        return cls({path: Task(path) for path in paths})

    def add(self, event: Any) -> bool:
        """Takes in one event; says whether it changed anything that is shown."""
        kind, path = get(event, "kind"), get(event, "task", "path")
        state, message = get(event, "state"), str(get(event, "message") or "")
        when = moment(get(event, "time"))
        if self.started is None:
            self.started = when
        match kind:
            case "task" if path and state:
                return self._task(str(path), checked(state), message, when)
            case "run" if state:
                before, self.state = self.state, checked(state)
                self.message = message or self.message
                self.ended = when if self.state in FINAL else None
                return self.state != before
            case "warning" | "note" if message:
                self.notes.append((f"{path}: {message}" if path else message, str(kind)))
                return True
        return False

    def _task(self, path: str, state: str, message: str, when: datetime | None) -> bool:
        task = self.tasks.setdefault(path, Task(path))
        before, task.state = task.state, state
        task.message = message if state in FINAL or message else ""
        if state == "RUNNING":
            # A further attempt goes on counting from the first.
            task.started, task.ended = task.started or when, None
        elif state in FINAL:
            task.ended = when
        return state != before

    @property
    def counts(self) -> Counter[str]:
        """How many tasks are in which state."""
        return Counter(task.state for task in self.tasks.values())


class Watch:
    """Shows a run for as long as it is entered; call it with every event.

    ::

        with Watch(tasks=paths) as watch:
            attend(run, watch)

    What stays on the screen is printed on leaving, also when an exception (Ctrl-C) ends it.
    """

    def __init__(
        self,
        *,
        tasks: Iterable[str] = (),
        console: Console | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to show a run.

        Args:
            tasks: paths of the tasks to expect, in the order to show them; others join as they come.
            console: where to; standard error if not given, so that results can go to standard output.
            clock: the present in epoch seconds.
        """
        self.console = console or Console(stderr=True)
        self.tracker = Tracker.of(tasks)
        self._screen = _Screen(self.tracker, self.console, clock)
        self._live: Live | None = None

    def __enter__(self) -> Watch:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self._screen.live, console=self.console, refresh_per_second=8, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            self.console.print(self._screen.summary())

    def __call__(self, event: Any) -> None:
        """Takes in one event, as the module says."""
        news = self.tracker.add(event)
        if news and not self.console.is_terminal:
            self.console.file.write(line(self.tracker, event, self.console.encoding))
            self.console.file.flush()


def follow(
    events: Iterable[Any],
    *,
    tasks: Iterable[str] = (),
    console: Console | None = None,
    clock: Callable[[], float] = time.time,
) -> Tracker:
    """Shows a run until its ``events`` end, and returns what is known then. Arguments as of :class:`Watch`."""
    with Watch(tasks=tasks, console=console, clock=clock) as watch:
        for event in events:
            watch(event)
    return watch.tracker


def line(tracker: Tracker, event: Any, encoding: str = "utf-8") -> str:
    """One event as a line of plain text: ``12:03:04 SUCCEEDED train (2.1 s)``."""
    when = moment(get(event, "time"))
    parts = [when.astimezone().strftime("%H:%M:%S")] if when else []
    path, message = get(event, "task", "path"), " ".join(str(get(event, "message") or "").split())
    match get(event, "kind"):
        case "task":
            task = tracker.tasks[str(path)]
            took = duration(elapsed(task.started, task.ended))
            parts += [f"{task.state:<9}", str(path), f"({took})" if took else ""]
        case "run":
            took = duration(elapsed(tracker.started, tracker.ended))
            parts += [f"{tracker.state:<9}", "run", f"({took})" if took else ""]
        case kind:
            parts += [f"{kind}:", f"{path}:" if path else ""]
    text = " ".join(part for part in (*parts, message) if part)
    return f"{text}\n".encode(encoding, "backslashreplace").decode(encoding)


class _Screen:
    """What the terminal shows."""

    def __init__(self, tracker: Tracker, console: Console, clock: Callable[[], float]) -> None:
        self.tracker, self.console, self.clock = tracker, console, clock
        self.ascii_only = not console.encoding.lower().startswith("utf")

    def live(self) -> RenderableType:
        """The present: as many tasks as fit, those that run or failed before the others."""
        tasks = list(self.tracker.tasks.values())
        room = max(3, self.console.size.height - 4 - len(self.tracker.notes[-3:]))
        if len(tasks) > room:
            weight = {"RUNNING": 0, "FAILED": 0, "CANCELED": 0, "PENDING": 1}
            chosen = sorted(tasks, key=lambda task: weight.get(task.state, 2))[:room]
            tasks = [task for task in tasks if any(task is other for other in chosen)]
        notes = [self._note(*note) for note in self.tracker.notes[-3:]]
        return Group(self._tasks(tasks), *notes, self._footer())

    def summary(self) -> RenderableType:
        """What stays on the screen."""
        notes = [self._note(*note) for note in self.tracker.notes]
        return Group(self._tasks(list(self.tracker.tasks.values())), *notes, self._footer())

    def _tasks(self, tasks: list[Task]) -> RenderableType:
        now = self.clock()
        table = Table.grid(padding=(0, 2, 0, 0))
        for column in range(4):
            table.add_column(no_wrap=True, overflow="ellipsis", justify="right" if column == 2 else "left")
        for task in tasks:
            look = LOOKS[task.state]
            mark = symbol(task.state, ascii_only=self.ascii_only)
            if task.state == "RUNNING":
                frames = _ASCII_SPINNER if self.ascii_only else _SPINNER
                mark = frames[int(now * 8) % len(frames)]
            table.add_row(
                Text(mark, look.style),
                Text(task.path, "dim" if task.state in {"PENDING", "SKIPPED"} else ""),
                Text(duration(task.seconds(now)), "dim"),
                Text(self._remark(task), "red" if task.state == "FAILED" else "dim"),
            )
        return table

    @staticmethod
    def _remark(task: Task) -> str:
        """Why a task ended as it did; states that the symbol alone does not explain by name."""
        word = task.state.lower() if task.state in {"CACHED", "SKIPPED", "CANCELED"} else ""
        return ": ".join(filter(None, (word, " ".join(task.message.split()))))

    @staticmethod
    def _note(text: str, kind: str) -> RenderableType:
        return Text(f"{kind}: {text}", "yellow" if kind == "warning" else "dim")

    def _footer(self) -> RenderableType:
        tracker = self.tracker
        counts = tracker.counts
        done = sum(counts[state] for state in FINAL)
        took = duration(elapsed(tracker.started, tracker.ended or self.clock()) if tracker.started else None)
        text = Text()
        if tracker.state in FINAL and tracker.state is not None:
            mark = symbol(tracker.state, ascii_only=self.ascii_only)
            text.append(f"{mark} Run {tracker.state.lower()}", LOOKS[tracker.state].style)
        else:
            text.append(self._bar(done, len(tracker.tasks)), "green")
            text.append(f" {done}/{len(tracker.tasks)}")
        text.append(f"  {took}" if took else "")
        shown = [f"{counts[state]} {state.lower()}" for state in STATES if counts[state]]
        text.append(f"  {', '.join(shown)}", "dim")
        if tracker.message:
            text.append(f"\n{tracker.message}", "red" if tracker.state == "FAILED" else "")
        return text

    def _bar(self, done: int, total: int, width: int = 24) -> str:
        full = round(width * done / total) if total else 0
        return "#" * full + "-" * (width - full) if self.ascii_only else "━" * full + "╌" * (width - full)
