"""The nodes of a pipeline as KFP's tasks and groups of tasks, made inside a pipeline function."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from jupyter_kfp.compiler import conditions, external, names, payload
from jupyter_kfp.compiler.channels import Channels, parallel_for
from jupyter_kfp.compiler.container import component
from jupyter_kfp.compiler.provenance import Provenance
from jupyter_kfp.compiler.settings import apply
from jupyter_kfp.pipeline import (
    Arm,
    Branch,
    ExitHandler,
    External,
    FromItem,
    Input,
    Loop,
    Node,
    Pipeline,
    Step,
)

Components: TypeAlias = dict[str, Any]

_LONGEST_NAME = 80


@dataclass
class Built:
    """What building left to know: the keys of the tasks, and what must be mended (see ``repairs``)."""

    tasks: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    exit_group: str | None = None


class Builder:
    """Makes the tasks of ``pipeline`` in the pipeline function that is being executed, and fills in ``built``.

    ``components`` are KFP's components of the nodes that are :class:`External`, by name.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        channels: Channels,
        components: Components,
        provenance: Provenance | None,
        built: Built,
    ) -> None:
        self._built = built
        self._pipeline = pipeline
        self._channels = channels
        self._components = components
        self._provenance = provenance
        self._command = payload.command()
        self._loops: list[Loop] = []
        self._ordered: list[Callable[[], None]] = []

    def build(self) -> None:
        """Make everything. The tasks are in ``channels.tasks`` then."""
        self._body(self._pipeline.body)
        # A tag may name a step that stands further down, so every task must exist first.
        for order in self._ordered:
            order()
        self._built.tasks.update(task.name for task in self._channels.tasks.values())
        self._built.aliases.update(self._channels.aliases)

    def _body(self, body: tuple[Node, ...]) -> None:
        for node in body:
            match node:
                case Step():
                    self._step(node)
                case External():
                    self._external(node)
                case Branch():
                    self._branch(node)
                case Loop():
                    self._loop(node)
                case ExitHandler():
                    self._exit_handler(node)

    def _step(self, step: Step, *, last: bool = False) -> None:
        packed = payload.packed(step, self._coded(step.inputs), last=last)
        made = component(self._pipeline, step, packed, self._command, self._provenance, last=last)
        arguments = {names.port(i.name): self._channels.argument(i.source, i.type) for i in step.inputs}
        arguments[names.STEP_NOTEBOOK] = packed.constant
        self._add(step, made(**_given(arguments)))

    def _coded(self, inputs: tuple[Input, ...]) -> frozenset[str]:
        """The inputs that are items of loops whose items travel as JSON texts."""
        coded = {loop.name for loop in self._loops if loop.json}
        return frozenset(i.name for i in inputs if isinstance(i.source, FromItem) and i.source.loop in coded)

    def _external(self, node: External) -> None:
        arguments = {i.name: self._channels.argument(i.source, i.type) for i in node.inputs}
        task = external.call(node, self._components[node.name], _given(arguments))
        external.configure(node, task, self._provenance)
        self._add(node, task)

    def _add(self, node: Step | External, task: Any) -> None:
        self._channels.tasks[node.name] = task
        apply(node.options, node.name, task)
        tasks = self._channels.tasks
        self._ordered.append(lambda: task.after(*(tasks[name] for name in node.after)))

    def _branch(self, branch: Branch) -> None:
        from kfp import dsl
        from kfp.dsl import pipeline_context

        around = pipeline_context.Pipeline.get_default_pipeline()
        depth = len(around.groups)
        for number, arm in enumerate(branch.arms):
            name = _arm_name(number, arm)
            if arm.test is None:
                group = dsl.Else(name=name)
            else:
                left, right = self._channels.of(arm.test.left), self._channels.of(arm.test.right)
                test = conditions.operation(arm.test, left, right)
                group = (dsl.Elif if number else dsl.If)(test, name=name)
            with group:
                self._body(arm.body)
        # KFP only leaves the group it makes around several arms where the last is an else.
        while len(around.groups) > depth:
            around.pop_tasks_group()

    def _loop(self, loop: Loop) -> None:
        items = self._channels.items_of(loop, self._loops)
        with ExitStack() as stack:
            group = parallel_for(
                loop, items, _short(f"for {loop.item} in {loop.text}" if loop.text else loop.name)
            )
            self._channels.items[loop.name] = stack.enter_context(group)
            self._loops.append(loop)
            self._body(loop.body)
            self._loops.pop()

    def _exit_handler(self, node: ExitHandler) -> None:
        from kfp import dsl
        from kfp.dsl.tasks_group import TasksGroupType

        self._step(node.exit, last=True)
        with dsl.ExitHandler(self._channels.tasks[node.exit.name]) as group:
            # KFP hands out nothing from an exit handler. Taken for the pipeline itself, its body may
            # have the pipeline's outputs; ``repairs`` connects them.
            group.group_type = TasksGroupType.PIPELINE
            self._built.exit_group = group.name
            self._body(node.body)


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    """Without the inputs that are left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def _arm_name(number: int, arm: Arm) -> str | None:
    word = "else" if arm.test is None else "elif" if number else "if"
    return _short(f"{word} {arm.text}".strip()) if arm.text or arm.test is None else None


def _short(text: str) -> str:
    """One line of at most 80 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 3] + "..."
