"""Who approved what: rows that are only ever added, each chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from jupyter_kfp.store import schema
from jupyter_kfp.store.convert import portions, storable
from jupyter_kfp.store.lineage.model import ArtifactNode

FIRST = "0" * 64
"""What the first approval names as the hash of the one before."""


@dataclass(frozen=True, slots=True)
class Approval:
    """That somebody approved a content (``sha256``), as an artifact that had it then."""

    number: int
    artifact_id: int
    run_id: str
    name: str
    uri: str
    sha256: str
    approved_by: str
    note: str
    time: str
    previous: str
    hash: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)


def digest(fields: dict[str, Any]) -> str:
    """SHA-256 over all fields but ``hash`` itself, as JSON with sorted keys."""
    said = {key: value for key, value in fields.items() if key != "hash"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def broken(approvals: Iterable[Approval]) -> list[str]:
    """What shows that rows were changed, removed or moved; ``approvals`` in their order. Pure.

    Rows that are missing at the end leave no trace in those before: compare the newest hash with one noted elsewhere.
    """
    found = []
    previous, expected = FIRST, 1
    for approval in approvals:
        what = f"Approval {approval.number} ({approval.name}, by {approval.approved_by})"
        if approval.number != expected:
            found.append(f"{what} should be number {expected}: approvals are missing or were moved.")
        elif approval.previous != previous:
            found.append(
                f"{what} does not follow the one before it: one of the two was replaced, or one is missing."
            )
        if digest(approval.as_dict()) != approval.hash:
            found.append(f"{what} was changed after it was made: its hash does not fit.")
        previous, expected = approval.hash, approval.number + 1
    return found


def approve(session: Session, artifact: ArtifactNode, by: str, note: str) -> Approval:
    """Add an approval of what an artifact holds; in the session's transaction."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        session.execute(text("LOCK TABLE approvals IN EXCLUSIVE MODE"))
    last = session.scalars(select(schema.Approval).order_by(schema.Approval.number.desc()).limit(1)).first()
    fields: dict[str, Any] = {
        "number": 1 if last is None else last.number + 1,
        "artifact_id": artifact.artifact_id,
        "run_id": artifact.run_id,
        "name": artifact.name,
        "uri": artifact.uri,
        "sha256": artifact.sha256,
        "approved_by": storable(by.strip()),
        "note": storable(note),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "previous": FIRST if last is None else last.hash,
    }
    made = Approval(**fields, hash=digest(fields))
    session.add(schema.Approval(**asdict(made)))
    return made


def approvals(session: Session, contents: Collection[str] | None = None) -> list[Approval]:
    """All approvals in their order, or those of these contents (SHA-256)."""
    query = select(schema.Approval).order_by(schema.Approval.number)
    if contents is None:
        return [_record(row) for row in session.scalars(query)]
    return [
        _record(row)
        for some in portions(sorted(contents))
        for row in session.scalars(query.where(schema.Approval.sha256.in_(some)))
    ]


def _record(row: schema.Approval) -> Approval:
    return Approval(**{name: getattr(row, name) for name in Approval.__dataclass_fields__})
