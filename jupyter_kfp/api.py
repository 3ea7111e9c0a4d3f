"""The Python API: load a notebook, look at it, run it, take the results.

The other faces (command line, magics) are built on the same calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.errors import Diagnostic, DiagnosticsError, JupyterKfpError, UsageError
from jupyter_kfp.runs import Run, StepRun, StoredArtifact

if TYPE_CHECKING:  # only what reads a notebook imports the analysis, and only runs the store
    from jupyter_kfp.compiler import Provenance
    from jupyter_kfp.compiler.export import Exported
    from jupyter_kfp.notebook import Analysis
    from jupyter_kfp.pipeline import Json, Pipeline
    from jupyter_kfp.remote.submit import Options, Submission
    from jupyter_kfp.store.records import Origin
    from jupyter_kfp.views.model import Graph

__all__ = ["LoadedPipeline", "Run", "StepRun", "StoredArtifact", "load", "parse_parameters", "run", "submit"]

_IR_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def load(path: str | Path, content: Mapping[str, Any] | None = None) -> LoadedPipeline:
    """The pipeline in a notebook (``.ipynb``, or jupytext's ``.py`` and ``.md``) or in a compiled one (``.yaml``).

    ``content`` is the notebook's JSON as it is being edited, in place of what the file holds.

    Raises:
        NotebookError: the file cannot be read as a notebook. What is wrong *in* the notebook raises
            nothing here: see :meth:`LoadedPipeline.check`.
    """
    return LoadedPipeline(Path(path), content)


def run(path: str | Path, /, *, runner: str | None = None, **parameters: Json) -> Run:
    """Load a notebook or compiled pipeline and run it on this machine, waiting for its end.

    ``runner``: "process", "container" or "auto" (see :meth:`LoadedPipeline.start`).
    """
    return load(path).run(runner=runner, **parameters)


@contextmanager
def getting_ready(runner: str | None = None) -> Iterator[None]:
    """Let the engine, and what steps are forked from, load while a notebook is read and compiled and a run started.

    Where no run has been started in the end, no engine is left.
    """
    from jupyter_kfp.engine import starting
    from jupyter_kfp.engine.warm import shared

    starting.prepare()
    if runner != "container":
        shared.prepare()
    try:
        yield
    finally:
        starting.dismiss()


def submit(path: str | Path, /, options: Options | None = None, **parameters: Json) -> Run | Submission:
    """Load a notebook or compiled pipeline and start it on a cluster, without waiting: ``submit(...).wait()`` does.

    Runs on Vertex AI are not followed from here: of them there is the id and the URL only.

    Raises:
        UsageError: a parameter is wrong, or no cluster is known (`jupyter kfp profiles add`).
        UnreachableError: the cluster cannot be used; it says why and what to do.
    """
    submission = load(path).submit(parameters, options)
    return Run(submission.run_id) if submission.followed else submission


def parse_parameters(ir_text: str, pairs: Iterable[str]) -> dict[str, Json]:
    """``NAME=VALUE`` texts as values of the types that a compiled pipeline declares.

    Raises:
        UsageError: a text is not of that form, names no parameter, or cannot be of its type.
    """
    from jupyter_kfp.engine import ir, parameters

    texts = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"{pair!r} is not NAME=VALUE.", "Write for instance -p epochs=10.")
        texts[name.strip()] = text
    return parameters.from_texts(ir.read(ir_text).root.input_parameters, texts) if texts else {}


class LoadedPipeline:
    """A notebook or compiled pipeline that was read from ``path``."""

    def __init__(self, path: Path, content: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.analysis: Analysis | None = None
        self._ir: str | None = None
        if content is not None:
            from jupyter_kfp.notebook import analyze_content

            self.analysis = analyze_content(path, content)
        elif path.suffix.lower() in _IR_SUFFIXES:
            self._ir = _read_text(path)
        else:
            from jupyter_kfp.notebook import analyze_file

            self.analysis = analyze_file(path)

    def __repr__(self) -> str:
        return f"<pipeline of {self.path}>"

    @property
    def pipeline(self) -> Pipeline:
        """The model. Raises DiagnosticsError where the notebook has errors, UsageError for a compiled pipeline."""
        if self.analysis is None:
            raise UsageError(f"{self.path} is a compiled pipeline; only a notebook has a model.")
        return self.analysis.checked()

    @property
    def sources(self) -> Mapping[int, str]:
        """The source of every cell by its 0-based index; empty for a compiled pipeline."""
        return {c.index: c.source for c in self.analysis.reading.notebook.cells} if self.analysis else {}

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong, or may be, with the notebook; of a compiled pipeline, what it holds in the clear."""
        if self.analysis is None:
            from jupyter_kfp.engine import ir, secrets

            try:
                return secrets.in_clear(ir.read(self._ir or ""))
            except UsageError:
                return ()  # whoever runs it says what is wrong with it
        found = self.analysis.diagnostics
        if self.analysis.ok:
            from jupyter_kfp.compiler import diagnose

            located = self._located(diagnose(self.analysis.pipeline))
            found = (*found, *(d for d in located if d not in found))
        return found

    def _located(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        return tuple(map(self.analysis.reading.notebook.located, found)) if self.analysis else tuple(found)

    def check(self) -> tuple[Diagnostic, ...]:
        """All findings, errors and warnings. Nothing is executed."""
        return self.diagnostics

    def compile(self, path: str | Path | None = None, *, provenance: bool = False) -> str:
        """The pipeline as KFP IR YAML, written to ``path`` if one is given.

        ``provenance`` puts git commit, notebook and author into the environment of every step.

        Raises:
            DiagnosticsError: the notebook has errors, or KFP cannot express what it asks for.
        """
        text = self._ir
        if self.analysis is None and self.diagnostics:
            raise DiagnosticsError(self.diagnostics)
        if text is None or (provenance and self.analysis is not None):
            from jupyter_kfp.compiler.kept import compile_pipeline
            from jupyter_kfp.store.location import compiled_directory

            origin = self._provenance() if provenance else None
            try:
                text = compile_pipeline(self.pipeline, origin, compiled_directory())
            except DiagnosticsError as error:
                raise DiagnosticsError(self._located(error.diagnostics)) from None
            if not provenance:
                self._ir = text
        if path is not None:
            _write_text(path, text)
        return text

    def export(self, path: str | Path | None = None) -> Exported:
        """The pipeline as KFP DSL in Python, written to ``path`` if one is given; it does not need this package.

        Raises:
            DiagnosticsError: the notebook has errors, or what it does has no counterpart there.
            UsageError: it is a compiled pipeline.
        """
        from jupyter_kfp.compiler.export import Exported, export_pipeline

        try:
            found = export_pipeline(self.pipeline, self.sources)
        except DiagnosticsError as error:
            raise DiagnosticsError(self._located(error.diagnostics)) from None
        if path is not None:
            _write_text(path, found.text)
        return Exported(found.text, self._located(found.warnings))

    def _provenance(self) -> Provenance:
        from jupyter_kfp.compiler import gather

        return gather(self.path)

    @property
    def name(self) -> str:
        """The pipeline's name; of a compiled one the file's, until it is drawn."""
        return self.analysis.reading.name if self.analysis else self.path.stem

    def origin(self) -> Origin:
        """What a run is made from: the notebook, its hash and its provenance, and who starts it where.

        Of a compiled pipeline ``file`` is its path in its repository, in place of the notebook's. ``dvc`` are the versions
        of the data beside it that DVC tracks (`store.dvc.tracked`).
        """
        from dataclasses import asdict

        from jupyter_kfp.compiler import caller
        from jupyter_kfp.store import dvc
        from jupyter_kfp.store.records import Origin

        known = {k: v for k, v in asdict(self._provenance()).items() if v is not None} | caller()
        if versions := dvc.tracked(self.path.absolute().parent):
            known[dvc.KEY] = versions
        if self.analysis is None:
            return Origin(provenance={("file" if k == "notebook" else k): v for k, v in known.items()})
        return Origin(str(self.path.absolute()), self.analysis.reading.notebook.sha256, known)

    def graph(self, states: Mapping[str, str] | None = None) -> Graph:
        """The graph of the pipeline, coloured by ``states`` (task path → state) if given."""
        from jupyter_kfp.views.graph import graph_from_ir

        return graph_from_ir(self.compile(), states)

    def preview(self) -> Any:
        """The pipeline as a widget: its graph, its parameters, buttons to run, submit and stop it, and its steps.

        What it shows is the notebook as it was loaded. The picture alone where the extra ``widget`` is not installed.

        Raises:
            DiagnosticsError: the notebook has errors.
        """
        from jupyter_kfp.views.widget import pipeline_widget

        return pipeline_widget(self, Run)

    def start(
        self,
        parameters: Mapping[str, Json] | None = None,
        *,
        max_parallel: int | None = None,
        runner: str | None = None,
        image: str | None = None,
        cache: bool = True,
        from_step: str | None = None,
        mlflow: str | None = None,
    ) -> Run:
        """Start a run on this machine and return at once; it goes on if this process ends.

        ``runner``: what runs steps, "process", "container" (Docker or Podman), or "auto": processes for what is
        Python, containers for the rest where an engine answers. By default ``JUPYTER_KFP_RUNNER``, else "auto".
        ``image``: in containers, the image of steps that name none. ``cache``: whether steps may take the results
        of earlier runs (off for all where ``JUPYTER_KFP_CACHE`` is 0). ``from_step``: what comes before this step
        is taken from the last run that has it. ``mlflow``: the tracking URI of the MLflow that is told of the run, by
        default ``MLFLOW_TRACKING_URI``.

        Raises:
            UsageError: a parameter is unknown, missing or of another type, this machine lacks what
                the pipeline needs, or no earlier run has what comes before ``from_step``.
            JupyterKfpError: steps are to run in containers, and no container engine answers.
        """
        with getting_ready(runner):
            from jupyter_kfp.engine import launch
            from jupyter_kfp.engine.runner import Runner

            options = launch.RunOptions(
                source_dir=self.path.absolute().parent,
                max_parallel=max_parallel,
                runner=None if runner is None else Runner.named(runner),
                image=image,
                cache=cache,
                file=self.path,
                from_step=from_step,
                mlflow=mlflow,
            )
            handle = launch.start(self.compile(), parameters or {}, origin=self.origin(), options=options)
        return Run(handle.id, handle)

    def submit(
        self, parameters: Mapping[str, Json] | None = None, options: Options | None = None
    ) -> Submission:
        """Start a run on a cluster and return at once. Raises as :func:`submit`."""
        from jupyter_kfp.remote import submit

        return submit.submit(self.compile(), parameters, origin=self.origin(), options=options)

    def run(self, /, *, runner: str | None = None, **parameters: Json) -> Run:
        """Run on this machine and wait for the end; Ctrl-C cancels. Parameters by name, ``runner`` as of `start`."""
        started = self.start(parameters, runner=runner)
        started.wait()
        return started


def _write_text(path: str | Path, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise JupyterKfpError(
            f"{path} cannot be written ({error.strerror}).", "Name another file."
        ) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}.", "Check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text in UTF-8.", "Compile the notebook again.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error
