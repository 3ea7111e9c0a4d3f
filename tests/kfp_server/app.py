"""The server as a WSGI application."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from tests.kfp_server import auth
from tests.kfp_server.api import Api, Problem
from tests.kfp_server.database import Objects
from tests.kfp_server.execution import Executions
from tests.kfp_server.faults import Faults
from tests.kfp_server.ir import Invalid
from tests.kfp_server.queries import BadQuery
from tests.kfp_server.recurring import Recurring
from tests.kfp_server.swagger import Swagger

_DASHBOARD = "<!DOCTYPE html><html><head><title>Kubeflow Central Dashboard</title></head></html>"


class Server:
    """State, operations and settings of one server. ``violations``: what its own answers had wrong."""

    def __init__(self, home: Path, root: str | None = None) -> None:
        self.objects = Objects(f"sqlite:///{home / 'api.sqlite'}")
        self.executions = Executions(self.objects, root or f"file://{home / 'pipeline-root'}")
        self.api = Api(self.objects, self.executions)
        self.swagger = Swagger()
        self.faults = Faults()
        self.auth = auth.Auth()
        self.prefix = ""
        self.requests: list[dict[str, Any]] = []
        self.violations: list[str] = []
        Recurring(self.objects, self.api).start()

    def answer(self, path: str) -> Response:
        """Answer a request to the API."""
        found = self.swagger.find(request.method, path)
        if found is None:
            return _json({"code": 5, "message": "Not Found"}, 404)
        operation, parameters = found
        query = request.args.to_dict()
        body = request.get_json(silent=True) if "json" in (request.content_type or "") else None
        problem = self.swagger.check_request(operation, query, body)
        if problem is not None:
            status, answer = 400, {"code": 3, "message": f"The request is not as the API has it: {problem}"}
        else:
            status, answer = self._carry_out(operation["operationId"], parameters, query, body)
        wrong = self.swagger.check_response(operation, status, answer)
        if wrong is not None:
            self.violations.append(f"{operation['operationId']}: {wrong}")
        return _json(answer, status)

    def _carry_out(self, name: str, path: Any, query: Any, body: Any) -> tuple[int, dict[str, Any]]:
        try:
            if name in ("UploadPipeline", "UploadPipelineVersion"):
                text = request.files["uploadfile"].read().decode("utf-8")
                upload = self.api.upload if name == "UploadPipeline" else self.api.upload_version
                return 200, upload(query, text)
            return 200, self.api.call(name, path, query, body)
        except Problem as problem:
            return problem.status, {"code": problem.code, "message": problem.message}
        except (BadQuery, Invalid) as error:
            return 400, {"code": 3, "message": str(error)}


def create(server: Server) -> Flask:
    """The application of a server."""
    app = Flask(__name__)

    @app.route("/_control", methods=["GET", "PUT"])
    def control() -> Response:
        if request.method == "PUT":
            given = request.get_json()
            server.faults.put(given.get("faults", []))
            server.auth = auth.settings(given.get("auth", {}))
            server.prefix = given.get("prefix", "")
            server.executions.hold = given.get("hold", False)
            server.api.multi_user = given.get("multi_user", False)
            server.requests.clear()
            server.violations.clear()
        return _json({"requests": server.requests, "violations": server.violations}, 200)

    @app.route("/dex/<path:path>", methods=["GET", "POST"])
    def dex(path: str) -> Response:
        return server.auth.dex(path)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def everything(path: str) -> Response:
        place = f"/{path}"
        logged = {"method": request.method, "path": place, "query": request.args.to_dict()}
        server.requests.append({**logged, "body": request.get_json(silent=True)})
        early = server.faults.before() or server.auth.check()
        if early is not None:
            return early
        if place.startswith("/pipeline/"):
            place = place.removeprefix("/pipeline")
        elif server.prefix:  # Kubeflow's dashboard answers everything else
            return Response(_DASHBOARD, mimetype="text/html")
        if place == "/k8s/pod/logs":
            text = server.executions.log(request.args.get("runid", ""), request.args["podname"])
            return Response(
                text or "Could not get main container logs", 200 if text else 500, mimetype="text/plain"
            )
        if not place.startswith("/apis/v2beta1"):
            return Response(_DASHBOARD, mimetype="text/html")
        return server.faults.after(server.answer(place))

    return app


def _json(body: Any, status: int) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")
