"""Runs for tests of lineage, written down as an engine would, with files that are really there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_kfp.store.records import InputFile, NewArtifact, NewRun, NewTask, Origin, State, TaskOrigin
from jupyter_kfp.store.store import Store


class Runs:
    """Writes down runs of one step each. ``directory``: where their artifacts are."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store, self.directory = store, directory

    def add(
        self,
        run_id: str,
        *,
        makes: Mapping[str, str] | None = None,
        takes: Mapping[str, Sequence[int]] | None = None,
        imports: Path | None = None,
        reads: Sequence[Path] = (),
        state: State = State.SUCCEEDED,
        pipeline: str = "p",
        facts: Mapping[str, Any] | None = None,
        **origin: Any,
    ) -> dict[str, int]:
        """A run with the step ``step`` that makes artifacts with these texts; their ids by port.

        ``model`` is a model, all else a dataset. ``takes``: ids of artifacts by port; ``imports``: the file of which it
        makes the artifact ``artifact``, as an importer does; ``reads``: files that it names.
        """
        root = self.directory / run_id
        files = tuple(InputFile(path.name, str(path), digest(path), path.stat().st_size) for path in reads)
        self.store.create_run(
            NewRun(run_id, run_id, pipeline, "", str(root), {"depth": 2}, Origin(**origin)),
            [NewTask("step", "step", "step", "comp-step")],
        )
        recorder = self.store.recorder(run_id)
        recorder.begin_attempt("step", 1, directory=str(root), log="")
        recorder.set_inputs("step", {}, takes or {})
        made = {port: [self._artifact(root, port, text)] for port, text in (makes or {}).items()}
        known = dict(facts or {})
        if imports is not None:
            made["artifact"] = [
                NewArtifact(
                    imports.name, "system.Dataset", str(imports), {}, digest(imports), imports.stat().st_size
                )
            ]
            known["imported"] = True
        ids = recorder.end_task(
            "step", state, artifacts=made, cache_key=f"key of {run_id}", origin=TaskOrigin(known, files=files)
        )
        results = {port: all_ for port, all_ in ids.items() if all_}
        recorder.end_run(state, artifacts=results)
        return {port: all_[0] for port, all_ in ids.items()}

    def reuse(self, run_id: str, source: str, *, pipeline: str = "p") -> None:
        """A run whose step takes out of the cache what that of ``source`` made."""
        self.store.create_run(
            NewRun(run_id, run_id, pipeline, "", str(self.directory / run_id)),
            [NewTask("step", "step", "step", "c")],
        )
        (found,) = self.store.cached(f"key of {source}")
        recorder = self.store.recorder(run_id)
        recorder.reuse("step", found)
        recorder.end_run(State.SUCCEEDED)

    def _artifact(self, root: Path, port: str, text: str) -> NewArtifact:
        path = root / port
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        kind = "system.Model" if port == "model" else "system.Dataset"
        return NewArtifact(port, kind, str(path), {"rows": 3}, digest(path), len(text))


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
