"""KFP's executor input and executor output (messages of ``pipeline_spec.proto``, as JSON)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine.dataflow import Values
from jupyter_kfp.engine.directories import AttemptDirectory, safe
from jupyter_kfp.engine.ir import integral
from jupyter_kfp.engine.plan import ArtifactSpec, Component, ParameterKind, ParameterSpec
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.artifacts import ArtifactRoot, content, local_path
from jupyter_kfp.store.records import Failure, NewArtifact

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json

# Ports of notebook steps whose files are worth keeping when the step fails.
REPORT_PORTS = ("executed_notebook", "executed_html")


class OutputError(JupyterKfpError):
    """A step ended well, but what it left cannot be read as its outputs."""


def executor_input(
    component: Component, inputs: Values, directory: AttemptDirectory, artifacts: Mapping[str, Path]
) -> dict[str, Any]:
    """The message a step gets. ``artifacts`` are the paths of its output artifacts by port.

    The URIs in it are local paths, wherever the artifacts are kept: KFP's executor takes the path of an artifact
    from its URI, and has mounts for some kinds of URLs only.
    """
    return {
        "inputs": {
            "parameterValues": dict(inputs.parameters),
            "artifacts": {
                port: {
                    "artifacts": [
                        _runtime_artifact(p.artifact.name, p.artifact.type, p.path, p.artifact.metadata)
                        for p in produced
                    ]
                }
                for port, produced in inputs.artifacts.items()
            },
        },
        "outputs": {
            "parameters": {
                port: {"outputFile": str(directory.parameter(port))} for port in component.output_parameters
            },
            "artifacts": {
                port: {"artifacts": [_runtime_artifact(port, spec.schema_title, artifacts[port], {}, spec)]}
                for port, spec in component.output_artifacts.items()
            },
            "outputFile": str(directory.executor_output),
        },
    }


def _runtime_artifact(
    name: str, kind: str, path: Path, metadata: Mapping[str, Json], spec: ArtifactSpec | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "type": {"schemaTitle": kind, "schemaVersion": spec.schema_version if spec else "0.0.1"},
        "uri": str(path),
        "metadata": dict(metadata),
    }


def read_executor_output(path: Path) -> dict[str, Any]:
    """The message a step left; empty if it left none. Raises OutputError if it is not JSON."""
    if not path.is_file():
        return {}
    try:
        message = json.loads(path.read_bytes())
    except ValueError as error:
        raise OutputError(f"The executor output of the step is not JSON ({error}).") from error
    return message if isinstance(message, dict) else {}


def step_failure(message: Mapping[str, Any], cells: Sequence[int] = ()) -> Failure | None:
    """The failure a notebook step describes in its executor output, if it does.

    The step knows which of its own pieces failed; ``cells`` are the notebook's cells they come from.
    """
    error = message.get("error")
    if not isinstance(error, Mapping) or not (error.get("message") or error.get("type")):
        return None
    piece = error.get("cell")
    cell = cells[piece] if isinstance(piece, int) and piece < len(cells) else None
    kind = str(error.get("type") or "") or None
    text = str(error.get("message") or "")
    if kind is not None and not text.startswith(kind):
        text = f"{kind}: {text}" if text else kind  # `assert x` says nothing
    traceback = str(error["traceback"]) if error.get("traceback") else None
    if cell is not None:
        text = f"{_place(cell, traceback)}: {text}"
    return Failure(text, kind, cell, traceback)


def _place(cell: int, traceback: str | None) -> str:
    """Where a step failed, as a person counts. IPython's traceback begins with the cell's own frame."""
    line = re.search(r"Cell In ?\[\d+\], line (\d+)", re.sub(r"\x1b\[[\d;]*m", "", traceback or ""))
    return f"cell {cell + 1}" + (f", line {line[1]}" if line else "")


def output_parameters(
    specs: Mapping[str, ParameterSpec], message: Mapping[str, Any], directory: AttemptDirectory
) -> dict[str, Json]:
    """The values a step made, from its executor output or from the files of its output parameters."""
    given = message.get("parameterValues") or {}
    values: dict[str, Json] = {}
    for port, spec in specs.items():
        file = directory.parameter(port)
        if file.is_file():
            values[port] = integral(_parsed(port, spec.kind, file), spec.kind)
        elif port in given:
            values[port] = integral(given[port], spec.kind)
    return values


def _parsed(port: str, kind: ParameterKind, file: Path) -> Json:
    """A parameter that was written as text: strings as they are, everything else as JSON."""
    text = file.read_text(encoding="utf-8")
    if kind is ParameterKind.STRING:
        return text
    try:
        # Python's True is let pass, as KFP's backend does.
        value: Json = json.loads(text.lower() if kind is ParameterKind.BOOLEAN else text)
    except ValueError as error:
        raise OutputError(
            f"The output {port!r} is of type {kind.python_name}, but the step wrote {text[:80]!r} to its file."
        ) from error
    return value


def output_artifacts(
    specs: Mapping[str, ArtifactSpec],
    message: Mapping[str, Any],
    root: ArtifactRoot,
    place: tuple[str, ...],
) -> dict[str, list[tuple[NewArtifact, Path]]]:
    """The artifacts a step made, each with its local path, moved to where they belong.

    ``place`` is what the root's paths of this attempt start with.
    """
    told = message.get("artifacts") or {}
    made: dict[str, list[tuple[NewArtifact, Path]]] = {}
    for port, spec in specs.items():
        entries = (told.get(port) or {}).get("artifacts") or [{}]
        made[port] = [_artifact(port, spec, entry, root, place) for entry in entries]
    return made


def _artifact(
    port: str, spec: ArtifactSpec, entry: Mapping[str, Any], root: ArtifactRoot, place: tuple[str, ...]
) -> tuple[NewArtifact, Path]:
    metadata = dict(entry.get("metadata") or {})
    expected = root.working_path(*place, safe(port))
    told = str(entry.get("uri") or expected)
    path = local_path(told)
    elsewhere = entry.get("custom_path") or entry.get("customPath")
    if elsewhere and path == expected:
        _take_over(Path(str(elsewhere)), expected)
    if path == expected:
        uri = root.publish(*place, safe(port))
    else:  # the step says that its artifact is elsewhere
        uri, path = told, path or expected
    digest, size = _content(path, metadata)
    artifact = NewArtifact(
        name=str(entry.get("name") or port),
        type=str((entry.get("type") or {}).get("schemaTitle") or spec.schema_title),
        uri=uri,
        metadata=metadata,
        sha256=digest,
        size=size,
    )
    return artifact, path


def _take_over(source: Path, target: Path) -> None:
    """Copy what a step wrote to a path of its own choice (``artifact.set_path``) to where it belongs."""
    if source == target or not source.exists():
        return
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _content(path: Path, metadata: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Digest and size; a digest that the step has just computed of the same file is not computed again."""
    digest, size = metadata.get("sha256"), metadata.get("size")
    if isinstance(digest, str) and len(digest) == 64 and path.is_file() and path.stat().st_size == size:
        return digest, path.stat().st_size
    found = content(path)
    return (None, None) if found is None else (found.sha256, found.size)


def reports(
    component: Component, root: ArtifactRoot, place: tuple[str, ...]
) -> dict[str, list[tuple[NewArtifact, Path]]]:
    """The executed notebook and its HTML of a step that failed, as far as they were written."""
    specs = {
        port: component.output_artifacts[port] for port in REPORT_PORTS if port in component.output_artifacts
    }
    written = {port: spec for port, spec in specs.items() if root.working_path(*place, safe(port)).exists()}
    return output_artifacts(written, {}, root, place)
