"""One handler for every operation: who may, what is well-formed, and errors as JSON."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from http import HTTPStatus
from typing import Any, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from pydantic import BaseModel, ValidationError
from tornado import web

from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.server import errors, openapi
from jupyter_kfp.server.context import Context
from jupyter_kfp.server.errors import RequestError, malformed
from jupyter_kfp.server.previews import Raw
from jupyter_kfp.server.routes import OPERATIONS, Operation

RESOURCE: Final = "jupyter_kfp"
LARGEST_BODY: Final = 32 * 2**20
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_CODES = {400: "malformed", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "no_method"}


class _Handler(APIHandler):
    auth_resource = RESOURCE
    allowed: tuple[str, ...] = ("GET",)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors are ``{"message", "code"}``."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, JupyterKfpError):
            status, body = errors.answer(error)
            self.set_status(status)
        else:
            phrase = HTTPStatus(status_code).phrase
            message = (error.log_message if isinstance(error, web.HTTPError) else None) or phrase
            body = {"message": message, "code": _CODES.get(status_code, "internal")}
        if self.get_status() == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.allowed))
        self.finish(json.dumps(body, default=str))

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """What is answered with a reason is no accident."""
        if not isinstance(value, JupyterKfpError):
            super().log_exception(kind, value, trace)


class OperationHandler(_Handler):
    """Serves the operations of one path."""

    def initialize(self, context: Context, operations: dict[str, Operation]) -> None:
        """What the route gives."""
        self.context = context
        self.operations = operations
        self.allowed = tuple(operations)

    @web.authenticated
    @authorized("read", RESOURCE)
    async def get(self, **path: str) -> None:
        """Read."""
        await self._serve("GET", path)

    @web.authenticated
    @authorized("write", RESOURCE)
    async def post(self, **path: str) -> None:
        """Do."""
        await self._serve("POST", path)

    async def _serve(self, method: str, path: dict[str, str]) -> None:
        operation = self.operations.get(method)
        if operation is None:
            raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        given: dict[str, Any] = dict(path)
        given |= {"query": self._query(operation.query)}
        if operation.body is not None:
            given["body"] = self._body(operation.body)
        elif self.request.body.strip() not in (b"", b"{}"):
            raise malformed("This request takes no body.")
        answer = await operation.call(self.context, **{k: v for k, v in given.items() if v is not None})
        self.set_status(operation.status)
        if isinstance(answer, Raw):
            self.set_header("Content-Security-Policy", answer.policy)
            self.set_header("X-Content-Type-Options", "nosniff")
            self.finish(answer.data, set_content_type=answer.media_type)
            return
        value = answer.model_dump(mode="python") if isinstance(answer, BaseModel) else answer
        self.finish(json.dumps(plain(value)))

    def _query(self, model: type[BaseModel] | None) -> BaseModel | None:
        given = {}
        for name, values in self.request.query_arguments.items():
            # Jupyter's own; a bare number is what its front ends add to keep browsers from caching.
            if name in ("token", "no_track_activity") or (name.isdigit() and values == [b""]):
                continue
            if len(values) > 1:
                raise malformed(f"{name} is given several times.")
            try:
                given[name] = values[0].decode()
            except UnicodeDecodeError:
                raise malformed(f"{name} is not UTF-8.") from None
        if model is None:
            if given:
                raise malformed(f"There is no query parameter {next(iter(given))!r} here.")
            return None
        return _validated(model, given)

    def _body(self, model: type[BaseModel]) -> BaseModel:
        if len(self.request.body) > LARGEST_BODY:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f"The body is larger than {LARGEST_BODY >> 20} MB.",
                "Clear the notebook's outputs.",
            )
        try:
            text = self.request.body.decode()
            value = json.loads(text, parse_constant=_no_number)
            if _SURROGATE.search(text):
                json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written anywhere
        except (ValueError, RecursionError) as error:
            raise malformed(f"The body is not JSON: {error}.") from None
        return _validated(model, value)


class OpenApiHandler(_Handler):
    """Serves the OpenAPI document."""

    @web.authenticated
    @authorized("read", RESOURCE)
    def get(self) -> None:
        """Read."""
        self.finish(json.dumps(openapi.document()))


def routes(context: Context) -> list[tuple[str, type[_Handler], dict[str, Any]]]:
    """Tornado's routes, below the server's base URL."""
    paths: dict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method] = operation
    found: list[tuple[str, type[_Handler], dict[str, Any]]] = [
        (f"{openapi.PREFIX}/openapi.json", OpenApiHandler, {})
    ]
    for path, operations in paths.items():
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)
        settings = {"context": context, "operations": operations}
        found.append((f"{openapi.PREFIX}{pattern}", OperationHandler, settings))
    return found


def _validated(model: type[BaseModel], value: Any) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise malformed(f"{where}: {first['msg']}." if where else f"{first['msg']}.") from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def plain(value: Any) -> Any:
    """``value`` as JSON has it: texts for numbers that JSON lacks (NaN), times as ISO 8601."""
    match value:
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
    # An enumeration's value; else a text.
    return str(getattr(value, "value", value))
