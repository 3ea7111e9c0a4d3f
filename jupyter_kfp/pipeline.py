"""The model: what a notebook says, free of files, kernels and KFP.

A :class:`Pipeline` is what `notebook` makes and `compiler` reads. Everything is a frozen dataclass,
compared by value, so that analysis can be tested without running anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    come back as floats where the values are integral. ``many``: a list of artifacts, as a loop
    collects it.
    """

    kind: ParameterType | ArtifactType
    items: ParameterType | None = None
    many: bool = False

    @property
    def is_parameter(self) -> bool:
        """Whether the value travels as a KFP parameter rather than as an artifact."""
        return isinstance(self.kind, ParameterType)

    def __str__(self) -> str:
        if self.many:
            return f"list[{self.kind.value}]"
        if self.items is None:
            return str(self.kind.value)
        inner = f"str, {self.items.value}" if self.kind is ParameterType.DICT else self.items.value
        return f"{self.kind.value}[{inner}]"


def natural_type(value: object) -> ValueType | None:
    """The parameter type a value has by itself; None for None and for what no parameter can be."""
    match value:
        case bool():
            return ValueType(ParameterType.BOOLEAN)
        case int():
            return ValueType(ParameterType.INTEGER)
        case float():
            return ValueType(ParameterType.FLOAT)
        case str():
            return ValueType(ParameterType.STRING)
        case list():
            return ValueType(ParameterType.LIST)
        case dict():
            return ValueType(ParameterType.DICT)
        case _:
            return None


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


@dataclass(frozen=True, slots=True)
class FromItem:
    """The source of an input: the item of the loop ``loop`` that the step stands in."""

    loop: str


@dataclass(frozen=True, slots=True)
class FromBranch:
    """The source of an input: what the arm of the branch ``branch`` that ran left (``dsl.OneOf``).

    One alternative per arm, in their order; the last arm is an else.
    """

    branch: str
    alternatives: tuple[FromStep, ...]


@dataclass(frozen=True, slots=True)
class FromLoop:
    """The source of an input: what every iteration of the loop ``loop`` left (``dsl.Collected``).

    ``element`` is an output of a step in the loop, or in a loop within it: then the list is flat, in
    the order of the iterations, as KFP's backend has it.
    """

    loop: str
    element: FromStep


@dataclass(frozen=True, slots=True)
class Constant:
    """The source of an input that is the same in every run: a value JSON can hold."""

    value: Json


Source: TypeAlias = FromParameter | FromStep | FromItem | FromBranch | FromLoop | Constant


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
class Kernel:
    """A kernel: the name of its kernelspec (``ir``) and its language as papermill spells it (``R``)."""

    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Step:
    """One component: the code of its cells, what it needs before them, and its ports.

    ``preamble`` is the code that travels to the step (imports, functions, classes, shared settings),
    in notebook order. ``early`` names the inputs this code reads while it is being executed, so they
    are loaded before it; all others are loaded after it. ``guard`` maps names that later steps read
    from elsewhere (the value is the step, or "" for a pipeline parameter or the preamble) and that
    this step does not export: the runtime fails the step when it changed one of them.
    ``metrics`` are outputs that are also logged to the step's Metrics artifact.
    ``picks`` are the items of loops over what only the run knows: the input is an index (an int), the
    variable the element of the list that the named input holds.
    ``kernel`` is the one that executes the body where it is not Python's (see `runtime.whole`).
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
    picks: Mapping[str, str] = field(default_factory=dict)
    options: StepOptions = field(default_factory=StepOptions)
    kernel: Kernel | None = None

    @property
    def upstream(self) -> tuple[str, ...]:
        """The names of the steps that must end before this one starts, sorted."""
        return tuple(sorted(producers(self.inputs) | set(self.after)))


@dataclass(frozen=True, slots=True)
class External:
    """A step that is somebody else's component or pipeline, or another notebook.

    ``component`` is what runs: KFP's YAML of a component or pipeline, or the pipeline of a notebook.
    The names of inputs and outputs are those of its ports; inputs that are left out have defaults.
    """

    name: str
    component: str | Pipeline
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    after: tuple[str, ...] = ()
    options: StepOptions = field(default_factory=StepOptions)

    @property
    def upstream(self) -> tuple[str, ...]:
        """The names of the steps that must end before this one starts, sorted."""
        return tuple(sorted(producers(self.inputs) | set(self.after)))


@dataclass(frozen=True, slots=True)
class Test:
    """``left operator right``, which KFP decides itself. The operator is one of == != < <= > >=."""

    left: FromParameter | FromStep | FromItem | Constant
    operator: str
    right: FromParameter | FromStep | FromItem | Constant


@dataclass(frozen=True, slots=True)
class Arm:
    """One way a branch can go. ``test`` is None for an else; ``text`` is the condition as written."""

    test: Test | None
    body: tuple[Node, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """The first arm whose test holds runs. ``name`` is unique among all nodes."""

    name: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """``body`` runs for every item, in parallel; every iteration has names of its own.

    ``items`` is a list of constants or the source of one. ``type`` is how the item travels: values
    that are no plain scalars of one type travel as JSON texts (``json``), or as indices (see
    `Step.picks`). ``text`` is what is looped over as written, ``item`` the variable.
    """

    name: str
    item: str
    items: Constant | FromParameter | FromStep
    type: ValueType
    body: tuple[Node, ...]
    parallelism: int | None = None
    json: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class ExitHandler:
    """``exit`` runs after ``body``, whatever became of it; its input ``status`` says what."""

    exit: Step
    body: tuple[Node, ...]


Node: TypeAlias = Step | External | Branch | Loop | ExitHandler


def producers(inputs: tuple[Input, ...]) -> set[str]:
    """The names of the steps that make ``inputs``."""
    found: set[str] = set()
    for variable in inputs:
        match variable.source:
            case FromStep(step=step) | FromLoop(element=FromStep(step=step)):
                found.add(step)
            case FromBranch(alternatives=alternatives):
                found |= {alternative.step for alternative in alternatives}
            case _:
                pass
    return found


def walk(body: tuple[Node, ...]) -> Iterator[Node]:
    """Every node of ``body``, those inside others after them, in notebook order; exit steps last."""
    for node in body:
        yield node
        match node:
            case Branch(arms=arms):
                for arm in arms:
                    yield from walk(arm.body)
            case Loop(body=inner):
                yield from walk(inner)
            case ExitHandler(exit=last, body=inner):
                yield from walk(inner)
                yield last
            case _:
                pass


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    """A named result of the whole pipeline."""

    name: str
    type: ValueType
    source: Source


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A notebook, read as a pipeline. ``body`` is in notebook order; ``name`` is a valid KFP name.

    ``dsl`` is the code of the ``%%pipeline`` cell, which calls the steps itself: where they stand in
    ``body``, and where their inputs come from, then only says how the notebook runs from top to bottom.
    """

    name: str
    body: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[PipelineOutput, ...] = ()
    description: str = ""
    options: PipelineOptions = field(default_factory=PipelineOptions)
    dsl: Code | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step made of the notebook's own cells, wherever it stands, in notebook order."""
        return tuple(node for node in walk(self.body) if isinstance(node, Step))

    def step(self, name: str) -> Step:
        """The step called ``name``. Raises KeyError with the names there are."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; the pipeline has {', '.join(s.name for s in self.steps)}")
