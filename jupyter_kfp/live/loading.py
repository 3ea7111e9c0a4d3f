"""``%kfp load``: what went into a step of a run, or came out of it, under the names the notebook has for it.

Code above the step that its cells use (imports, functions, classes) is executed where the kernel does not have
it, in the order of the step itself: after the inputs that it reads, before objects of its classes are loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_kfp.errors import UsageError
from jupyter_kfp.live.preamble import Statements, missing
from jupyter_kfp.live.texts import short
from jupyter_kfp.runs import REPORTS, Run, StepRun, StoredArtifact
from jupyter_kfp.runtime.items import item
from jupyter_kfp.runtime.kernel import identity
from jupyter_kfp.runtime.parameters import coerce
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.runtime.status import final_status
from jupyter_kfp.store.loading import CONSENT, ConsentError, author, consented
from jupyter_kfp.store.records import ArtifactRecord, State

# Ports that are no names of the notebook: what every step leaves, and what it is told.
_OWN_PORTS = REPORTS | {"step_metrics", STEP_NOTEBOOK, "status"}


@dataclass
class Loaded:
    """The values that were bound by name, the names of code that was executed, and why others are not there."""

    values: dict[str, Any] = field(default_factory=dict)
    code: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """The inputs, or the outputs, of a step: what the store has of them by port, and the step as it was compiled.

    ``packed`` is what `compiler.payload.step_json` made; empty for a step that comes from no notebook.
    """

    packed: Mapping[str, Any]
    parameters: Mapping[str, Any]
    artifacts: Mapping[str, tuple[ArtifactRecord, ...]]

    def port(self, name: str) -> str:
        """The port by which a name of the notebook travels. What a cluster tells, it tells by name."""
        port = str(self.packed.get("ports", {}).get(name, name))
        return port if port in self.parameters or port in self.artifacts else name

    def types(self, declared: str) -> dict[str, str]:
        """The names with their declared types; ``declared`` says where the step has them: inputs or outputs."""
        if not self.packed:
            parameters = {name: "" for name in self.parameters if name not in _OWN_PORTS}
            kinds = {port: all_[0].type.rpartition(".")[2] for port, all_ in self.artifacts.items() if all_}
            return parameters | {port: kind for port, kind in kinds.items() if port not in _OWN_PORTS}
        if declared == "outputs":
            return {name: spec["type"] for name, spec in self.packed.get("outputs", {}).items()}
        return {**self.packed.get("parameters", {}), **self.packed.get("inputs", {})}


def inputs_of(step: StepRun, packed: Mapping[str, Any]) -> Side:
    """What the step took."""
    return Side(packed, step.record.input_parameters, step.record.input_artifacts)


def outputs_of(step: StepRun, packed: Mapping[str, Any]) -> Side:
    """What the step left."""
    return Side(packed, step.record.output_parameters, step.record.output_artifacts)


class Loader:
    """Binds what a step took or left in ``space``; ``execute`` runs code of the notebook there."""

    def __init__(
        self,
        step: StepRun,
        packed: Mapping[str, Any],
        space: dict[str, Any],
        execute: Callable[[Statements], None],
        *,
        allow_pickle: bool = False,
        author: str | None = None,
    ) -> None:
        """``author``: whose code it is, in words, where that is not to be executed."""
        self._author = author
        self._inputs, self._outputs = inputs_of(step, packed), outputs_of(step, packed)
        self._packed, self._space, self._execute = packed, space, execute
        self._allow_pickle = allow_pickle
        self._objects: dict[str, Any] = {}
        self.loaded = Loaded()

    def load(self, *, outputs: bool) -> Loaded:
        """Bind the inputs, or the outputs, and what code they need. Raises JupyterKfpError."""
        early, picks = set(self._packed.get("early", ())), self._packed.get("picks", {})
        early |= {picks[name] for name in early if name in picks}
        types = self._inputs.types("inputs")
        self._bind(
            self._inputs,
            {n: t for n, t in types.items() if n in early and not (outputs and n in self._space)},
        )
        self._run_code()
        if outputs:
            self._bind(self._outputs, self._outputs.types("outputs"))
        else:
            self._bind(self._inputs, {n: t for n, t in types.items() if n not in early})
            if "status" in self._packed:
                self._set("status", final_status(self._inputs.parameters.get("status")))
        return self.loaded

    def _run_code(self) -> None:
        cells = [cell["source"] for cell in self._packed.get("cells", ()) if cell["role"] == "preamble"]
        needed = missing(cells, self._space)
        if needed.body and self._author is not None:
            why = f"it is code of {self._author}; if you trust that: %kfp load with --allow-pickle"
            self.loaded.left_out |= dict.fromkeys(needed.names, why)
        elif needed.body:
            self._execute(needed)
            self.loaded.code += needed.names

    def _bind(self, side: Side, types: Mapping[str, str]) -> None:
        """Bind names; those that pick an item of a list (in loops) last, when the lists are there."""
        picks = self._packed.get("picks", {}) if side is self._inputs else {}
        for name, kind in types.items():
            port = side.port(name)
            if port in side.parameters:
                self._set(name, self._parameter(name, side.parameters[port], kind, side))
            elif side.artifacts.get(port):
                self._artifacts(name, side.artifacts[port], kind)
            else:
                self.loaded.left_out[name] = "the run's record does not have it"
        for name, values in picks.items():
            if name in self.loaded.values and values in self.loaded.values:
                many = self.loaded.values.pop(values)
                self._space.pop(values, None)
                self._set(name, item(many[self.loaded.values[name]]))

    def _parameter(self, name: str, value: Any, kind: str, side: Side) -> Any:
        if side is self._inputs and name in self._packed.get("json", ()):
            return item(json.loads(value))
        return coerce(value, kind)

    def _artifacts(self, name: str, records: tuple[ArtifactRecord, ...], kind: str) -> None:
        is_list = kind.startswith("list[")
        if any(record.metadata.get("unbound") for record in records):
            self.loaded.left_out[name] = "it was not bound when its step ended"
            return
        kind = kind.removeprefix("list[").removesuffix("]")
        values = [self._object(record, kind) for record in records]
        self._set(name, values if is_list or len(values) > 1 else values[0])

    def _object(self, record: ArtifactRecord, kind: str) -> Any:
        """The value of an artifact. What was one object, or shared some, does so again (see `runtime.kernel`)."""
        metadata = record.metadata
        token = identity({"uri": record.uri, "metadata": metadata})
        shared = str(metadata.get("object", record.uri))
        if token not in self._objects:
            if shared not in self._objects:
                whole = replace(record, metadata={"python_type": f".{kind}", **metadata, "shares": ""})
                self._objects[shared] = StoredArtifact(whole).load(
                    self._space, allow_pickle=self._allow_pickle
                )
            if token != shared:
                self._objects[token] = self._objects[shared][token.rpartition("/")[2]]
        return self._objects[token]

    def _set(self, name: str, value: Any) -> None:
        self._space[name] = self.loaded.values[name] = value


def load(
    run: Run,
    name: str,
    space: dict[str, Any],
    execute: Callable[[Statements], None],
    *,
    outputs: bool = False,
    allow_pickle: bool = False,
) -> str:
    """Bind the inputs (or outputs) of a step of ``run`` in ``space``; what was done, as text.

    ``allow_pickle``: whether code of somebody else's run may be executed, in its values and its notebook.

    Raises:
        UsageError: there is no such step, or it has taken (left) nothing.
        ConsentError: a value of somebody else's run would run code.
        JupyterKfpError: a value cannot be loaded, with the reason.
    """
    try:
        step = run[name]
    except KeyError as error:
        raise UsageError(
            f"There is {error.args[0]}.", "Name one of them; in a loop STEP[0], STEP[1], ..."
        ) from None
    _check(step, outputs=outputs)
    whose = None if allow_pickle or consented() else author(run.record)
    loader = Loader(step, run.packed(step), space, execute, allow_pickle=allow_pickle, author=whose)
    try:
        loaded = loader.load(outputs=outputs)
    except ConsentError as error:
        remedy = (
            f"If you trust that: %kfp load {run.id} {name} --allow-pickle, or {CONSENT}=1 in the environment."
        )
        raise ConsentError(error.message, remedy) from None
    return "\n".join(_report(run, step, loaded, outputs=outputs))


def _check(step: StepRun, *, outputs: bool) -> None:
    path, state = step.record.path, step.state
    if outputs and not state.is_success:
        raise UsageError(
            f"Step {path} is {state.value}: it has left nothing.", "Load its inputs: without --outputs."
        )
    if state is State.SKIPPED or (
        step.record.started_at is None and state in {State.PENDING, State.CANCELED}
    ):
        raise UsageError(
            f"Step {path} is {state.value}: nothing has gone into it.", "Name a step that has begun."
        )


def _report(run: Run, step: StepRun, loaded: Loaded, *, outputs: bool) -> Iterator[str]:
    """What was loaded, and what to do next about a step that failed."""
    path = step.record.path
    values = ", ".join(f"{name} = {short(value)}" for name, value in loaded.values.items())
    what = "outputs" if outputs else "inputs"
    yield f"The {what} of {path} in run {run.id} ({step.state.value}): {values or 'none'}"
    if loaded.code:
        yield f"Executed, as this kernel did not have it: {', '.join(loaded.code)}"
    for name, why in loaded.left_out.items():
        yield f"Not loaded: {name}: {why}"
    failure = step.record.failure
    if failure is not None and not outputs:
        cell = f"cell {failure.cell + 1}" if failure.cell is not None else "its cell"
        kind = f"{failure.type}: " if failure.type else ""
        yield f"It failed in {cell}: {kind}{failure.message}"
        yield _next(run, step)


def _next(run: Run, step: StepRun) -> str:
    if run.url is not None:
        return "When that is fixed and saved, submit the notebook again: the cluster's cache has what is before it."
    name = step.record.path.partition("[")[0].rpartition(".")[2]
    return f"When that is fixed and saved: %kfp run --from {name}. All before it is taken from this run."
