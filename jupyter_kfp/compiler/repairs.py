"""What KFP's compiler leaves out of groups of tasks, added to the IR it made.

KFP's backend and our engine take all of it: outputs of an exit handler's group are those of any DAG,
and an input may be optional wherever it passes through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_kfp.compiler.groups import Built


def mend(spec: Any, built: Built) -> None:
    """Change the PipelineSpec of a pipeline that was just built; nested pipelines are left alone."""
    if built.exit_group is not None:
        _hand_out(spec, built.exit_group)
    if built.aliases:
        for _, dag in _dags(spec, built):
            for task in dag.tasks.values():
                _unalias(task.inputs, built.aliases)
    for component, dag in _dags(spec, built):
        for key, task in dag.tasks.items():
            if key not in built.tasks:
                _pass_optional(component, task, spec.components[task.component_ref.name])


def _dags(spec: Any, built: Built) -> Iterator[tuple[Any, Any]]:
    """The pipeline's own DAGs with the components they belong to, outermost first."""
    waiting = [spec.root]
    while waiting:
        component = waiting.pop()
        yield component, component.dag
        waiting += [
            spec.components[task.component_ref.name]
            for key, task in sorted(component.dag.tasks.items())
            if key not in built.tasks
        ]


def _hand_out(spec: Any, group: str) -> None:
    """Connect the pipeline's outputs, which KFP took for those of its own tasks, through the exit handler."""
    root = spec.root
    inner = spec.components[root.dag.tasks[group].component_ref.name]
    for kind in ("parameters", "artifacts"):
        for name, output in getattr(root.dag.outputs, kind).items():
            selector = output.value_from_parameter if kind == "parameters" else output.artifact_selectors[0]
            key_field = "output_parameter_key" if kind == "parameters" else "output_artifact_key"
            key = getattr(selector, key_field)
            producer = selector.producer_subtask
            if producer == group:  # a collected list, which KFP brings up to the group and no further
                producer = _producer(spec, inner.dag, kind, key)
            getattr(inner.output_definitions, kind)[name].CopyFrom(
                getattr(root.output_definitions, kind)[name]
            )
            handed = getattr(inner.dag.outputs, kind)[name]
            own = handed.value_from_parameter if kind == "parameters" else handed.artifact_selectors.add()
            own.producer_subtask = producer
            setattr(own, key_field, key)
            selector.producer_subtask = group
            setattr(selector, key_field, name)


def _producer(spec: Any, dag: Any, kind: str, key: str) -> str:
    return next(
        str(name)
        for name, task in sorted(dag.tasks.items())
        if key in getattr(spec.components[task.component_ref.name].output_definitions, kind)
    )


def _unalias(inputs: Any, aliases: dict[str, str]) -> None:
    for parameter in inputs.parameters.values():
        if parameter.component_input_parameter in aliases:
            parameter.component_input_parameter = aliases[parameter.component_input_parameter]
        output = parameter.task_output_parameter
        if output.output_parameter_key in aliases:
            output.output_parameter_key = aliases[output.output_parameter_key]


def _pass_optional(outer: Any, task: Any, group: Any) -> None:
    """Make an input of a group optional where what it passes on may be missing.

    KFP's driver starts a DAG without an input only if its component calls the input optional
    (backend/src/v2/driver/resolve.go).
    """
    for name, source in task.inputs.parameters.items():
        passed = outer.input_definitions.parameters.get(source.component_input_parameter)
        if passed is not None and passed.is_optional and not passed.HasField("default_value"):
            group.input_definitions.parameters[name].is_optional = True


def name_components(spec: Any) -> None:
    """Call every component after the first task that uses it, from the outside in.

    KFP's compiler numbers those of nested pipelines in the order of a protobuf map, which differs from
    one process to the next.
    """
    names: dict[str, str] = {}
    waiting = [spec.root]
    for component in waiting:  # grows while it is walked
        for key, task in sorted(component.dag.tasks.items()):
            old = task.component_ref.name
            if old not in names:
                names[old] = _free(f"comp-{key}", names)
                if spec.components[old].HasField("dag"):
                    waiting.append(spec.components[old])
    for old in sorted(spec.components):
        names.setdefault(old, _free(old, names))
    components = {names[old]: _copied(spec.components[old]) for old in list(spec.components)}
    for old in names:
        del spec.components[old]
    for name, component in components.items():
        spec.components[name].CopyFrom(component)
    for component in (spec.root, *spec.components.values()):
        for task in component.dag.tasks.values() if component.HasField("dag") else ():
            task.component_ref.name = names[task.component_ref.name]


def _free(wanted: str, names: dict[str, str]) -> str:
    taken, name, number = set(names.values()), wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _copied(message: Any) -> Any:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied
