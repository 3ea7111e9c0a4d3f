"""What went wrong, as HTTP says it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from jupyter_kfp.errors import DiagnosticsError, JupyterKfpError, NotebookError, UsageError


class RequestError(JupyterKfpError):
    """A request that cannot be answered, with the HTTP status and a code for programs."""

    def __init__(self, status: HTTPStatus, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.status = status
        self.code = code


def not_found(message: str, remedy: str = "") -> RequestError:
    """There is no such thing."""
    return RequestError(HTTPStatus.NOT_FOUND, "not_found", message, remedy)


def malformed(message: str, remedy: str = "") -> RequestError:
    """The request is not what the OpenAPI document describes."""
    return RequestError(HTTPStatus.BAD_REQUEST, "malformed", message, remedy)


def answer(error: JupyterKfpError) -> tuple[HTTPStatus, dict[str, Any]]:
    """The status and the body ``{"message", "code"}``; of a notebook with errors also ``diagnostics``."""
    from jupyter_kfp.remote.errors import ApiError, UnreachableError
    from jupyter_kfp.store.database import StoreError

    extra: dict[str, Any] = {}
    match error:
        case RequestError():
            status, code = error.status, error.code
        case DiagnosticsError():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "notebook_has_errors"
            extra = {"diagnostics": [found.as_dict() for found in error.diagnostics]}
        case NotebookError():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "no_notebook"
        case UsageError():
            status, code = HTTPStatus.BAD_REQUEST, "wrong_use"
        case UnreachableError():
            status, code = HTTPStatus.BAD_GATEWAY, "unreachable"
        case ApiError():
            status, code = HTTPStatus.BAD_GATEWAY, "refused"
        case StoreError():
            status, code = HTTPStatus.SERVICE_UNAVAILABLE, "store"
        case _:
            status, code = HTTPStatus.CONFLICT, "failed"
    return status, {"message": str(error), "code": code, **extra}
