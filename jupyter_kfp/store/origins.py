"""Writing down what a task's outputs come from."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from jupyter_kfp.store import schema
from jupyter_kfp.store.convert import storable
from jupyter_kfp.store.records import TaskOrigin
from jupyter_kfp.store.rows import now


def record(session: Session, run_id: str, task: int, path: str, origin: TaskOrigin) -> None:
    """Keep a task's origin, in place of what an earlier try had; its environment only if the store has not got it."""
    facts = dict(origin.facts)
    if origin.environment is not None and origin.environment_sha256 is not None:
        facts["environment"] = origin.environment_sha256
        _keep(session, origin.environment_sha256, dict(origin.environment))
    session.execute(update(schema.Task).where(schema.Task.id == task).values(provenance=facts))
    own = schema.InputFile.run_id == run_id, schema.InputFile.task == path
    session.execute(delete(schema.InputFile).where(*own))
    if origin.files:
        moment = origin.files_at or now()
        rows = [
            {
                "run_id": run_id,
                "task": path,
                "name": storable(file.name),
                "uri": storable(file.uri),
                "sha256": file.sha256,
                "size": file.size,
                "version": None if file.version is None else dict(file.version),
                "time": moment,
            }
            for file in origin.files
        ]
        session.execute(insert(schema.InputFile), rows)


def _keep(session: Session, sha256: str, content: dict[str, object]) -> None:
    table = schema.Environment
    if session.scalar(select(table.sha256).where(table.sha256 == sha256)) is not None:
        return
    # Another engine may keep the same at this moment.
    row = {"sha256": sha256, "content": content}
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # slow to import, and most stores are no such

        session.execute(postgresql.insert(table).values(row).on_conflict_do_nothing())
    else:
        session.execute(sqlite.insert(table).values(row).on_conflict_do_nothing())
