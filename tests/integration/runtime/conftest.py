"""Packed steps, run as an engine or a pod runs them: one process with a program and its arguments.

Most are forks of one warm process, as the engine's are: a cold start costs some seconds. ``Steps.cold``
is for what a pod does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from jupyter_kfp.engine.warm.pool import WarmPool
from jupyter_kfp.runtime.payload import BOOT, pack


@dataclass
class Outcome:
    """What a step left behind."""

    status: int
    log: str
    output: dict[str, Any]
    place: Path

    @property
    def error(self) -> dict[str, Any]:
        return self.output["error"]

    def metadata(self, name: str) -> dict[str, Any]:
        return self.output["artifacts"][name]["artifacts"][0]["metadata"]


class Steps:
    """Runs steps below one directory; each gets the artifacts of those before it."""

    def __init__(self, root: Path, pool: WarmPool) -> None:
        self.root = root
        self.pool = pool
        self.artifacts: dict[str, Any] = {}

    def command(
        self, step: dict[str, Any], parameters: dict[str, Any] | None = None, packages: str = "[]"
    ) -> list[str]:
        place = self.root / step["step"]
        (place / "cwd").mkdir(parents=True)
        ports = step.get("ports", {})
        names = [ports.get(n, n) for n, s in step.get("outputs", {}).items() if s["type"][0].isupper()]
        names += ["executed_notebook", "executed_html", *(["step_metrics"] if step.get("metrics") else [])]
        outputs = {n: {"artifacts": [{"name": n, "uri": str(place / n), "metadata": {}}]} for n in names}
        artifacts = {n: self.artifacts[n] for n in (ports.get(n, n) for n in step.get("inputs", {}))}
        given = {
            "inputs": {"parameterValues": parameters or {}, "artifacts": artifacts},
            "outputs": {"artifacts": outputs, "outputFile": str(place / "out/output.json")},
        }
        return [sys.executable, "-c", BOOT, json.dumps(given), packages, *pack(step)]

    def environment(self, **more: str) -> dict[str, str]:
        (self.root / "tmp").mkdir(exist_ok=True)
        return {**os.environ, "JUPYTER_KFP_ENVIRONMENT": "ready", "TMPDIR": str(self.root / "tmp"), **more}

    def run(
        self, step: dict[str, Any], parameters: dict[str, Any] | None = None, **environment: str
    ) -> Outcome:
        """Run a step as a fork of the warm process, or by itself where its environment asks for that."""
        command, place, own = self._prepared(step, parameters, environment)
        with (place / "log").open("w+") as log:
            fork = self.pool.start(command, place / "cwd", own, log.fileno())
            status = self._by_itself(command, place, own, log) if fork is None else fork.wait()
        return self._outcome(status, place)

    def cold(self, step: dict[str, Any], parameters: dict[str, Any] | None = None) -> Outcome:
        """Run a step in a process that starts from nothing."""
        command, place, own = self._prepared(step, parameters, {})
        with (place / "log").open("w+") as log:
            status = self._by_itself(command, place, own, log)
        return self._outcome(status, place)

    def _prepared(
        self, step: dict[str, Any], parameters: dict[str, Any] | None, environment: dict[str, str]
    ) -> tuple[list[str], Path, dict[str, str]]:
        return self.command(step, parameters), self.root / step["step"], self.environment(**environment)

    def _by_itself(self, command: list[str], place: Path, environment: dict[str, str], log: IO[str]) -> int:
        done = subprocess.run(
            command,
            cwd=place / "cwd",
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        return done.returncode

    def _outcome(self, status: int, place: Path) -> Outcome:
        file = place / "out/output.json"
        output = json.loads(file.read_text()) if file.exists() else {}
        self.artifacts.update(output.get("artifacts", {}))
        return Outcome(status, (place / "log").read_text(), output, place)


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPool]:
    directory = tmp_path_factory.mktemp("warm")
    warm = WarmPool("runtime-tests", directory / "log")
    yield warm
    warm.close()


@pytest.fixture
def steps(tmp_path: Path, pool: WarmPool) -> Steps:
    return Steps(tmp_path, pool)


def make_step(name: str, *cells: str, preamble: str = "", **more: Any) -> dict[str, Any]:
    """A step.json. Its pieces are counted from 0, the preamble first where there is one."""
    first = [{"source": preamble, "role": "preamble"}] if preamble else []
    own = [{"source": source, "role": "step"} for source in cells]
    return {"step": name, "cells": first + own, **more}
