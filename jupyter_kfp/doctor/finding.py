"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Status(str, Enum):
    """How things are."""

    OK = "ok"
    OFF = "off"
    """Not there, and nothing needs it."""
    WARNING = "warning"
    """It works, but not all of it, or not for long."""
    ERROR = "error"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do."""

    check: str
    status: Status
    message: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready values."""
        return asdict(self) | {"status": self.status.value}


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, message)


def off(check: str, message: str, remedy: str = "") -> Finding:
    """It is not there, which is no problem."""
    return Finding(check, Status.OFF, message, remedy)


def warning(check: str, message: str, remedy: str) -> Finding:
    """It may become a problem."""
    return Finding(check, Status.WARNING, message, remedy)


def error(check: str, message: str, remedy: str) -> Finding:
    """It is broken."""
    return Finding(check, Status.ERROR, message, remedy)
