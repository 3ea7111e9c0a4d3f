"""KFP's IR, as text, to a `Plan`.

The YAML is read as plain data: KFP's own protobuf classes would cost the import of all of kfp. A second
YAML document, if there is one, is the platform's configuration (``platforms.kubernetes``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from jupyter_kfp.documents import yaml_documents
from jupyter_kfp.engine.kubernetes import PlatformConfig, platform_config
from jupyter_kfp.engine.plan import (
    ArtifactSource,
    ArtifactSpec,
    Component,
    ComponentInput,
    Constant,
    Container,
    Dag,
    Executor,
    FinalStatus,
    Importer,
    Iterator,
    OtherExecutor,
    ParameterKind,
    ParameterSource,
    ParameterSpec,
    Plan,
    Resources,
    RetryPolicy,
    Selected,
    Task,
    TaskOutput,
)
from jupyter_kfp.errors import UsageError
from jupyter_kfp.runtime.payload import STEP_NOTEBOOK

Spec: TypeAlias = Mapping[str, Any]

# The types of IR before KFP 2, still allowed by the schema.
_PRIMITIVE_KINDS = {
    "INT": ParameterKind.NUMBER_INTEGER,
    "DOUBLE": ParameterKind.NUMBER_DOUBLE,
    "STRING": ParameterKind.STRING,
}
_RESOURCES = {
    "cpu": ("cpuLimit", "cpuRequest", "resourceCpuLimit", "resourceCpuRequest"),
    "memory": ("memoryLimit", "memoryRequest", "resourceMemoryLimit", "resourceMemoryRequest"),
    "gpu": ("accelerator",),
}


def read(text: str) -> Plan:
    """The pipeline in ``text`` (YAML or JSON). Raises UsageError saying what is wrong with it."""
    documents = _load(text)
    spec: Spec = documents[0]
    if isinstance(spec.get("pipelineSpec"), Mapping):  # a PipelineJob around the specification
        spec = spec["pipelineSpec"]
    try:
        plan = _plan(spec, documents[1] if len(documents) > 1 else {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise _invalid(what) from error
    _check(plan)
    return plan


def _invalid(what: str) -> UsageError:
    return UsageError(
        f"This is not a compiled Kubeflow pipeline (IR YAML): {what}.", "Compile it again with KFP 2."
    )


def _load(text: str) -> list[Spec]:
    import yaml

    try:
        documents = [json.loads(text)] if text.lstrip().startswith("{") else list(yaml_documents(text))
    except (ValueError, yaml.YAMLError) as error:
        raise _invalid("it cannot be parsed, " + " ".join(str(error).split())) from error
    documents = [document for document in documents if document is not None]
    if not documents or not all(isinstance(document, Mapping) for document in documents):
        raise _invalid("it holds no mapping")
    first = documents[0]
    if first.get("apiVersion") or ("root" not in first and "pipelineSpec" not in first):
        raise _invalid("it has no root")
    return documents


def _plan(spec: Spec, platform: Spec) -> Plan:
    config = platform_config(platform)
    executors = (spec.get("deploymentSpec") or {}).get("executors") or {}
    root = _component("root", spec["root"])
    if root.dag is None:
        raise ValueError("its root has no DAG")
    return Plan(
        name=str(spec["pipelineInfo"]["name"]),
        root=root,
        components={name: _component(name, value) for name, value in (spec.get("components") or {}).items()},
        executors={label: _executor(value, config, label) for label, value in executors.items()},
        pipeline_root=spec.get("defaultPipelineRoot") or None,
        ignored=config.ignored,
        sdk=tuple(map(int, re.findall(r"\d+", str(spec.get("sdkVersion", "")))[:2])),
    )


def _component(name: str, spec: Spec) -> Component:
    inputs = spec.get("inputDefinitions") or {}
    outputs = spec.get("outputDefinitions") or {}
    return Component(
        name=name,
        input_parameters={k: _parameter(v) for k, v in (inputs.get("parameters") or {}).items()},
        input_artifacts={k: _artifact(v) for k, v in (inputs.get("artifacts") or {}).items()},
        output_parameters={k: _parameter(v) for k, v in (outputs.get("parameters") or {}).items()},
        output_artifacts={k: _artifact(v) for k, v in (outputs.get("artifacts") or {}).items()},
        executor=spec.get("executorLabel"),
        dag=_dag(spec["dag"]) if "dag" in spec else None,
        cells=_cells(inputs),
    )


def _cells(inputs: Spec) -> tuple[int, ...]:
    """The cells a notebook step was made of, from the note on its port (see ``compiler.payload.cells_note``)."""
    note = str((inputs.get("parameters") or {}).get(STEP_NOTEBOOK, {}).get("description", ""))
    return tuple(int(number) - 1 for number in re.findall(r"\b\d+\b", note))


def _parameter(spec: Spec) -> ParameterSpec:
    kind = ParameterKind(spec["parameterType"]) if "parameterType" in spec else _PRIMITIVE_KINDS[spec["type"]]
    # KFP's YAML has every number as a float; an integer's default is one.
    return ParameterSpec(
        kind=kind,
        optional=bool(spec.get("isOptional", False)),
        has_default="defaultValue" in spec,
        default=written(spec.get("defaultValue"), kind),
        literals=tuple(written(value, kind) for value in spec.get("literals") or ()),
    )


def integral(value: Any, kind: ParameterKind) -> Any:
    """A number as its kind has it: 3.0 of an integer is 3, 3 of a double is 3.0. Others pass."""
    match kind, value:
        case ParameterKind.NUMBER_INTEGER, float() if value.is_integer():
            return int(value)
        case ParameterKind.NUMBER_DOUBLE, int() if not isinstance(value, bool):
            return float(value)
    return value


def written(value: Any, kind: ParameterKind) -> Any:
    """A value that stands in the IR, where every number is a double: whole ones inside lists were integers."""
    match value:
        case list() if kind is ParameterKind.LIST:
            return [_whole(item) for item in value]
        case dict() if kind is ParameterKind.STRUCT:
            return {name: _whole(item) for name, item in value.items()}
    return integral(value, kind)


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {name: _whole(item) for name, item in value.items()}
    return value


def _artifact(spec: Spec) -> ArtifactSpec:
    schema = spec["artifactType"]
    return ArtifactSpec(
        schema_title=schema.get("schemaTitle") or "system.Artifact",
        schema_version=schema.get("schemaVersion") or "0.0.1",
        is_list=bool(spec.get("isArtifactList", False)),
        optional=bool(spec.get("isOptional", False)),
    )


def _dag(spec: Spec) -> Dag:
    outputs = spec.get("outputs") or {}
    return Dag(
        tasks={key: _task(key, value) for key, value in (spec.get("tasks") or {}).items()},
        parameter_outputs={k: _parameter_selectors(v) for k, v in (outputs.get("parameters") or {}).items()},
        artifact_outputs={
            k: tuple(
                TaskOutput(s["producerSubtask"], s["outputArtifactKey"])
                for s in v.get("artifactSelectors") or ()
            )
            for k, v in (outputs.get("artifacts") or {}).items()
        },
    )


def _parameter_selectors(spec: Spec) -> tuple[TaskOutput, ...]:
    selectors = (
        [spec["valueFromParameter"]]
        if "valueFromParameter" in spec
        else spec["valueFromOneof"]["parameterSelectors"]
    )
    return tuple(TaskOutput(s["producerSubtask"], s["outputParameterKey"]) for s in selectors)


def _task(key: str, spec: Spec) -> Task:
    inputs = spec.get("inputs") or {}
    parameters = {name: _parameter_source(value) for name, value in (inputs.get("parameters") or {}).items()}
    artifacts = {name: _artifact_source(value) for name, value in (inputs.get("artifacts") or {}).items()}
    caching = spec.get("cachingOptions") or {}
    trigger = spec.get("triggerPolicy") or {}
    return Task(
        key=key,
        display_name=(spec.get("taskInfo") or {}).get("name") or key,
        component=spec["componentRef"]["name"],
        parameters=parameters,
        artifacts=artifacts,
        upstream=frozenset(spec.get("dependentTasks") or ())
        | _producers((*parameters.values(), *artifacts.values())),
        retry=_retry(spec.get("retryPolicy") or {}),
        enable_cache=bool(caching.get("enableCache", False)),
        cache_key=caching.get("cacheKey") or None,
        condition=trigger.get("condition") or None,
        waits_for_all=trigger.get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED",
        iterator=_iterator(spec),
    )


def _producers(sources: Iterable[ParameterSource | ArtifactSource]) -> frozenset[str]:
    """The tasks that sources come from."""
    plain = (source.source if isinstance(source, Selected) else source for source in sources)
    return frozenset(source.task for source in plain if isinstance(source, TaskOutput | FinalStatus))


def _parameter_source(spec: Spec) -> ParameterSource:
    source: ParameterSource
    match spec:
        case {"runtimeValue": {"constant": value}}:
            source = Constant(value)
        case {"runtimeValue": {"constantValue": value}}:
            source = Constant(next(iter(value.values())))
        case {"runtimeValue": {"runtimeParameter": name}} | {"componentInputParameter": name}:
            source = ComponentInput(name)
        case {"taskOutputParameter": {"producerTask": task, "outputParameterKey": name}}:
            source = TaskOutput(task, name)
        case {"taskFinalStatus": {"producerTask": task}}:
            return FinalStatus(task)
        case _:
            raise ValueError(f"a task's input comes from {sorted(spec)}, which is unknown")
    expression = spec.get("parameterExpressionSelector")
    return Selected(source, expression) if expression else source


def _artifact_source(spec: Spec) -> ArtifactSource:
    match spec:
        case {"componentInputArtifact": name}:
            return ComponentInput(name)
        case {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": name}}:
            return TaskOutput(task, name)
    raise ValueError(f"a task's artifact comes from {sorted(spec)}, which is unknown")


def _retry(spec: Spec) -> RetryPolicy:
    default = RetryPolicy()
    return RetryPolicy(
        count=int(spec.get("maxRetryCount", 0)),
        backoff=_seconds(spec.get("backoffDuration"), default.backoff),
        factor=float(spec.get("backoffFactor") or default.factor),
        longest=_seconds(spec.get("backoffMaxDuration"), default.longest),
    )


def _seconds(duration: str | None, default: float) -> float:
    """Protobuf's duration (``1.5s``) in seconds."""
    return default if not duration else float(str(duration).removesuffix("s"))


def _iterator(spec: Spec) -> Iterator | None:
    limit = (spec.get("iteratorPolicy") or {}).get("parallelismLimit") or None
    match spec:
        case {"parameterIterator": {"itemInput": item, "items": {"raw": items}}}:
            return Iterator(item, items, is_constant=True, parallelism=limit)
        case {"parameterIterator": {"itemInput": item, "items": {"inputParameter": items}}}:
            return Iterator(item, items, is_constant=False, parallelism=limit)
        case {"artifactIterator": {"itemInput": item, "items": {"inputArtifact": items}}}:
            return Iterator(item, items, is_constant=False, artifacts=True, parallelism=limit)
    return None


def _executor(spec: Spec, platform: PlatformConfig, label: str) -> Executor:
    if "importer" in spec:
        return _importer(spec["importer"])
    if "container" not in spec:
        return OtherExecutor(next(iter(spec), "empty"))
    container = spec["container"]
    resources = container.get("resources") or {}
    ignored = tuple(name for name, keys in _RESOURCES.items() if any(resources.get(key) for key in keys))
    config = platform.executor(label)
    return Container(
        image=container.get("image", ""),
        command=tuple(map(str, container.get("command") or ())),
        args=tuple(map(str, container.get("args") or ())),
        env={item["name"]: str(item.get("value", "")) for item in container.get("env") or ()}
        | dict(config.env),
        secrets=config.secrets,
        config=config.config,
        timeout=config.timeout,
        ignored=ignored + config.ignored,
        resources=_resources(resources),
        pull_policy=config.pull_policy,
        scratch=config.scratch,
        labels=config.labels,
    )


def _resources(spec: Spec) -> Resources:
    """Texts, or the numbers that KFP wrote before: cores, and memory in units of 10^9 bytes."""

    def said(name: str, older: str, unit: str = "") -> str:
        text, number = spec.get(name), spec.get(older)
        return str(text) if text else f"{number:g}{unit}" if number else ""

    accelerator = spec.get("accelerator") or {}
    return Resources(
        cpu=said("resourceCpuLimit", "cpuLimit"),
        cpu_request=said("resourceCpuRequest", "cpuRequest"),
        memory=said("resourceMemoryLimit", "memoryLimit", "G"),
        memory_request=said("resourceMemoryRequest", "memoryRequest", "G"),
        accelerator=str(accelerator.get("resourceType") or accelerator.get("type") or ""),
        accelerators=str(accelerator.get("resourceCount") or accelerator.get("count") or ""),
    )


def _importer(spec: Spec) -> Importer:
    match spec.get("artifactUri"):
        case {"constant": value} | {"constantValue": {"stringValue": value}}:
            uri: Constant | ComponentInput = Constant(value)
        case {"runtimeParameter": name}:
            uri = ComponentInput(name)
        case other:
            raise ValueError(f"an importer's URI comes from {other}, which is unknown")
    return Importer(
        uri=uri,
        type=_artifact({"artifactType": spec.get("typeSchema") or {}}),
        metadata=_whole(spec.get("metadata") or {}),
        again=bool(spec.get("reimport", False)),
        to_workspace=bool(spec.get("downloadToWorkspace", False)),
    )


def _check(plan: Plan) -> None:
    """Raise UsageError for references to nothing and for cycles."""
    _check_depth(plan, plan.root, ())
    for component in (plan.root, *plan.components.values()):
        if component.executor is not None and component.executor not in plan.executors:
            raise _invalid(
                f"the component {component.name!r} has the executor {component.executor!r}, which is not there"
            )
        if component.dag is not None:
            _check_dag(plan, component.dag)


def _check_depth(plan: Plan, component: Component, around: tuple[str, ...]) -> None:
    """Raise UsageError for a component that contains itself."""
    if component.name in around:
        raise _invalid(f"the component {component.name!r} contains itself")
    for name in {task.component for task in component.dag.tasks.values()} if component.dag else ():
        if name in plan.components:
            _check_depth(plan, plan.components[name], (*around, component.name))


def _check_dag(plan: Plan, dag: Dag) -> None:
    for task in dag.tasks.values():
        if task.component not in plan.components:
            raise _invalid(
                f"the task {task.key!r} is of the component {task.component!r}, which is not there"
            )
        missing = sorted(task.upstream - dag.tasks.keys())
        if missing:
            raise _invalid(f"the task {task.key!r} comes after {missing[0]!r}, which is not there")
    if len(in_order(dag)) < len(dag.tasks):
        raise _invalid("its tasks wait for each other in a circle")


def in_order(dag: Dag) -> list[Task]:
    """The tasks so that each comes after its upstream, else as written. Those on a cycle are left out."""
    waiting = {key: set(task.upstream) for key, task in dag.tasks.items()}
    downstream: dict[str, list[str]] = {key: [] for key in dag.tasks}
    for key, upstream in waiting.items():
        for other in upstream:
            downstream[other].append(key)
    ready = [key for key, upstream in waiting.items() if not upstream]
    for key in ready:  # grows while it is walked
        for follower in downstream[key]:
            waiting[follower].discard(key)
            if not waiting[follower]:
                ready.append(follower)
    return [dag.tasks[key] for key in ready]
