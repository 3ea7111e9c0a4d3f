"""What the server keeps: the API's objects as JSON, by kind and id."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import JSON, String, Text, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

Body = dict[str, Any]


class Base(DeclarativeBase):
    """The base of the table."""


class Row(Base):
    """One object. ``extra`` is what the API does not show."""

    __tablename__ = "objects"

    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), index=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    parent: Mapped[str] = mapped_column(String(64), default="")
    body: Mapped[Body] = mapped_column(JSON)
    extra: Mapped[Body] = mapped_column(JSON, default=dict)
    note: Mapped[str] = mapped_column(Text, default="")


class Objects:
    """All objects. Methods are transactions; safe from several threads."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, connect_args={"timeout": 30})
        event.listen(self._engine, "connect", lambda c, _r: c.execute("PRAGMA journal_mode=WAL"))
        Base.metadata.create_all(self._engine)
        self._lock = threading.RLock()

    def add(self, kind: str, id_: str, body: Body, *, parent: str = "", extra: Body | None = None) -> None:
        """Insert an object."""
        with self._lock, Session(self._engine) as session, session.begin():
            session.add(Row(kind=kind, id=id_, parent=parent, body=body, extra=extra or {}))

    def get(self, kind: str, id_: str) -> Body | None:
        """The body of an object, or None."""
        with Session(self._engine) as session:
            row = session.scalar(select(Row).where(Row.kind == kind, Row.id == id_))
            return None if row is None else dict(row.body)

    def extra(self, id_: str) -> Body:
        """What is known of an object besides its body."""
        with Session(self._engine) as session:
            row = session.scalar(select(Row).where(Row.id == id_))
            return {} if row is None else dict(row.extra)

    def update(self, id_: str, extra: Body | None = None, **values: Any) -> None:
        """Set fields of a body; None removes one."""
        with self._lock, Session(self._engine) as session, session.begin():
            row = session.scalar(select(Row).where(Row.id == id_))
            assert row is not None
            row.body = {k: v for k, v in {**row.body, **values}.items() if v is not None}
            if extra:
                row.extra = {**row.extra, **extra}

    def delete(self, id_: str) -> None:
        """Remove an object."""
        with self._lock, Session(self._engine) as session, session.begin():
            row = session.scalar(select(Row).where(Row.id == id_))
            if row is not None:
                session.delete(row)

    def list(self, kind: str, *, parent: str | None = None) -> list[Body]:
        """All bodies of a kind, the oldest first."""
        query = select(Row).where(Row.kind == kind).order_by(Row.number)
        if parent is not None:
            query = query.where(Row.parent == parent)
        with Session(self._engine) as session:
            return [dict(row.body) for row in session.scalars(query)]


def now() -> str:
    """This moment as the API writes it, to the second as KFP does."""
    return stamp(datetime.now(timezone.utc))


def stamp(moment: datetime) -> str:
    """A moment as the API writes it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
