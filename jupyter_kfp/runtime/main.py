"""One step, from KFP's executor input to KFP's executor output.

papermill executes the step's notebook in a kernel of its own: parameters, inputs, the step's cells,
outputs. Exit status 0, or 1 with the reason in the executor output and on stderr.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from . import whole
from .artifacts import local_path
from .environment import ensure
from .files import copy
from .parameters import coerce

TAG = "jupyter-kfp"


def main(executor_input: str, packages: str, step: dict[str, Any], home: str) -> None:
    """Run ``step`` and end the process.

    Args:
        executor_input: KFP's ``{{$}}``.
        packages: A JSON list of pip requirements.
        step: What the compiler packed.
        home: The temporary directory this package lies in; removed at the end.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    job = {"step": step, "input": json.loads(executor_input)}
    place = Path(home)
    try:
        output = _carry(step, job["input"])
        if output is None:
            ensure(json.loads(packages), place)
            output = _run(job, place)
    except Exception as error:  # noqa: BLE001 - whatever stops the step is reported where its caller looks
        output = _failure(step, type(error).__name__, str(error))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _write(Path(job["input"]["outputs"]["outputFile"]), json.dumps(output))
    sys.exit("error" in output)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _notebook(step: dict[str, Any]) -> dict[str, Any]:
    """The step's notebook: its cells, with those that load and save around them."""

    def cell(source: str, **metadata: Any) -> dict[str, Any]:
        return {
            "cell_type": "code",
            "source": source,
            "metadata": metadata,
            "outputs": [],
            "execution_count": None,
        }

    def own(call: str) -> dict[str, Any]:
        source = f'__import__("{__package__}.kernel", fromlist="x").{call}'
        return cell(source, tags=[TAG], jupyter={"source_hidden": True})

    parts: dict[str, list[Any]] = {"preamble": [], "step": []}
    for i, c in enumerate(step.get("cells", ())):
        parts[c["role"]].append(cell(c["source"], jupyter_kfp={"cell": i}))
    name, language = step.get("kernel", ("python3", "python"))
    spec = {"name": name, "language": language, "display_name": name}
    cells = [own("load(1)"), *parts["preamble"], own("load(0)"), *parts["step"], own("save()")]
    if "kernel" in step:
        cells = parts["step"]
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": {"kernelspec": spec}, "cells": cells}


def _run(job: dict[str, Any], home: Path) -> dict[str, Any]:
    """Execute the step. The executor output, or ``{"error": ...}``."""
    step, given = job["step"], job["input"]
    values = given.get("inputs", {}).get("parameterValues", {})
    ports = step.get("ports", {})
    parameters = {n: coerce(values.get(ports.get(n, n)), t) for n, t in step.get("parameters", {}).items()}
    file, notebook, executed, result = (
        home / n for n in ("job.json", "in.ipynb", "out.ipynb", "result.json")
    )
    own = whole.paths(step, given, home) if "kernel" in step else {}
    _write(file, json.dumps(job | {"parameters": parameters}))
    for path in (notebook, executed):  # one to read, one to fill: it is there whatever happens
        _write(path, json.dumps(_notebook(step)))
    # This interpreter is the kernel, whatever kernelspecs are installed: the first directory wins.
    argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40", "-f", "{connection_file}"]
    _write(
        home / "kernels/python3/kernel.json",
        json.dumps({"argv": argv, "language": "python", "display_name": "Python 3"}),
    )
    for variable in ("JUPYTER_PATH", "PYTHONPATH"):
        os.environ[variable] = os.pathsep.join(filter(None, [str(home), os.environ.get(variable)]))
    os.environ["JUPYTER_KFP_JOB"] = str(file)
    reason = ("SystemExit", "the notebook stopped before its outputs were saved")
    papermill = import_module("papermill")
    logging.getLogger("papermill").setLevel(logging.ERROR)
    # A machine full of steps is slow to start a kernel and to deliver its last messages.
    options = {
        "stdout_file": sys.stdout,
        "stderr_file": sys.stderr,
        "start_timeout": 300,
        "iopub_timeout": 60,
        "autosave_cell_every": 0,
        "coalesce_streams": True,  # a secret may be printed in pieces
    }
    try:
        papermill.execute_notebook(
            str(notebook), str(executed), parameters | own, progress_bar=False, **options
        )
        if "kernel" in step:
            _write(result, json.dumps(whole.outputs(step, given, own)))
    except Exception as error:  # noqa: BLE001 - a failed cell, a dead kernel: the notebook tells which
        reason = (type(error).__name__, str(error))
    text = executed.read_text("utf-8")
    for name in step.get("secrets", ()):
        for line in os.environ.get(name, "").splitlines():
            word = json.dumps(line)
            # Not what is a key of the notebook's own, too.
            if len(line) > 3 and word + ":" not in text:
                text = text.replace(word[1:-1], "****")
    done = json.loads(text)
    if result.exists():  # what was made is told in the notebook, too: KFP's API does not tell it
        done["metadata"]["jupyter_kfp"] = json.loads(result.read_text("utf-8"))
    _write(executed, json.dumps(done))
    kept = {name: _keep(given, name, executed) for name in ("executed_notebook", "executed_html")}
    if not result.exists():
        return _failure(step, *reason, done["cells"])
    output: dict[str, Any] = done["metadata"]["jupyter_kfp"]
    output["artifacts"] |= {name: artifact for name, artifact in kept.items() if artifact}
    return output


def _carry(step: dict[str, Any], given: dict[str, Any]) -> dict[str, Any] | None:
    """What a step without code hands on: its inputs as they are. None for any other step."""
    if any(cell["role"] == "step" for cell in step.get("cells", ())):
        return None
    values, artifacts = {}, {}
    for name, spec in step.get("outputs", {}).items():
        port = step.get("ports", {}).get(name, name)
        sources, targets = (given[s].get("artifacts", {}).get(port) for s in ("inputs", "outputs"))
        if step.get("inputs", {}).get(name, "")[:5] == "list[":
            return None  # many files become one
        if sources and targets:
            source, target = sources["artifacts"][0], targets["artifacts"][0]
            copy(Path(local_path(source["uri"])), Path(local_path(target["uri"])))
            # The same object, wherever it arrives.
            metadata = {"object": source["uri"], **source.get("metadata", {})}
            artifacts[port] = {"artifacts": [target | {"metadata": metadata}]}
        elif step.get("parameters", {}).get(name) == spec["type"]:
            values[port] = given["inputs"]["parameterValues"].get(port)
        else:
            return None
    return {"parameterValues": values, "artifacts": artifacts}


def _keep(given: dict[str, Any], port: str, executed: Path) -> Any:
    """Write the executed notebook, or its HTML, to its artifact; the artifact for the executor output."""
    artifact = given["outputs"].get("artifacts", {}).get(port, {}).get("artifacts", [None])[0]
    if artifact is None:
        return None
    text = executed.read_text("utf-8")
    if port == "executed_html":
        try:
            hide = {"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": [TAG]}}
            exporter = import_module("nbconvert").HTMLExporter(
                config=import_module("traitlets.config").Config(hide)
            )
            text = exporter.from_filename(str(executed))[0]
        except Exception as error:  # noqa: BLE001 - a picture of the result is not worth the result
            text = f"<pre>{error}</pre>"
    _write(Path(local_path(artifact["uri"])), text)
    return {"artifacts": [{"name": artifact.get("name", port), "uri": artifact["uri"], "metadata": {}}]}


def _failure(step: dict[str, Any], kind: str, message: str, cells: Any = ()) -> dict[str, Any]:
    """Report the failure on stderr, and as the executor output."""
    number, trace, source = None, "", ""
    for cell in cells:
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                kind, message = output["ename"], output["evalue"]
                trace = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output["traceback"]))
        if cell["metadata"].get("papermill", {}).get("end_time"):
            source, number = "".join(cell["source"]), cell["metadata"].get("jupyter_kfp", {}).get("cell")
    text = f"{kind}: {message}"
    if number is not None:
        text = f"Step {step['step']!r} failed in this cell:\n\n{source}\n\n{trace or text}"
    sys.stderr.write(f"{text}\n")
    error = {"type": kind, "message": message, "cell": number, "step": step["step"], "traceback": trace}
    return {"error": error}
