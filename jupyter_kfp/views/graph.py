"""KFP IR and the states of a run → the graph that every view draws.

Works on any KFP v2 ``PipelineSpec``, whoever compiled it; nothing of kfp is imported. Values are
followed through boxes: an edge runs from the task that made a value to the task that reads it, and
to a box itself where its condition or its items are that value.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jupyter_kfp.documents import yaml_documents
from jupyter_kfp.errors import UsageError
from jupyter_kfp.views.flow import Scope, Walk, ports
from jupyter_kfp.views.model import (
    Edge,
    EdgeKind,
    Graph,
    Group,
    GroupKind,
    Node,
    NodeKind,
    PipelineInput,
    PipelineOutput,
    Port,
)
from jupyter_kfp.views.ordering import CycleError, topological
from jupyter_kfp.views.states import checked, combined

__all__ = [
    "Edge",
    "EdgeKind",
    "Graph",
    "Group",
    "GroupKind",
    "Node",
    "NodeKind",
    "PipelineInput",
    "PipelineOutput",
    "Port",
    "graph_from_ir",
    "with_states",
]

_ITERATION = re.compile(r"\[\d+\]")


def graph_from_ir(ir: str | Mapping[str, Any], states: Mapping[str, str] | None = None) -> Graph:
    """The graph of a compiled pipeline.

    Args:
        ir: the IR's YAML text (its first document is the pipeline), or that document as a mapping.
        states: states by dotted path; ``loop.train[2]`` is the third iteration of ``loop.train``, and
            a loop's task shows what its iterations have in common. A path that is not in the
            pipeline is of no effect.

    Raises:
        UsageError: it is not YAML, not a pipeline, or its tasks depend on each other in a circle.
        ValueError: a state is none of KFP's.
    """
    spec = _read(ir) if isinstance(ir, str) else ir
    root = spec.get("root") if isinstance(spec, Mapping) else None
    if not isinstance(root, Mapping):
        raise UsageError(
            "This is not a compiled pipeline: it has no `root`.", "Give the IR YAML of a pipeline."
        )
    info = spec.get("pipelineInfo") or {}
    name = str(info.get("displayName") or info.get("name") or "pipeline")
    walk = Walk.of(spec)
    if "dag" not in root:
        root = {**root, "dag": {"tasks": {name: {"taskInfo": {"name": name}, "componentRef": {}}}}}
        walk.components[""] = {"executorLabel": root.get("executorLabel", "")}
    try:
        scope = Scope.root(root)
        walk.walk(scope)
        graph = Graph(
            name=name,
            nodes=tuple(walk.nodes),
            edges=(*walk.edges(), *_order_edges(walk)),
            groups=tuple(walk.groups),
            inputs=tuple(_inputs(root, walk)),
            outputs=tuple(_outputs(root, walk, scope)),
            description=str(info.get("description") or ""),
        )
    except (AttributeError, LookupError, TypeError) as error:
        # Somebody else's document may have any shape; it is read once, here, without a schema of its own.
        raise UsageError(
            "This is not a compiled pipeline: its parts are not those of KFP's PipelineSpec.", f"({error!r})"
        ) from error
    return with_states(_sorted(graph), states or {})


def _read(text: str) -> Mapping[str, Any]:
    import yaml

    try:
        document = next(yaml_documents(text), None)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise UsageError(f"This is not a compiled pipeline: it is not YAML ({where}).") from error
    return document if isinstance(document, Mapping) else {}


def _order_edges(walk: Walk) -> Iterable[Edge]:
    """Declared orders between which no value flows already."""
    graph = Graph("", tuple(walk.nodes), walk.edges(), tuple(walk.groups))
    flowing = {graph.lifted(edge)[1:] for edge in graph.edges}
    for source, target in walk.orders:
        if (source, target) not in flowing:
            yield Edge(source, target, kind=EdgeKind.ORDER)


def _inputs(root: Mapping[str, Any], walk: Walk) -> Iterable[PipelineInput]:
    definitions = root.get("inputDefinitions") or {}
    declared = definitions.get("parameters") or {}
    for port in ports(definitions):
        parameter = declared.get(port.name) or {}
        default = parameter.get("defaultValue")
        if port.type == "int" or isinstance(default, list | dict):
            default = _whole(default)
        required = not parameter.get("isOptional", False) and "defaultValue" not in parameter
        targets = tuple(dict.fromkeys(walk.readers.get(port.name, ())))
        yield PipelineInput(port.name, port.type, required, default, targets)


def _whole(value: Any) -> Any:
    """Numbers as somebody wrote them: the IR keeps every number as a double, [1, 2] as [1.0, 2.0]."""
    match value:
        case list():
            numbers = [item for item in value if isinstance(item, float)]
            fractions = any(not number.is_integer() for number in numbers)
            return [item if isinstance(item, float) and fractions else _whole(item) for item in value]
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _outputs(root: Mapping[str, Any], walk: Walk, scope: Scope) -> Iterable[PipelineOutput]:
    for port in ports(root.get("outputDefinitions") or {}):
        sources = dict.fromkeys(source for source, _ in walk.made(scope, port.name))
        yield PipelineOutput(port.name, port.type, tuple(sources))


def _sorted(graph: Graph) -> Graph:
    """The same graph, each box's members upstream first: the IR's own order is alphabetical."""
    boxes = graph.boxes()
    order: dict[str, int] = {}

    def visit(box: str | None) -> None:
        try:
            ordered = topological(*boxes.get(box, ([], set())))
        except CycleError as error:
            raise UsageError(
                f"This pipeline cannot run: its tasks wait for each other in a circle ({error}).",
                "Remove one of these dependencies.",
            ) from error
        for item in ordered:
            order[item] = len(order)
            visit(item)

    visit(None)
    return replace(
        graph,
        nodes=tuple(sorted(graph.nodes, key=lambda node: order[node.id])),
        groups=tuple(sorted(graph.groups, key=lambda group: order[group.id])),
        edges=tuple(
            sorted(graph.edges, key=lambda edge: (order[edge.source], order[edge.target], edge.kind))
        ),
    )


def with_states(graph: Graph, states: Mapping[str, str]) -> Graph:
    """The same graph in these states, by dotted path as for :func:`graph_from_ir`. Raises ValueError as that."""
    if not states:
        return graph
    seen: dict[str, list[str]] = defaultdict(list)
    repeated: set[str] = set()
    for path, state in states.items():
        bare = _ITERATION.sub("", path)
        # `loop[2]` is an iteration of the box; the box's own state, where given, weighs more.
        seen[bare].append(checked(state))
        if bare != path:
            repeated.add(bare)
    nodes = tuple(
        replace(
            node,
            state=combined(seen.get(node.id, ())),
            counts=dict(sorted(Counter(seen[node.id]).items())) if node.id in repeated else {},
        )
        for node in graph.nodes
    )
    inside: dict[str | None, list[str]] = defaultdict(list)
    for node in nodes:
        for box in graph.ancestors(node.id):
            inside[box].extend([node.state] if node.state else [])
    groups = tuple(
        replace(
            group,
            state=checked(states[group.id])
            if group.id in states
            else combined(seen.get(group.id) or inside.get(group.id) or ()),
        )
        for group in graph.groups
    )
    return replace(graph, nodes=nodes, groups=groups)
