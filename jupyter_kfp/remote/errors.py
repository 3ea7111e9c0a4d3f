"""What can go wrong between here and a cluster."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from jupyter_kfp.errors import JupyterKfpError


class Trouble(str, Enum):
    """Why a server could not be used."""

    REFUSED = "refused"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    LOGIN_PAGE = "login page"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    WRONG_PATH = "wrong path"
    UNAVAILABLE = "unavailable"
    GARBLED = "garbled"
    VERSION = "version"

    @property
    def is_transient(self) -> bool:
        """Whether asking again a little later may help."""
        return self in _TRANSIENT


_TRANSIENT = frozenset({Trouble.REFUSED, Trouble.TIMEOUT, Trouble.DROPPED, Trouble.UNAVAILABLE})


class UnreachableError(JupyterKfpError):
    """The server cannot be used; ``trouble`` says why. ``retry_after``: seconds that it asked to wait."""

    exit_code: ClassVar[int] = 3

    def __init__(
        self, trouble: Trouble, message: str, remedy: str = "", *, retry_after: float | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.trouble = trouble
        self.retry_after = retry_after


class ApiError(JupyterKfpError):
    """The server understood and said no. ``status`` is HTTP's, ``code`` google.rpc's."""

    def __init__(self, status: int, code: int, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.status = status
        self.code = code

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object."""
        return self.status == 404

    @property
    def exists_already(self) -> bool:
        """Whether an object of that name exists already."""
        return self.status == 409 or self.code == 6
