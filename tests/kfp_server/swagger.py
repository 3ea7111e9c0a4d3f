"""Requests and responses against KFP's Swagger file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SWAGGER = Path(__file__).parents[3] / "shared" / "kfp-api" / "v2beta1.swagger.json"
_SUCCESS = "200"


class Swagger:
    """The operations of the API by method and path."""

    def __init__(self, path: Path = SWAGGER) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        self.version = document["info"]["version"]
        self.definitions: dict[str, Any] = {
            name: _closed(schema) for name, schema in document["definitions"].items()
        }
        self._operations = [
            (method.upper(), _pattern(template), template, operation)
            for template, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        # `/pipelines/upload` before `/pipelines/{pipeline_id}`.
        self._operations.sort(key=lambda entry: entry[2].count("{"))

    def find(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, str]] | None:
        """The operation a request means and its path parameters; None if there is none."""
        for wanted, pattern, _template, operation in self._operations:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                names = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
                return operation, dict(zip(names, match.groups(), strict=True))
        return None

    def check_request(self, operation: dict[str, Any], query: dict[str, str], body: Any) -> str | None:
        """What is wrong with a request, or None."""
        parameters = operation.get("parameters", [])
        known = {p["name"] for p in parameters if p["in"] == "query"}
        unknown = set(query) - known
        if unknown:
            return f"unknown query parameters {sorted(unknown)}"
        for parameter in parameters:
            if parameter["in"] == "query" and parameter["name"] in query:
                text = query[parameter["name"]]
                if parameter.get("type") == "integer" and not re.fullmatch(r"-?\d+", text):
                    return f"{parameter['name']} is no integer: {text!r}"
                if "enum" in parameter and text not in parameter["enum"]:
                    return f"{parameter['name']} cannot be {text!r}"
            if parameter["in"] == "body":
                if body is None:
                    return "a body is required"
                return self._problem(parameter["schema"], body)
        return None

    def check_response(self, operation: dict[str, Any], status: int, body: Any) -> str | None:
        """What is wrong with a response, or None."""
        answers = operation["responses"]
        answer = answers[_SUCCESS] if status == 200 else answers["default"]
        return self._problem(answer["schema"], body)

    def _problem(self, schema: dict[str, Any], value: Any) -> str | None:
        import jsonschema  # for seconds, and tests want the path only

        whole = {**_closed(schema), "definitions": self.definitions}
        validator = jsonschema.Draft4Validator(whole)
        for error in validator.iter_errors(value):
            return f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:300]}"
        return None


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", template)
    return re.compile(r"([^/:]+)".join(map(re.escape, parts)))


def _closed(schema: Any) -> Any:
    """The schema as grpc-gateway means it: no properties but those declared; 64-bit integers are texts."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: _closed(value)
        for key, value in schema.items()
        if not (key in ("description", "title") and isinstance(value, str))
    }
    if "$ref" in closed:
        return {"$ref": closed["$ref"]}
    if closed.get("type") == "object" and "properties" in closed and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    if closed.get("format") == "int64":
        closed["pattern"] = r"^-?\d+$"
    if closed.get("format") == "date-time":
        closed["pattern"] = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
    return closed
