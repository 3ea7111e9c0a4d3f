"""Where every node of a pipeline stands, and what a source gives there.

Pure functions of the model. KFP's DAGs are closed: a step sees the steps of its own group and of those
around it, and from outside only what a group hands out (``dsl.OneOf``, ``dsl.Collected``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jupyter_kfp.pipeline import (
    ArtifactType,
    Branch,
    Constant,
    ExitHandler,
    External,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Json,
    Loop,
    Node,
    ParameterType,
    Pipeline,
    Source,
    Step,
    ValueType,
    natural_type,
)

Task: TypeAlias = Step | External


@dataclass(frozen=True, slots=True)
class Frame:
    """A group around a node: the arm ``arm`` (from 0) of a branch, a loop, or the body of an exit handler."""

    kind: str
    name: str
    arm: int = 0


Path: TypeAlias = tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """The nodes of a pipeline by name, and the groups around each, outermost first.

    ``tasks`` are in the order in which KFP makes them: an exit step exists before what it follows.
    """

    tasks: dict[str, Task]
    paths: dict[str, Path]
    branches: dict[str, Branch]
    loops: dict[str, Loop]
    exits: frozenset[str]

    def sees(self, consumer: Path, producer: str) -> bool:
        """Whether a node standing at ``consumer`` can read the outputs of the task ``producer``."""
        path = self.paths.get(producer)
        return path is not None and producer not in self.exits and consumer[: len(path)] == path


def nodes(body: tuple[Node, ...]) -> Iterator[Task]:
    """Every step and foreign component of ``body`` in the order in which KFP makes their tasks."""
    for node in body:
        match node:
            case Branch(arms=arms):
                for arm in arms:
                    yield from nodes(arm.body)
            case Loop(body=inner):
                yield from nodes(inner)
            case ExitHandler(exit=last, body=inner):
                yield last
                yield from nodes(inner)
            case _:
                yield node


def places(pipeline: Pipeline) -> Places:
    """Where everything stands. Of several nodes with one name the last counts."""
    found = Places({n.name: n for n in nodes(pipeline.body)}, {}, {}, {}, _exits(pipeline))
    _place(pipeline.body, (), found)
    return found


def _exits(pipeline: Pipeline) -> frozenset[str]:
    return frozenset(node.exit.name for node in pipeline.body if isinstance(node, ExitHandler))


def _place(body: tuple[Node, ...], path: Path, found: Places) -> None:
    for node in body:
        match node:
            case Branch(name=name, arms=arms):
                found.paths[name], found.branches[name] = path, node
                for number, arm in enumerate(arms):
                    _place(arm.body, (*path, Frame("branch", name, number)), found)
            case Loop(name=name, body=inner):
                found.paths[name], found.loops[name] = path, node
                _place(inner, (*path, Frame("loop", name)), found)
            case ExitHandler(exit=last, body=inner):
                found.paths[last.name] = path
                _place(inner, (*path, Frame("exit", last.name)), found)
            case _:
                found.paths[node.name] = path


def given(pipeline: Pipeline, found: Places, source: Source, at: Path) -> ValueType | None:
    """The type of what ``source`` gives at ``at``; None if there is no such value there."""
    match source:
        case Constant(value):
            return natural_type(value)
        case FromParameter(name):
            return next((p.type for p in pipeline.parameters if p.name == name), None)
        case FromItem(loop):
            inside = Frame("loop", loop) in at and loop in found.loops
            return found.loops[loop].type if inside else None
        case FromStep(step, name):
            return _output(found, step, name) if found.sees(at, step) else None
        case FromBranch():
            return _joined(found, source, at)
        case FromLoop():
            return _collected(found, source, at)


def _output(found: Places, step: str, name: str) -> ValueType | None:
    outputs = found.tasks[step].outputs if step in found.tasks else ()
    return next((output.type for output in outputs if output.name == name), None)


def _joined(found: Places, source: FromBranch, at: Path) -> ValueType | None:
    branch, path = found.branches.get(source.branch), found.paths.get(source.branch)
    if branch is None or path is None or at[: len(path)] != path or branch.arms[-1].test is not None:
        return None
    expected = [(*path, Frame("branch", source.branch, number)) for number in range(len(branch.arms))]
    if [found.paths.get(alternative.step) for alternative in source.alternatives] != expected:
        return None
    types = [_output(found, alternative.step, alternative.name) for alternative in source.alternatives]
    known = [value_type for value_type in types if value_type is not None]
    return common_type(known) if len(known) == len(types) else None


def common_type(types: list[ValueType]) -> ValueType | None:
    """The type of one of several values: artifacts of different types are just artifacts."""
    if len(set(types)) == 1:
        return types[0]
    if len({(value_type.is_parameter, value_type.many) for value_type in types}) > 1:
        return None
    if not types[0].is_parameter:
        return ValueType(ArtifactType.ARTIFACT, many=types[0].many)
    return ValueType(types[0].kind) if len({value_type.kind for value_type in types}) == 1 else None


def _collected(found: Places, source: FromLoop, at: Path) -> ValueType | None:
    path = found.paths.get(source.loop)
    inner = found.paths.get(source.element.step)
    if path is None or inner is None or at[: len(path)] != path or Frame("loop", source.loop) in at:
        return None
    depth = len(path)
    if inner[: depth + 1] != (*path, Frame("loop", source.loop)) or any(
        frame.kind != "loop" for frame in inner[depth:]
    ):
        return None
    element = _output(found, source.element.step, source.element.name)
    if element is None or element.many:
        return None
    if isinstance(element.kind, ArtifactType):
        return ValueType(element.kind, many=True)
    return ValueType(ParameterType.LIST, element.kind)


def fits(made: ValueType, wanted: ValueType) -> bool:
    """Whether KFP connects the two: the same kind, or any artifact where the untyped one is wanted."""
    if made.is_parameter or wanted.is_parameter:
        return made.kind is wanted.kind
    alike = made.kind is wanted.kind or ArtifactType.ARTIFACT in (made.kind, wanted.kind)
    return alike and made.many == wanted.many


def constant_fits(value: Json, wanted: ValueType) -> bool:
    """Whether a constant may be given to an input of that type: a whole number is a float, too."""
    made = natural_type(value)
    if made is None:
        return True
    whole = made.kind is ParameterType.INTEGER and wanted.kind is ParameterType.FLOAT
    return whole or fits(made, wanted)
