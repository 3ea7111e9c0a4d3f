"""What a step has written of its secrets: taken out of its messages and reports, and found in its outputs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_kfp.engine.directories import AttemptDirectory, safe
from jupyter_kfp.engine.executor_io import REPORT_PORTS
from jupyter_kfp.engine.masking import Masker
from jupyter_kfp.engine.plan import Component
from jupyter_kfp.runtime.files import remove
from jupyter_kfp.store.artifacts import ArtifactRoot, local_path


def hide(
    masker: Masker,
    component: Component,
    directory: AttemptDirectory,
    root: ArtifactRoot,
    place: tuple[str, ...],
) -> tuple[str, ...]:
    """Mask the executor output, the executed notebook and its HTML; the outputs that hold a secret.

    The files of those outputs are removed: in another form than the step gave it, a value would be a wrong one.
    """
    if not masker:
        return ()
    message = _message(directory.executor_output)
    for file in (
        directory.executor_output,
        *(root.working_path(*place, safe(port)) for port in REPORT_PORTS),
    ):
        try:
            masker.mask_file(file)
        except OSError:  # noqa: PERF203 (two or three files)
            remove(file)  # better none than one with secrets
            raise
    return (
        *_parameters(masker, component, message, directory),
        *_artifacts(masker, component, message, root, place),
    )


def explain(outputs: Sequence[str]) -> str:
    """Why a step fails whose outputs hold a secret."""
    names = " and ".join(map(repr, outputs))
    return (
        f"The output {names} holds the value of a secret, and outputs are kept in the clear. Take it out of what the "
        "step returns, and read it where it is used (option `secret`); what is none, give by `configmap`."
    )


def _message(file: Path) -> Mapping[str, Any]:
    with contextlib.suppress(OSError, ValueError):  # whoever reads it as an output says what is wrong
        found = json.loads(file.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _parameters(
    masker: Masker, component: Component, message: Mapping[str, Any], directory: AttemptDirectory
) -> list[str]:
    given, kept = message.get("parameterValues") or {}, []
    for port in component.output_parameters:
        file = directory.parameter(port)
        if masker.is_in(given.get(port)) or masker.is_in_file(file):
            kept.append(port)
            file.unlink(missing_ok=True)
    return kept


def _artifacts(
    masker: Masker,
    component: Component,
    message: Mapping[str, Any],
    root: ArtifactRoot,
    place: tuple[str, ...],
) -> list[str]:
    told, kept = message.get("artifacts") or {}, []
    for port in component.output_artifacts:
        if port in REPORT_PORTS:
            continue
        entries = (told.get(port) or {}).get("artifacts") or []
        own = root.working_path(*place, safe(port))
        said = [
            e.get("custom_path") or e.get("customPath") or local_path(str(e.get("uri") or own))
            for e in entries
        ]
        files = {own, *(Path(str(path)) for path in said if path is not None)}
        if any(map(masker.is_in_file, files)) or masker.is_in([e.get("metadata") for e in entries]):
            kept.append(port)
            remove(own)  # what the step has put elsewhere is not ours to remove
    return kept
