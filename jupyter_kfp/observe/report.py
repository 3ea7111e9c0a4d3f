"""What is said of a run that has ended: one document for programs, one text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jupyter_kfp.store.records import RunRecord, State, TaskRecord


@dataclass(frozen=True, slots=True)
class Report:
    """A run that has ended, in short. ``failed``: the tasks that failed, with why and the cell (0-based)."""

    run_id: str
    pipeline: str
    name: str
    state: State
    error: str | None
    failed: tuple[tuple[str, str, int | None], ...]
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    host: str | None
    notebook: str | None

    @property
    def subject(self) -> str:
        """One line."""
        return f"Pipeline {self.pipeline}: run {self.run_id} {self.state.value}"

    @property
    def text(self) -> str:
        """All a person needs to go on from here."""
        lines = [f"{self.subject}.", *([self.error] if self.error else []), ""]
        for path, message, cell in self.failed:
            place = f" (cell {cell + 1})" if cell is not None else ""
            lines.append(f"- {path}{place}: {message}")
        lines += [""] if self.failed else []
        if self.seconds is not None:
            lines.append(f"It took {self.seconds:.0f} seconds and ended at {self.ended_at}.")
        lines += [f"Machine: {self.host}"] if self.host else []
        lines += [f"Notebook: {self.notebook}"] if self.notebook else []
        first = self.failed[0][0] if self.failed else ""
        lines += [f"Look at it: jupyter kfp show {self.run_id}"]
        lines += [f"Its log:    jupyter kfp logs {self.run_id} {first}".rstrip()]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """The document that a webhook gets; chat programs show its ``text``."""
        return {
            "event": "run",
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "name": self.name,
            "state": self.state.value,
            "error": self.error,
            "failed_tasks": [
                {"task": path, "error": message, "cell": cell} for path, message, cell in self.failed
            ],
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "seconds": self.seconds,
            "host": self.host,
            "notebook": self.notebook,
            "text": self.text,
        }


def report(run: RunRecord, tasks: Iterable[TaskRecord]) -> Report:
    """The report of a run."""
    failed = tuple(
        (task.path, task.failure.message, task.failure.cell)
        for task in tasks
        if task.state is State.FAILED and task.failure is not None
    )
    took = (run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else None
    return Report(
        run_id=run.id,
        pipeline=run.pipeline,
        name=run.name,
        state=run.state,
        error=run.failure.message if run.failure else None,
        failed=failed,
        started_at=run.started_at.isoformat() if run.started_at else None,
        ended_at=run.ended_at.isoformat() if run.ended_at else None,
        seconds=took,
        host=run.host,
        notebook=run.origin.notebook,
    )
