"""Playing a pipeline without executing it: the scheduler and the tree as the supervisor drives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_kfp.engine import ir, parameters
from jupyter_kfp.engine.book import summary
from jupyter_kfp.engine.dataflow import Produced, Values
from jupyter_kfp.engine.scheduler import Action, Close, End, Scheduler, Start
from jupyter_kfp.engine.tree import Tree, should_run
from jupyter_kfp.errors import JupyterKfpError
from jupyter_kfp.store.records import Failure, NewArtifact, State

# What a task does: its inputs by name in, its outputs by name out; an artifact is a text.
Body = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass
class Play:
    """A run of which nothing is real. ``bodies``: what tasks do, by the names of their components."""

    text: str
    bodies: Mapping[str, Body]
    given: Mapping[str, Any] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    most: int = 0

    def run(self, slots: int = 100) -> "Play":
        self.plan = ir.read(self.text)
        values = Values(parameters.validate(self.plan.root.input_parameters, self.given))
        self.tree, self.scheduler = Tree(self.plan, values), Scheduler(slots)
        self.running: list[str] = []
        self._do(self.scheduler.open(None, self.tree.open_root().members))
        while self.running:
            self.most = max(self.most, len(self.running))
            path = self.running.pop(0)
            self._do(self.scheduler.finished(path, self._execute(path)))
        assert self.scheduler.done
        left = self.tree.close(None)
        self.outputs = {
            **left.parameters,
            **{name: [each.artifact.name for each in all_] for name, all_ in left.artifacts.items()},
        }
        return self

    def _do(self, actions: list[Action]) -> None:
        waiting = actions[::-1]
        while waiting:
            match waiting.pop():
                case Start(path):
                    waiting += self._start(path)[::-1]
                case End(path, state, _cause, _failed):
                    self._ended(path, state)
                case Close(None, state):
                    self.states[""] = state
                case Close(str(path), state):
                    outputs = self.tree.close(path)
                    self.states[path] = state
                    if not self.tree.is_iteration(path):
                        why = self.tree.failures(path)
                        self.tree.ended(
                            path, state, run="run", outputs=outputs, why=summary(why) if why else None
                        )

    def _start(self, path: str) -> list[Action]:
        if self.tree.is_iteration(path):
            return self.scheduler.open(path, self.tree.open_iteration(path).members)
        spot = self.tree.spot(path)
        try:
            component = self.plan.component(spot.task)
            inputs = spot.frame.scope.inputs(spot.task, component, {})
            if not should_run(spot.task, component, inputs):
                self._ended(path, State.SKIPPED)
                return self.scheduler.skip(path)
            if self.tree.is_group(path):
                opened = self.tree.open(path, inputs)
                return self.scheduler.open(path, opened.members, limit=opened.limit)
        except JupyterKfpError as error:
            self._ended(path, State.FAILED, str(error))
            return self.scheduler.finished(path, State.FAILED)
        files = {port: [each.artifact.name for each in all_] for port, all_ in inputs.artifacts.items()}
        self.inputs[path] = {**inputs.parameters, **files}
        self.running.append(path)
        return []

    def _execute(self, path: str) -> State:
        component = self.plan.component(self.tree.spot(path).task)
        try:
            made = self.bodies[component.name.removeprefix("comp-").rstrip("-0123456789")](self.inputs[path])
        except AssertionError as error:
            self._ended(path, State.FAILED, str(error))
            return State.FAILED
        values = {name: value for name, value in made.items() if name in component.output_parameters}
        files = {
            name: (Produced(NewArtifact(text, "system.Artifact", text), 0, Path(text)),)
            for name, text in made.items()
            if name in component.output_artifacts
        }
        self._ended(path, State.SUCCEEDED, outputs=Values(values, files))
        return State.SUCCEEDED

    def _ended(self, path: str, state: State, why: str = "", outputs: Values | None = None) -> None:
        if self.tree.is_iteration(path):
            return
        self.states[path] = state
        failure = Failure(why) if why else None
        if failure:
            self.failures[path] = why
            self.tree.fail(path, failure)
        self.tree.ended(path, state, run="run", outputs=outputs, why=failure)
