"""Walking the IR's nested DAGs: which tasks and boxes there are, and where each value comes from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_kfp.errors import UsageError
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK
from jupyter_kfp.views import expressions
from jupyter_kfp.views.model import Edge, Group, GroupKind, Node, NodeKind, Port
from jupyter_kfp.views.ordering import natural

# What every step of ours leaves besides its values; shown only where a task reads it. (And its code is no input.)
RESERVED = frozenset({"executed_notebook", "executed_html", "step_metrics"})
# How kfp.dsl names the boxes it makes (kfp.compiler: `_make_name_unique_by_adding_index`).
_BRANCHES = re.compile(r"^condition-branches-\d+$")
_EXIT_HANDLER = re.compile(r"^exit-handler-\d+$")
_TYPES = {
    "STRING": "str",
    "NUMBER_INTEGER": "int",
    "NUMBER_DOUBLE": "float",
    "BOOLEAN": "bool",
    "LIST": "list",
    "STRUCT": "dict",
    "TASK_FINAL_STATUS": "PipelineTaskFinalStatus",
    "TASK_CONFIG": "TaskConfig",
}
_WHATEVER = "runs whatever happens upstream"


@dataclass(frozen=True, slots=True)
class Value:
    """Where an input comes from: the tasks that made it (and the output's key), a pipeline input, or neither.

    ``text`` is how a headline refers to it.
    """

    text: str
    made: tuple[tuple[str, str], ...] = ()
    pipeline_input: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """One DAG inside the others: its path, its component, what its inputs are, and how deep in loops."""

    path: str | None
    dag: Mapping[str, Any]
    inputs: Mapping[str, Value] = field(default_factory=dict)
    loops: int = 0
    components: tuple[str, ...] = ()

    @classmethod
    def root(cls, root: Mapping[str, Any]) -> Scope:
        """The pipeline's own DAG."""
        names = [port.name for port in ports(root.get("inputDefinitions") or {})]
        return cls(None, root["dag"], {name: Value(name, pipeline_input=name) for name in names})

    def inside(self, task: str, component: str, dag: Mapping[str, Any]) -> Scope:
        """The DAG that ``task`` runs, its inputs still unknown. Raises UsageError where it never ends."""
        if component in self.components:
            raise UsageError(f"This pipeline cannot run: the component {component} contains itself.")
        return Scope(self.id(task), dag, components=(*self.components, component))

    def id(self, task: str) -> str:
        """The dotted path of ``task``."""
        return f"{self.path}.{task}" if self.path else task

    @property
    def tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """The DAG's tasks under their names, in natural order."""
        tasks = self.dag.get("tasks") or {}
        return {str(name): tasks[name] or {} for name in sorted(tasks, key=lambda name: natural(str(name)))}


@dataclass
class Walk:
    """Collects what the DAGs hold. ``readers``: pipeline input → who reads it; ``orders``: declared orders."""

    components: dict[str, Mapping[str, Any]]
    executors: Mapping[str, Mapping[str, Any]]
    nodes: list[Node] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    orders: list[tuple[str, str]] = field(default_factory=list)
    readers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    flows: dict[tuple[str, str], dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Walk:
        """A walk over ``spec`` that has not begun."""
        executors = (spec.get("deploymentSpec") or {}).get("executors") or {}
        return cls(dict(spec.get("components") or {}), executors)

    def edges(self) -> tuple[Edge, ...]:
        """The values that flow, one edge for each pair of ends."""
        return tuple(Edge(source, target, tuple(labels)) for (source, target), labels in self.flows.items())

    def walk(self, scope: Scope) -> None:
        """Adds everything in ``scope``, and in the DAGs inside it."""
        tasks = scope.tasks
        branches = _branch_labels(scope)
        for name, task in tasks.items():
            path = scope.id(name)
            values = self._values(scope, task)
            for before in task.get("dependentTasks") or ():
                if before in tasks:
                    self.orders.append((scope.id(before), path))
            component_name = str((task.get("componentRef") or {}).get("name", ""))
            component = self.components.get(component_name) or {}
            condition, looping = self._headline(scope, task, values, branches.get(name))
            for value in self._controlling(task, values):
                self._read(value, path, _last_key(value))
            if "dag" in component:
                self._group(scope, name, task, " ".join(filter(None, (looping, condition))))
                inner = scope.inside(name, component_name, component["dag"])
                inputs = self._inside(scope, task, component, values)
                self.walk(replace(inner, inputs=inputs, loops=scope.loops + bool(_iterator(task))))
            else:
                self._node(scope, name, task, component, (condition, looping))
                for key, value in values.items():
                    self._read(value, path, key)

    def _values(self, scope: Scope, task: Mapping[str, Any]) -> dict[str, Value]:
        inputs = task.get("inputs") or {}
        found = {}
        for kind in ("parameters", "artifacts"):
            for key, source in (inputs.get(kind) or {}).items():
                value = self._value(scope, source or {})
                selector = str((source or {}).get("parameterExpressionSelector", ""))
                text = expressions.field(value.text, selector) if selector else value.text
                found[str(key)] = Value(text, value.made, value.pipeline_input)
        return found

    def _value(self, scope: Scope, source: Mapping[str, Any]) -> Value:
        match source:
            case {"taskOutputParameter": {"producerTask": task, "outputParameterKey": key}}:
                return self._output(scope, task, key)
            case {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": key}}:
                return self._output(scope, task, key)
            case {"componentInputParameter": name} | {"componentInputArtifact": name}:
                return scope.inputs.get(name, Value(expressions.bare(name)))
            case {"taskFinalStatus": {"producerTask": task}}:
                return Value("status", ((scope.id(task), "status"),))
            case {"runtimeValue": {"constant": constant}}:
                return Value(repr(constant))
            case _:
                return Value("")

    def _output(self, scope: Scope, task: str, key: str) -> Value:
        made = tuple(dict.fromkeys(self._produced(scope, task, key)))
        name, last = made[0] if made else (task, key)
        text = last if last != "Output" else name.rpartition(".")[2]
        return Value(text, made)

    def _produced(self, scope: Scope, task: str, key: str) -> Iterator[tuple[str, str]]:
        """The tasks that may have made the output ``key`` of ``task``, looking into boxes."""
        spec = (scope.dag.get("tasks") or {}).get(task) or {}
        name = str((spec.get("componentRef") or {}).get("name", ""))
        component = self.components.get(name) or {}
        if "dag" in component:
            yield from self.made(scope.inside(task, name, component["dag"]), key)
        else:
            yield scope.id(task), key

    def made(self, scope: Scope, key: str) -> Iterator[tuple[str, str]]:
        """The tasks, and their keys, behind the output ``key`` of the DAG ``scope``."""
        outputs = scope.dag.get("outputs") or {}
        parameter = (outputs.get("parameters") or {}).get(key) or {}
        artifact = (outputs.get("artifacts") or {}).get(key) or {}
        selectors = [parameter["valueFromParameter"]] if "valueFromParameter" in parameter else []
        selectors += (parameter.get("valueFromOneof") or {}).get("parameterSelectors") or []
        selectors += artifact.get("artifactSelectors") or []
        for selector in selectors:
            inner = selector.get("outputParameterKey") or selector.get("outputArtifactKey")
            yield from self._produced(scope, selector["producerSubtask"], inner)

    def _headline(
        self,
        scope: Scope,
        task: Mapping[str, Any],
        values: Mapping[str, Value],
        branch: tuple[str, str] | None,
    ) -> tuple[str, str]:
        """What stands over the task: its condition, and its loop."""
        names = {key: value.text for key, value in values.items()}
        word, raw = branch or ("if", str((task.get("triggerPolicy") or {}).get("condition") or ""))
        condition = f"{word} {expressions.readable(raw, names)}".strip() if raw or branch else ""
        iterator = _iterator(task)
        if not iterator:
            return condition, ""
        items = iterator.get("items") or {}
        if "raw" in items:
            source = expressions.listed(str(items["raw"]))
        else:
            key = str(items.get("inputParameter") or items.get("inputArtifact") or "")
            source = names.get(key) or expressions.bare(key)
        item = expressions.item_name(str(iterator.get("itemInput", "item")), scope.loops + 1)
        limit = (task.get("iteratorPolicy") or {}).get("parallelismLimit")
        at_once = f" ({limit} at a time)" if limit else ""
        return condition, f"for {item} in {source}{at_once}"

    def _controlling(self, task: Mapping[str, Any], values: Mapping[str, Value]) -> Iterator[Value]:
        """The values that the task's own condition or loop reads."""
        for key in expressions.referenced(str((task.get("triggerPolicy") or {}).get("condition") or "")):
            if key in values:
                yield values[key]
        items = _iterator(task).get("items") or {}
        source = str(items.get("inputParameter") or items.get("inputArtifact") or "")
        if source in values:
            yield values[source]

    def _inside(
        self, scope: Scope, task: Mapping[str, Any], component: Mapping[str, Any], values: Mapping[str, Value]
    ) -> dict[str, Value]:
        """What the inputs of the task's DAG are, seen from inside."""
        definitions = component.get("inputDefinitions") or {}
        inner = {port.name: Value(expressions.bare(port.name)) for port in ports(definitions)} | dict(values)
        iterator = _iterator(task)
        if iterator:
            item = str(iterator.get("itemInput", "item"))
            inner[item] = Value(expressions.item_name(item, scope.loops + 1))
        return inner

    def _read(self, value: Value, reader: str, key: str) -> None:
        """Notes that ``reader`` reads ``value`` as its input ``key``."""
        if value.pipeline_input is not None:
            self.readers[value.pipeline_input].append(reader)
        for source, output in value.made:
            # KFP calls a component's only result "Output"; the reader's own word says more.
            plain = key.startswith("pipelinechannel--") or output != "Output"
            self.flows[source, reader][output if plain else key] = None

    def _node(
        self,
        scope: Scope,
        name: str,
        task: Mapping[str, Any],
        component: Mapping[str, Any],
        headline: tuple[str, str],
    ) -> None:
        executor = self.executors.get(str(component.get("executorLabel", ""))) or {}
        always = (task.get("triggerPolicy") or {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
        outputs = ports(component.get("outputDefinitions") or {})
        self.nodes.append(
            Node(
                id=scope.id(name),
                name=_display_name(name, task),
                kind=NodeKind.IMPORTER if "importer" in executor else NodeKind.TASK,
                parent=scope.path,
                note=", ".join(filter(None, (*headline, _WHATEVER if always else ""))),
                image=str((executor.get("container") or {}).get("image") or ""),
                inputs=tuple(
                    port
                    for port in ports(component.get("inputDefinitions") or {})
                    if port.name != STEP_NOTEBOOK
                ),
                outputs=tuple(port for port in outputs if port.name not in RESERVED),
            )
        )

    def _group(self, scope: Scope, name: str, task: Mapping[str, Any], headline: str) -> None:
        kind = _group_kind(name, task)
        own = _display_name(name, task)
        plain = {GroupKind.BRANCHES: "one of", GroupKind.EXIT_HANDLER: "exit handler"}.get(kind, own)
        label = headline or plain
        if own not in (name, label):  # the author named it
            limit = _LIMIT.search(label)
            # A notebook's header tells what the IR does, in the words of the notebook.
            label = own + (limit[0] if limit else "") if _HEADER.match(own) else f"{own}: {label}"
        self.groups.append(Group(scope.id(name), own, kind, label, scope.path))


_HEADER = re.compile(r"(if|elif|for) |else$")
_LIMIT = re.compile(r" \(\d+ at a time\)$")


def ports(definitions: Mapping[str, Any]) -> list[Port]:
    """The ports that an ``inputDefinitions`` or ``outputDefinitions`` declares, parameters first."""
    found = []
    for name, parameter in (definitions.get("parameters") or {}).items():
        kind = str((parameter or {}).get("parameterType", ""))
        found.append(Port(str(name), _TYPES.get(kind, kind.lower())))
    for name, artifact in (definitions.get("artifacts") or {}).items():
        title = str(((artifact or {}).get("artifactType") or {}).get("schemaTitle", "system.Artifact"))
        many = bool((artifact or {}).get("isArtifactList"))
        plain = title.removeprefix("system.")
        found.append(Port(str(name), f"list[{plain}]" if many else plain))
    return found


def _iterator(task: Mapping[str, Any]) -> Mapping[str, Any]:
    iterator: Mapping[str, Any] = task.get("parameterIterator") or task.get("artifactIterator") or {}
    return iterator


def _display_name(name: str, task: Mapping[str, Any]) -> str:
    return str((task.get("taskInfo") or {}).get("name") or name)


def _last_key(value: Value) -> str:
    return value.made[-1][1] if value.made else ""


def _group_kind(name: str, task: Mapping[str, Any]) -> GroupKind:
    if _iterator(task):
        return GroupKind.LOOP
    if (task.get("triggerPolicy") or {}).get("condition"):
        return GroupKind.CONDITION
    if _BRANCHES.match(name):
        return GroupKind.BRANCHES
    if _EXIT_HANDLER.match(name):
        return GroupKind.EXIT_HANDLER
    return GroupKind.PIPELINE


def _branch_labels(scope: Scope) -> Mapping[str, tuple[str, str]]:
    """The words of an if/elif/else, where this DAG is one."""
    if scope.path is None or not _BRANCHES.match(scope.path.rpartition(".")[2]):
        return {}
    conditions: Iterable[tuple[str, str]] = (
        (name, str((task.get("triggerPolicy") or {}).get("condition") or ""))
        for name, task in scope.tasks.items()
    )
    return expressions.branch_labels(conditions)
