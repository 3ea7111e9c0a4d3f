"""The model: what a notebook says, free of files, kernels and KFP.

A :class:`Pipeline` is what `notebook` makes and `compiler` reads. Everything is a frozen dataclass,
compared by value, so that analysis can be tested without running anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from jupyter_kfp.options import PipelineOptions, StepOptions

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


class ParameterType(str, Enum):
    """A value small enough to travel inside the executor input; the value is Python's name for it."""

    STRING = "str"
    INTEGER = "int"
    FLOAT = "float"
    BOOLEAN = "bool"
    LIST = "list"
    DICT = "dict"


class ArtifactType(str, Enum):
    """A value that travels as a file; the value is the name KFP's SDK gives the class."""

    ARTIFACT = "Artifact"
    DATASET = "Dataset"
    MODEL = "Model"
    METRICS = "Metrics"
    CLASSIFICATION_METRICS = "ClassificationMetrics"
    HTML = "HTML"
    MARKDOWN = "Markdown"

    @property
    def schema_title(self) -> str:
        """KFP's schema title, for instance ``system.Dataset``."""
        return f"system.{self.value}"


@dataclass(frozen=True, slots=True)
class ValueType:
    """How a variable travels. ``items`` is the element type of a homogeneous list or dict.

    KFP carries every number inside a list or dict as a double, so ``list[float]`` needs ``items`` to
    come back as floats where the values are integral.
    """

    kind: ParameterType | ArtifactType
    items: ParameterType | None = None

    @property
    def is_parameter(self) -> bool:
        """Whether the value travels as a KFP parameter rather than as an artifact."""
        return isinstance(self.kind, ParameterType)

    def __str__(self) -> str:
        if self.items is None:
            return str(self.kind.value)
        inner = f"str, {self.items.value}" if self.kind is ParameterType.DICT else self.items.value
        return f"{self.kind.value}[{inner}]"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A pipeline parameter. ``required`` ones have no default; a None default makes it optional."""

    name: str
    type: ValueType
    default: Json = None
    required: bool = False
    cell: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class FromParameter:
    """The source of an input: the pipeline parameter ``name``."""

    name: str


@dataclass(frozen=True, slots=True)
class FromStep:
    """The source of an input: the output ``name`` of the step ``step``."""

    step: str
    name: str


Source: TypeAlias = FromParameter | FromStep


@dataclass(frozen=True, slots=True)
class Input:
    """A variable a step reads and did not make itself. ``name`` is the Python variable."""

    name: str
    type: ValueType
    source: Source


@dataclass(frozen=True, slots=True)
class Output:
    """A variable a step leaves for others. ``name`` is the Python variable.

    ``optional``: the step may end without having bound it (the consumer then finds it unbound, just
    as in the notebook). ``code``: notebook-level functions and classes that every consumer also
    carries as source, so values may refer to them by name.
    """

    name: str
    type: ValueType
    optional: bool = False
    code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of the notebook's source. ``cell`` is the 0-based index of the cell it stands in."""

    source: str
    cell: int


@dataclass(frozen=True, slots=True)
class Step:
    """One component: the code of its cells, what it needs before them, and its ports.

    ``preamble`` is the code that travels to the step (imports, functions, classes, shared settings),
    in notebook order. ``early`` names the inputs this code reads while it is being executed, so they
    are loaded before it; all others are loaded after it. ``guard`` maps names that later steps read
    from elsewhere (the value is the step, or "" for a pipeline parameter or the preamble) and that
    this step does not export: the runtime fails the step when it changed one of them.
    ``metrics`` are outputs that are also logged to the step's Metrics artifact.
    """

    name: str
    body: tuple[Code, ...]
    preamble: tuple[Code, ...] = ()
    early: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    after: tuple[str, ...] = ()
    guard: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    options: StepOptions = field(default_factory=StepOptions)

    @property
    def upstream(self) -> tuple[str, ...]:
        """The names of the steps that must end before this one starts, sorted."""
        data = {i.source.step for i in self.inputs if isinstance(i.source, FromStep)}
        return tuple(sorted(data | set(self.after)))


# What a pipeline's body is made of. Branch, Loop and ExitHandler join this union with control flow;
# each holds a body of its own.
Node: TypeAlias = Step


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    """A named result of the whole pipeline."""

    name: str
    type: ValueType
    source: Source


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A notebook, read as a pipeline. ``body`` is in notebook order; ``name`` is a valid KFP name."""

    name: str
    body: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[PipelineOutput, ...] = ()
    description: str = ""
    options: PipelineOptions = field(default_factory=PipelineOptions)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in notebook order."""
        return self.body

    def step(self, name: str) -> Step:
        """The step called ``name``. Raises KeyError with the names there are."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; the pipeline has {', '.join(s.name for s in self.steps)}")
