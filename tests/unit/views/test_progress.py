from __future__ import annotations

from datetime import datetime, timezone
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from jupyter_kfp.store.records import RunEvent, State
from jupyter_kfp.views.progress import Tracker, Watch, follow

EVENTS: list[dict[str, Any]] = [
    {"kind": "run", "state": "RUNNING", "time": 1000},
    {"kind": "task", "path": "load", "state": "RUNNING", "time": 1000},
    {"kind": "attempt", "path": "load", "time": 1000},
    {"kind": "task", "path": "load", "state": "SUCCEEDED", "time": 1002.5},
    {"kind": "task", "path": "split", "state": "CACHED", "time": 1003},
    {"kind": "warning", "path": "train", "message": "`m` [red]is pickled", "time": 1003},
    {"kind": "task", "path": "train", "state": "RUNNING", "time": 1003},
    {"kind": "task", "path": "train", "state": "FAILED", "time": 1093, "message": "ValueError: [x]\n no"},
    {"kind": "task", "path": "report", "state": "SKIPPED", "time": 1093},
    {"kind": "run", "state": "FAILED", "time": 1094, "message": "1 task failed"},
]


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def shown(*, terminal: bool, events: list[Any] = EVENTS, height: int = 40, encoding: str = "utf-8") -> str:
    class Out(StringIO):
        pass

    Out.encoding = encoding  # type: ignore[assignment]
    out = Out()
    console = Console(
        file=out, force_terminal=terminal, width=80, height=height, color_system=None, _environ={}
    )
    follow(events, tasks=["load", "split", "train", "report"], console=console, clock=lambda: 1100.0)
    return out.getvalue()


def test_a_pipe_gets_a_line_for_every_event() -> None:
    assert shown(terminal=False).splitlines() == [
        "00:16:40 RUNNING   run",
        "00:16:40 RUNNING   load",
        "00:16:42 SUCCEEDED load (2.5 s)",
        "00:16:43 CACHED    split",
        "00:16:43 warning: train: `m` [red]is pickled",
        "00:16:43 RUNNING   train",
        "00:18:13 FAILED    train (1 min 30 s) ValueError: [x] no",
        "00:18:13 SKIPPED   report",
        "00:18:14 FAILED    run (1 min 34 s) 1 task failed",
    ]


def test_a_terminal_keeps_the_outcome_of_every_task() -> None:
    final = shown(terminal=True).rsplit("\x1b[2K", 1)[-1].splitlines()
    assert [line.split()[:2] for line in final[:4]] == [
        ["✓", "load"],
        ["↻", "split"],
        ["✗", "train"],
        ["⊘", "report"],
    ]
    assert "1 min 30 s" in final[2]
    assert "ValueError: [x] no" in final[2]
    assert "warning: train: `m` [red]is pickled" in final[4]
    assert final[5].startswith("✗ Run failed  1 min 34 s")
    assert final[6] == "1 task failed"


def test_a_running_task_counts_up() -> None:
    text = shown(terminal=True, events=EVENTS[:7])
    assert "1 min 37 s" in text
    assert "2/4" in text


def test_a_small_terminal_shows_what_runs() -> None:
    events = [{"kind": "task", "path": f"t{i}", "state": "SUCCEEDED", "time": 1} for i in range(50)]
    events.append({"kind": "task", "path": "now", "state": "RUNNING", "time": 1})
    live = shown(terminal=True, events=events, height=10).split("\x1b[2K", 1)[0]
    assert "now" in live
    assert len(live.splitlines()) <= 10


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert shown(terminal=True, encoding="ascii").replace("\x1b", "").isascii()
    odd = [{"kind": "task", "path": "é", "state": "FAILED", "time": 1}]
    assert "\\xe9" in shown(terminal=False, events=odd, encoding="ascii")


def test_the_stores_events_are_understood() -> None:
    when = datetime(2026, 1, 1, tzinfo=timezone.utc)
    tracker = Tracker()
    assert tracker.add(RunEvent(1, "r", when, "task", "load", State.RUNNING, ""))
    assert tracker.add(RunEvent(2, "r", when, "run", None, State.SUCCEEDED, ""))
    assert tracker.tasks["load"].state == "RUNNING"
    assert tracker.state == "SUCCEEDED"


def test_a_repeated_state_is_not_news() -> None:
    event = {"kind": "task", "path": "a", "state": "RUNNING", "time": 1}
    tracker = Tracker()
    assert tracker.add(event)
    assert not tracker.add(event)


def test_a_second_attempt_counts_from_the_first() -> None:
    tracker = Tracker()
    for when, state in ((0, "RUNNING"), (10, "PENDING"), (20, "RUNNING"), (30, "SUCCEEDED")):
        tracker.add({"kind": "task", "path": "a", "state": state, "time": when})
    assert tracker.tasks["a"].seconds(99) == 30


def test_ctrl_c_reaches_the_caller_and_the_terminal_is_left_clean() -> None:
    def events() -> Any:
        yield EVENTS[0]
        raise KeyboardInterrupt

    out = StringIO()
    with pytest.raises(KeyboardInterrupt):
        follow(events(), console=Console(file=out, force_terminal=True, width=80, _environ={}))
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1


def test_events_can_be_pushed() -> None:
    out = StringIO()
    with Watch(console=Console(file=out, force_terminal=False, _environ={})) as watch:
        for event in EVENTS:
            watch(event)
    assert len(out.getvalue().splitlines()) == 9
    assert watch.tracker.state == "FAILED"
