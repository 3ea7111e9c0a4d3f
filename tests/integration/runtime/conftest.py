"""Packed steps, run as an engine or a pod runs them: one process with a program and its arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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

    def __init__(self, root: Path) -> None:
        self.root = root
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
        place = self.root / step["step"]
        done = subprocess.run(
            self.command(step, parameters),
            cwd=place / "cwd",
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        file = place / "out/output.json"
        output = json.loads(file.read_text()) if file.exists() else {}
        self.artifacts.update(output.get("artifacts", {}))
        return Outcome(done.returncode, done.stdout, output, place)


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


def make_step(name: str, *cells: str, preamble: str = "", **more: Any) -> dict[str, Any]:
    """A step.json. Its pieces are counted from 0, the preamble first where there is one."""
    first = [{"source": preamble, "role": "preamble"}] if preamble else []
    own = [{"source": source, "role": "step"} for source in cells]
    return {"step": name, "cells": first + own, **more}
