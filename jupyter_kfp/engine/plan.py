"""A compiled pipeline, typed. The field names and meanings are those of KFP's ``pipeline_spec.proto``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json


class ParameterKind(str, Enum):
    """``ParameterType.ParameterTypeEnum`` of the IR."""

    NUMBER_DOUBLE = "NUMBER_DOUBLE"
    NUMBER_INTEGER = "NUMBER_INTEGER"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    LIST = "LIST"
    STRUCT = "STRUCT"
    TASK_FINAL_STATUS = "TASK_FINAL_STATUS"
    TASK_CONFIG = "TASK_CONFIG"

    @property
    def python_name(self) -> str:
        """What a Python user calls it."""
        return _PYTHON_NAMES.get(self, self.value)


_PYTHON_NAMES = {
    ParameterKind.NUMBER_DOUBLE: "float",
    ParameterKind.NUMBER_INTEGER: "int",
    ParameterKind.STRING: "str",
    ParameterKind.BOOLEAN: "bool",
    ParameterKind.LIST: "list",
    ParameterKind.STRUCT: "dict",
}


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter port. ``default`` counts only if ``has_default``: null is a value too."""

    kind: ParameterKind
    optional: bool = False
    has_default: bool = False
    default: Json = None
    literals: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class ArtifactSpec:
    """An artifact port; ``schema_title`` is such as ``system.Model``."""

    schema_title: str
    schema_version: str = "0.0.1"
    is_list: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """The source of a parameter: a value in the IR (texts in it may hold placeholders)."""

    value: Json


@dataclass(frozen=True, slots=True)
class ComponentInput:
    """The source of a parameter or artifact: an input of the component that the DAG belongs to."""

    name: str


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """The source of a parameter or artifact: an output of another task of the same DAG."""

    task: str
    name: str


@dataclass(frozen=True, slots=True)
class FinalStatus:
    """The source of a parameter: how another task of the same DAG ended."""

    task: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The source of a parameter: what a CEL expression (``parseJson(string_value)["a"]``) takes of another."""

    source: Constant | ComponentInput | TaskOutput
    expression: str


ParameterSource: TypeAlias = Constant | ComponentInput | TaskOutput | FinalStatus | Selected
ArtifactSource: TypeAlias = ComponentInput | TaskOutput


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed task is tried again, and how long to wait before each try (seconds)."""

    count: int = 0
    backoff: float = 0.0
    factor: float = 2.0
    longest: float = 3600.0

    def wait(self, failures: int) -> float:
        """Seconds between the ``failures``-th failure (from 1) and the next try."""
        # The exponent is bounded because 2.0 ** 2000 is an error, not infinity.
        return min(self.backoff * self.factor ** min(failures - 1, 60), self.longest)


@dataclass(frozen=True, slots=True)
class Iterator:
    """That a task runs once per item: of a constant list, or of an input of the task."""

    item_input: str
    items: str
    is_constant: bool
    artifacts: bool = False
    parallelism: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A node of a DAG: which component, with which inputs, after what."""

    key: str
    display_name: str
    component: str
    parameters: Mapping[str, ParameterSource] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactSource] = field(default_factory=dict)
    upstream: frozenset[str] = frozenset()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    enable_cache: bool = False
    cache_key: str | None = None
    condition: str | None = None
    waits_for_all: bool = False
    iterator: Iterator | None = None


@dataclass(frozen=True, slots=True)
class Dag:
    """Tasks, and which of their outputs are the DAG's. Several sources of one output: the first that ran."""

    tasks: Mapping[str, Task]
    parameter_outputs: Mapping[str, tuple[TaskOutput, ...]] = field(default_factory=dict)
    artifact_outputs: Mapping[str, tuple[TaskOutput, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Component:
    """Ports, and either an executor's label or a DAG.

    ``cells``: of a notebook step, the 0-based cells of the notebook that its pieces come from.
    """

    name: str
    input_parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    input_artifacts: Mapping[str, ArtifactSpec] = field(default_factory=dict)
    output_parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    output_artifacts: Mapping[str, ArtifactSpec] = field(default_factory=dict)
    executor: str | None = None
    dag: Dag | None = None
    cells: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretVariable:
    """An environment variable that gets one key of a Secret (or of a ConfigMap).

    ``parameter``: the component input that names the Secret, where it is not named in the IR.
    """

    variable: str
    source: str
    key: str
    optional: bool = False
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a container may use, as Kubernetes writes it (texts may hold placeholders); empty where nothing is said."""

    cpu: str = ""
    cpu_request: str = ""
    memory: str = ""
    memory_request: str = ""
    accelerator: str = ""
    accelerators: str = ""


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty directory of a container's own; ``size`` as Kubernetes writes it, of one ``in_memory``."""

    path: str
    size: str = ""
    in_memory: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """An executor that is a command in an image.

    ``ignored`` names the options that are for a container or a cluster: a process of this machine has none of them.
    """

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretVariable, ...] = ()
    config: tuple[SecretVariable, ...] = ()
    timeout: float | None = None
    ignored: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    pull_policy: str = ""
    scratch: tuple[Scratch, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Importer:
    """An executor that makes an artifact of something that is there already, at ``uri``.

    ``again``: it is fetched anew, even if an earlier run has fetched it. ``to_workspace``: steps find a copy
    in the run's workspace.
    """

    uri: Constant | ComponentInput
    type: ArtifactSpec
    metadata: Mapping[str, Json] = field(default_factory=dict)
    again: bool = False
    to_workspace: bool = False


@dataclass(frozen=True, slots=True)
class OtherExecutor:
    """An executor that is neither a container nor an importer: ``resolver`` or ``customJob``."""

    kind: str


Executor: TypeAlias = Container | Importer | OtherExecutor


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled pipeline. ``root`` is a component whose DAG is the pipeline, ``sdk`` the version of kfp."""

    name: str
    root: Component
    components: Mapping[str, Component]
    executors: Mapping[str, Executor]
    pipeline_root: str | None = None
    ignored: tuple[str, ...] = ()
    sdk: tuple[int, ...] = ()

    def inner(self, task: Task) -> Dag | None:
        """The DAG inside a task; None for one that has an executor."""
        return self.component(task).dag

    @property
    def dag(self) -> Dag:
        """The pipeline's own DAG."""
        assert self.root.dag is not None, "ir.read makes no plan without one"
        return self.root.dag

    def component(self, task: Task) -> Component:
        """The component of a task."""
        return self.components[task.component]

    def executor(self, task: Task) -> Executor | None:
        """The executor of a task; None for a nested DAG."""
        label = self.component(task).executor
        return None if label is None else self.executors[label]
