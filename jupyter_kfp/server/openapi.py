"""The table of operations as an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from jupyter_kfp.server import answers
from jupyter_kfp.server.routes import OPERATIONS, Operation

PREFIX: Final = "/jupyter-kfp"
_REFERENCE = "#/components/schemas/{model}"


def document() -> dict[str, Any]:
    """The document that is served at ``/jupyter-kfp/openapi.json``."""
    models: list[tuple[type[BaseModel], Any]] = [
        (answers.Problem, "serialization"),
        (answers.NotebookProblem, "serialization"),
    ]
    for one in OPERATIONS:
        models += [(one.body, "validation")] if one.body else []
        models += [(one.answer, "serialization")] if one.answer else []
    named, schemas = models_json_schema(models, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(f"{PREFIX}{one.path}", {})[one.method.lower()] = _operation(one, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jupyter_kfp",
            "version": version("jupyter-kfp"),
            "description": "Notebooks as pipelines: the Python API of jupyter_kfp over HTTP. Every request needs the "
            "server's token (or its cookie and the XSRF header) and the permission on `jupyter_kfp`.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token TOKEN`",
                }
            },
        },
    }


def _operation(one: Operation, named: Any) -> dict[str, Any]:
    name = one.call.__name__.strip("_")
    place = one.call.__module__.rpartition(".")[2]
    described: dict[str, Any] = {
        "operationId": f"{place}_{name}",
        "summary": (one.call.__doc__ or "").strip().splitlines()[0],
        "tags": [place],
        "responses": {
            str(one.status): _success(one, named),
            **{str(status): _error(status, named) for status in one.errors},
        },
    }
    parameters = [
        {"name": part, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for part in re.findall(r"{(\w+)}", one.path)
    ]
    parameters += _query(one.query) if one.query else []
    if parameters:
        described["parameters"] = parameters
    if one.body:
        content = {"application/json": {"schema": named[one.body, "validation"]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=_REFERENCE)
    found = []
    for name, field in schema["properties"].items():
        choices = field.get("anyOf", [field])
        kept = next(choice for choice in choices if choice.get("type") != "null")
        if "$ref" in kept:
            kept = schema["$defs"][kept["$ref"].rpartition("/")[2]]
        found.append({"name": name, "in": "query", "required": False, "schema": kept})
    return found


def _success(one: Operation, named: Any) -> dict[str, Any]:
    content: dict[str, Any]
    if one.answer:
        content = {"application/json": {"schema": named[one.answer, "serialization"]}}
    elif one.is_notebook:
        content = {"application/json": {"schema": {"type": "object", "description": "nbformat 4"}}}
    else:
        kinds = ("text/html", "text/plain", "image/png", "image/svg+xml")
        content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    return {"description": "It was done." if one.method == "POST" else "As asked.", "content": content}


def _error(status: int, named: Any) -> dict[str, Any]:
    model = answers.NotebookProblem if status == HTTPStatus.UNPROCESSABLE_ENTITY else answers.Problem
    content = {"application/json": {"schema": named[model, "serialization"]}}
    return {"description": HTTPStatus(status).phrase, "content": content}
