"""Runs, executed by this project's engine in the server's own home."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_kfp.engine import ir, launch
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.artifacts import upload
from jupyter_kfp.store.records import State, TaskKind, TaskRecord
from jupyter_kfp.store.store import open_store
from tests.kfp_server import nodes
from tests.kfp_server.database import Objects, now
from tests.kfp_server.ir import to_text

_FINAL = {
    State.SUCCEEDED: "SUCCEEDED",
    State.FAILED: "FAILED",
    State.CANCELED: "FAILED",
}  # as Argo says of what was terminated


class Executions:
    """Starts engines, and puts what their tasks leave where KFP's launcher would."""

    def __init__(self, objects: Objects, default_root: str) -> None:
        self._objects = objects
        self._default_root = default_root
        open_store().close()  # make it before the first run does
        self.hold = False  # leave new runs pending, as a cluster without room does

    def start(
        self, run_id: str, spec: dict[str, Any], platform: dict[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Execute a run in the background. The caller has checked the arguments."""
        if self.hold:
            return
        arguments = (run_id, to_text(spec, platform), spec["pipelineInfo"]["name"], dict(values))
        threading.Thread(target=self._execute, args=arguments, daemon=True).start()

    def _execute(self, run_id: str, text: str, name: str, values: dict[str, Any]) -> None:
        try:
            handle = launch.start(text, values)
        except JupyterKfpError as error:
            self._ended(run_id, "FAILED", str(error))
            return
        self._objects.update(
            run_id, extra={"engine": handle.id, "ir": text, "workflow": f"{name[:40]}-{run_id[:5]}"}
        )
        if (self._objects.get("run", run_id) or {}).get("state") == "CANCELING":
            launch.cancel(handle.id)
        else:
            self._objects.update(run_id, state="RUNNING")
            self._note(run_id, "RUNNING")
        self._attend(run_id, handle)

    def retry(
        self, run_id: str, spec: dict[str, Any], platform: dict[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Execute a run anew under its id."""
        self._objects.update(run_id, finished_at=None, error=None, state="RUNNING")
        self.start(run_id, spec, platform, values)

    def terminate(self, run_id: str) -> None:
        """Ask a run to end."""
        self._objects.update(run_id, state="CANCELING")
        self._note(run_id, "CANCELING")
        engine = self._objects.extra(run_id).get("engine")
        if engine and not launch.show(engine).state.is_final:
            launch.cancel(engine)

    def details(self, run_id: str) -> list[dict[str, Any]]:
        """The task details of a run."""
        extra = self._objects.extra(run_id)
        if "engine" not in extra:
            return []
        return nodes.details(run_id, extra["workflow"], ir.read(extra["ir"]), self._tasks(extra["engine"]))

    def log(self, run_id: str, pod_name: str) -> str | None:
        """What the pod of that name printed, or None."""
        extra = self._objects.extra(run_id)
        if "engine" not in extra:
            return None
        plan = ir.read(extra["ir"])
        for task in self._tasks(extra["engine"]):
            if task.kind is TaskKind.GROUP or not task.attempts:
                continue
            for place, attempt in zip(nodes.executors(plan, task), task.attempts, strict=False):
                if nodes.pod(extra["workflow"], place) == pod_name:
                    return Path(attempt.log).read_text(encoding="utf-8")
        return None

    def _tasks(self, engine: str) -> list[TaskRecord]:
        store = open_store()
        try:
            return store.tasks(engine, groups=True)
        finally:
            store.close()

    def _attend(self, run_id: str, handle: launch.RunHandle) -> None:
        done: set[str] = set()
        try:
            for event in launch.follow(handle):
                if event.kind == "task" and event.task and event.state and event.state.is_final:
                    self._publish(run_id, handle.id, done)
            self._publish(run_id, handle.id, done)
            record = launch.show(handle.id)
            self._ended(run_id, _FINAL[record.state])
        except Exception as error:
            self._ended(run_id, "FAILED", repr(error))
            raise

    def _ended(self, run_id: str, state: str, reason: str = "") -> None:
        error = {"code": 13, "message": reason} if reason else None
        self._objects.update(run_id, state=state, finished_at=now(), error=error)
        self._note(run_id, state)

    def _note(self, run_id: str, state: str) -> None:
        body = self._objects.get("run", run_id) or {}
        history = [*body.get("state_history", []), {"update_time": now(), "state": state}]
        self._objects.update(run_id, state_history=history)

    def _publish(self, run_id: str, engine: str, done: set[str]) -> None:
        """Upload the outputs of tasks that have just ended, as KFP's launcher: of failed ones only the log."""
        body = self._objects.get("run", run_id) or {}
        text = self._objects.extra(run_id)["ir"]
        plan = ir.read(text)
        root = body.get("runtime_config", {}).get("pipeline_root") or plan.pipeline_root or self._default_root
        root = root.replace("minio://", "s3://", 1)  # KFP's name for its own S3-compatible store
        for task in self._tasks(engine):
            if (
                task.path in done
                or not task.state.is_final
                or task.kind is TaskKind.GROUP
                or not task.attempts
            ):
                continue
            done.add(task.path)
            place = f"{root.rstrip('/')}/{plan.name}/{run_id}/{task.key}/{uuid.uuid4()}"
            for number, attempt in enumerate(task.attempts):
                upload(Path(attempt.log), f"{place}/executor-logs-{number}")
            for port, made in task.output_artifacts.items() if task.state.is_success else ():
                for artifact in made:
                    if Path(artifact.uri).exists():
                        upload(Path(artifact.uri), f"{place}/{port}")
