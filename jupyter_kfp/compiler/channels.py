"""Sources of inputs as KFP's channels, and the places where KFP's own need a hand.

Where KFP's compiler would mix things up (names that are part of other names, loops over the list an
outer loop goes over, lists of artifacts read inside a group), its objects are replaced by ones that
it takes for the same. What this leaves to mend in the IR is in ``repairs``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from jupyter_kfp.compiler import names
from jupyter_kfp.compiler.container import spec_type
from jupyter_kfp.compiler.places import Places, common_type
from jupyter_kfp.pipeline import (
    Constant,
    External,
    FromBranch,
    FromItem,
    FromLoop,
    FromParameter,
    FromStep,
    Json,
    Loop,
    ParameterType,
    Source,
    ValueType,
)


class Channels:
    """The channels of the pipeline being built: of its parameters, its tasks and its loops' items.

    ``aliases`` are names of channels that the IR must not keep, with the real ones (see ``items_of``).
    """

    def __init__(self, found: Places, parameters: dict[str, Any]) -> None:
        self._found = found
        self._parameters = parameters
        self._joined: dict[FromBranch, Any] = {}
        self.tasks: dict[str, Any] = {}
        self.items: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}

    def of(self, source: Source) -> Any:
        """The channel of ``source``, or the constant itself."""
        match source:
            case Constant(value):
                return value
            case FromParameter(name):
                return self._parameters[name]
            case FromItem(loop):
                return self.items[loop]
            case FromStep(step, name):
                foreign = isinstance(self._found.tasks[step], External)
                return self.tasks[step].outputs[name if foreign else names.port(name)]
            case FromBranch():
                if source not in self._joined:
                    self._joined[source] = self._one_of(source)
                return self._joined[source]
            case FromLoop(element=element):
                return _collected(self.of(element))

    def argument(self, source: Source, wanted: ValueType) -> Any:
        """What a task gets for an input of type ``wanted``; None for an input that is left out."""
        value = self.of(source)
        if isinstance(source, Constant) and wanted.kind is ParameterType.FLOAT and value is not None:
            return float(value)
        return value

    def _one_of(self, source: FromBranch) -> Any:
        from kfp import dsl

        channels = [self.of(alternative) for alternative in source.alternatives]
        types = [
            next(o.type for o in self._found.tasks[alternative.step].outputs if o.name == alternative.name)
            for alternative in source.alternatives
        ]
        joined = common_type(types)
        if joined is not None and len(set(types)) > 1:  # KFP joins only artifacts of one type
            channels = [copy.copy(channel) for channel in channels]
            for channel in channels:
                channel.channel_type = spec_type(joined)
        return dsl.OneOf(*channels)

    def items_of(self, loop: Loop, around: Iterable[Loop]) -> Any:
        """What ``loop`` goes over, as ``dsl.ParallelFor`` takes it.

        KFP calls the item of a loop after the list. A loop inside another one over the same list
        gets the list under another name, or their items would be one.
        """
        if isinstance(loop.items, Constant):
            return _constant_items(loop)
        channel = self.of(loop.items)
        if any(outer.items == loop.items for outer in around):
            own, channel = channel, copy.copy(channel)
            channel.name = f"{own.name}--{len(self.aliases) + 2}"
            self.aliases[channel.name] = own.name
        return channel


def _constant_items(loop: Loop) -> list[Json]:
    values = loop.items.value if isinstance(loop.items, Constant) else []
    assert isinstance(values, list)
    if loop.type.kind is ParameterType.FLOAT:
        return [float(value) for value in values if isinstance(value, int | float)]
    return list(values)


def parallel_for(loop: Loop, items: Any, name: str) -> Any:
    """``dsl.ParallelFor`` over ``items``, with an item of the loop's type and a name KFP cannot mistake."""
    from kfp import dsl

    placeholder = [""] if items == [] and isinstance(items, list) else items
    group = dsl.ParallelFor(placeholder, name=name, parallelism=loop.parallelism)
    argument = group.loop_argument
    argument.channel_type = spec_type(loop.type)
    if placeholder is not items:  # KFP refuses an empty list; its backend and our engine do not
        argument.items_or_pipeline_channel = []
    argument.__class__ = _exact_argument()
    return group


def exact(group: Any) -> None:
    """Give the loops in a group of tasks, however deep, items that KFP cannot mistake."""
    from kfp.dsl import for_loop

    argument = getattr(group, "loop_argument", None)
    if type(argument) is for_loop.LoopParameterArgument:
        argument.__class__ = _exact_argument()
    for inner in group.groups:
        exact(inner)


class _Exact(str):
    """A name that contains only the names it is told to."""

    __slots__ = ("known",)
    known: frozenset[str]

    def __contains__(self, name: object) -> bool:
        return name in self.known


def _exact_argument() -> Any:
    """KFP's loop argument, which finds its own names only.

    KFP's compiler (compiler_utils.py, get_inputs_for_all_groups) asks whether the name of a channel is
    *part of* that of the loop argument, so that a parameter ``p`` would be taken for the item
    ``loop-item-param-1`` and not reach the groups in the loop.
    """
    from kfp.dsl import for_loop, pipeline_channel

    class ExactArgument(for_loop.LoopParameterArgument):  # type: ignore[misc]  # kfp has no types
        @property
        def full_name(self) -> str:
            plain = pipeline_channel.PipelineChannel.full_name.fget(self)
            exact = _Exact(plain)
            source = self.items_or_pipeline_channel
            known = {plain}
            if isinstance(source, pipeline_channel.PipelineChannel):
                known.add(source.full_name)
            exact.known = frozenset(known)
            return exact

    return ExactArgument


def _collected(channel: Any) -> Any:
    """``dsl.Collected``; a list of artifacts is an artifact channel as well, for KFP to carry it into groups."""
    from kfp import dsl
    from kfp.dsl import pipeline_channel

    if not isinstance(channel, pipeline_channel.PipelineArtifactChannel):
        return dsl.Collected(channel)

    class CollectedArtifacts(dsl.Collected, pipeline_channel.PipelineArtifactChannel):  # type: ignore[misc]  # kfp has no types
        def __init__(self, output: Any) -> None:
            self.output = output
            self.is_artifact_channel = self.is_artifact_list = True
            pipeline_channel.PipelineChannel.__init__(
                self, output.name, channel_type=output.channel_type, task_name=output.task_name
            )

    return CollectedArtifacts(channel)
