"""Importers: an artifact from something that is there already, on this machine or at any URL that fsspec knows.

The artifact keeps its URI in the store; steps find its content at a local path. What is remote is fetched once and kept for
later runs, unless the importer is to import anew. Fetching is a process, ``python -m jupyter_kfp.engine.importing
URI TARGET``, so that it can be stopped like any step.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_kfp.engine.attempt import Attempt, Made, Result
from jupyter_kfp.engine.dataflow import resolved
from jupyter_kfp.engine.directories import safe
from jupyter_kfp.engine.environments import Interpreter
from jupyter_kfp.engine.plan import ComponentInput, Importer
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store import dvc, loading
from jupyter_kfp.store.artifacts import content, local_copy, local_path
from jupyter_kfp.store.lock import file_lock
from jupyter_kfp.store.records import IMPORTED, NewArtifact, State

_READY = "ready"


class Import(Attempt):
    """One try at importing an artifact."""

    @property
    def _importer(self) -> Importer:
        assert isinstance(self._executor, Importer)
        return self._executor

    def _resolved(self, value: Any) -> Any:
        known = {"inputs": {"parameterValues": self._inputs.parameters, "artifacts": {}}, "outputs": {}}
        names = self._context.placeholders(self._task.display_name, self.path, self.number)
        return resolved(value, known, names)

    @property
    def _uri(self) -> str:
        match self._importer.uri:
            case ComponentInput(name):
                value = self._inputs.parameters.get(name)
            case constant:
                value = self._resolved(constant.value)
        if not isinstance(value, str) or not value:
            raise JupyterKfpError(f"The URI to import is {value!r}.", "Give the URI or path of a file.")
        return value

    @property
    def _download(self) -> Path:
        return self._context.imports / hashlib.sha256(self._uri.encode()).hexdigest()[:24]

    def _execute(self) -> int:
        self.directory.create(None)
        self.directory.log.touch()
        self._note({IMPORTED: True})
        target = self._download
        if local_path(self._uri) is not None or ((target / _READY).exists() and not self._importer.again):
            return 0
        argv = [sys.executable, "-m", "jupyter_kfp.engine.importing", self._uri, str(target)]
        return self._start(argv, self._environment(Interpreter(sys.executable)), self.directory.log).wait()

    def _collect(self, code: int | None) -> Result:
        if code != 0:
            lines = self.directory.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return self._failed(lines[-1] if lines else self._describe(code), code)
        uri = self._uri
        path = local_path(uri) or self._download / "content" / _basename(uri)
        if not path.exists():
            return self._failed(f"There is nothing at {path} to import.", code)
        found = content(path)
        metadata = self._resolved(dict(self._importer.metadata))
        if local_path(uri) is not None and (version := dvc.version(path)) is not None:
            metadata[dvc.KEY] = version
        artifact = NewArtifact(
            name=_basename(uri),
            type=self._importer.type.schema_title,
            uri=uri,
            metadata=metadata,
            sha256=found.sha256 if found else None,
            size=found.size if found else None,
        )
        # The file may be anybody's, whoever wrote the pipeline.
        what = None if loading.consented() else loading.code_in(artifact, path)
        if what is not None:
            return self._failed(
                f"{uri} is {what}; a step that loads it runs code of whoever made it. If you trust that, set "
                f"{loading.CONSENT}=1 in the environment.",
                code,
                retriable=False,
            )
        if self._importer.to_workspace:
            path = self._into_workspace(path)
        port = next(iter(self._component.output_artifacts), "artifact")
        return Result(State.SUCCEEDED, code, made=Made(artifacts={port: [(artifact, path)]}))

    def _into_workspace(self, path: Path) -> Path:
        target = self._context.workspace / ".artifacts" / safe(self.path) / str(self.number) / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copy2(path, target)
        return target


def _basename(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2] or "artifact"


def fetch(uri: str, target: Path) -> None:
    """Fetch what is at a URI to ``target/content``, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(target.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch, "fresh")
        local_copy(uri.rstrip("/"), fresh / "content")
        (fresh / _READY).touch()
        if target.exists():
            target.rename(Path(scratch, "old"))
        fresh.rename(target)


def main(uri: str, target: str) -> int:
    """Fetch, or say in one line why not."""
    try:
        fetch(uri, Path(target))
    except (JupyterKfpError, OSError) as error:
        print(f"{uri} cannot be imported: {' '.join(str(error).split())}")  # noqa: T201 (the log)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
