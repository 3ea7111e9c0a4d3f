"""Small pipelines, written as IR."""

import json
from collections.abc import Mapping
from typing import Any

# What a step written in Python starts with: the executor input as `m`, and short ways to its parts.
PRELUDE = (
    "import json, os, sys, time, pathlib\n"
    "m = json.loads(sys.argv[1])\n"
    "inputs, outputs = m['inputs'], m['outputs']\n"
    "p = inputs['parameterValues']\n"
    "def path(port): return outputs['artifacts'][port]['artifacts'][0]['uri']\n"
    "def source(port): return inputs['artifacts'][port]['artifacts'][0]['uri']\n"
    "def leave(**message): pathlib.Path(outputs['outputFile']).write_text(json.dumps(message))\n"
)

Spec = dict[str, Any]


def python(code: str) -> Spec:
    """A container that runs Python code after `PRELUDE`."""
    return {"image": "python:3.11", "command": ["python3", "-S", "-c", PRELUDE + code], "args": ["{{$}}"]}


def shell(code: str, *args: str) -> Spec:
    """A container that runs shell code; ``args`` are its $0, $1, ..."""
    return {"image": "python:3.11", "command": ["sh", "-c", code], "args": list(args)}


def task(
    container: Spec,
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, str] | None = None,
    after: tuple[str, ...] = (),
    described: Mapping[str, str] | None = None,
    **more: Any,
) -> Spec:
    """A task with a component of its own.

    ``inputs``: a constant, ``"$name"`` (pipeline parameter), ``"task.port"`` (parameter) or
    ``"task:port"`` (artifact). ``outputs``: ``STRING``-like kinds are parameters, ``system.Model``-like ones
    artifacts. ``described``: descriptions of input parameters. ``more`` goes into the task as it is (``retryPolicy``...).
    """
    return {
        "container": container,
        "inputs": inputs or {},
        "outputs": outputs or {},
        "after": after,
        "described": described or {},
        "more": more,
    }


def pipeline(
    tasks: Mapping[str, Spec],
    *,
    parameters: Mapping[str, Any] | None = None,
    outputs: Mapping[str, str] | None = None,
    kubernetes: Mapping[str, Any] | None = None,
    **more: Any,
) -> str:
    """The IR of a pipeline. ``parameters``: name to kind, or to (kind, default). ``outputs`` as task inputs."""
    import yaml

    kinds = {f"{key}.{port}": kind for key, spec in tasks.items() for port, kind in spec["outputs"].items()}
    kinds |= {f"{key}:{port}": kind for key, spec in tasks.items() for port, kind in spec["outputs"].items()}
    declared = {
        name: {"parameterType": kind[0], "defaultValue": kind[1], "isOptional": True}
        if isinstance(kind, tuple)
        else {"parameterType": kind}
        for name, kind in (parameters or {}).items()
    }
    spec = {
        "pipelineInfo": {"name": "small"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
        "components": {f"comp-{key}": _component(key, spec, declared, kinds) for key, spec in tasks.items()},
        "deploymentSpec": {
            "executors": {f"exec-{key}": {"container": spec["container"]} for key, spec in tasks.items()}
        },
        "root": {
            "dag": {
                "tasks": {key: _task(key, spec) for key, spec in tasks.items()},
                "outputs": _outputs(outputs or {}),
            },
            "inputDefinitions": {"parameters": declared},
            "outputDefinitions": _output_definitions(
                {name: kinds[source] for name, source in (outputs or {}).items()}
            ),
        },
        **more,
    }
    documents = [json.loads(json.dumps(spec))]
    if kubernetes:
        documents.append({"platforms": {"kubernetes": {"deploymentSpec": {"executors": dict(kubernetes)}}}})
    return yaml.safe_dump_all(documents)


def _component(key: str, spec: Spec, declared: Mapping[str, Any], kinds: Mapping[str, str]) -> Spec:
    parameters: Spec = {}
    artifacts: Spec = {}
    for name, value in spec["inputs"].items():
        match value:
            case str() if value.startswith("$"):
                parameters[name] = {k: v for k, v in declared[value[1:]].items() if k != "defaultValue"}
            case str() if ":" in value and value in kinds:
                artifacts[name] = {"artifactType": {"schemaTitle": kinds[value], "schemaVersion": "0.0.1"}}
            case str() if value in kinds:
                parameters[name] = {"parameterType": kinds[value]}
            case _:
                parameters[name] = {"parameterType": _kind(value)}
    for name, description in spec["described"].items():
        parameters[name]["description"] = description
    return {
        "executorLabel": f"exec-{key}",
        "inputDefinitions": {"parameters": parameters, "artifacts": artifacts},
        "outputDefinitions": _output_definitions(spec["outputs"]),
    }


def _kind(value: Any) -> str:
    names = {
        bool: "BOOLEAN",
        int: "NUMBER_INTEGER",
        float: "NUMBER_DOUBLE",
        str: "STRING",
        list: "LIST",
        dict: "STRUCT",
    }
    return names[type(value)]


def _output_definitions(outputs: Mapping[str, str]) -> Spec:
    return {
        "parameters": {name: {"parameterType": kind} for name, kind in outputs.items() if "." not in kind},
        "artifacts": {
            name: {"artifactType": {"schemaTitle": kind, "schemaVersion": "0.0.1"}}
            for name, kind in outputs.items()
            if "." in kind
        },
    }


def _task(key: str, spec: Spec) -> Spec:
    parameters: Spec = {}
    artifacts: Spec = {}
    for name, value in spec["inputs"].items():
        match value:
            case str() if value.startswith("$"):
                parameters[name] = {"componentInputParameter": value[1:]}
            case str() if ":" in value and " " not in value:
                producer, _, port = value.partition(":")
                artifacts[name] = {
                    "taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": port}
                }
            case str() if "." in value and " " not in value and "{" not in value:
                producer, _, port = value.partition(".")
                parameters[name] = {
                    "taskOutputParameter": {"producerTask": producer, "outputParameterKey": port}
                }
            case _:
                parameters[name] = {"runtimeValue": {"constant": value}}
    return {
        "componentRef": {"name": f"comp-{key}"},
        "taskInfo": {"name": key},
        "inputs": {"parameters": parameters, "artifacts": artifacts},
        "dependentTasks": list(spec["after"]),
        **spec["more"],
    }


def _outputs(outputs: Mapping[str, str]) -> Spec:
    parameters: Spec = {}
    artifacts: Spec = {}
    for name, source in outputs.items():
        if ":" in source:
            producer, _, port = source.partition(":")
            artifacts[name] = {
                "artifactSelectors": [{"producerSubtask": producer, "outputArtifactKey": port}]
            }
        else:
            producer, _, port = source.partition(".")
            parameters[name] = {
                "valueFromParameter": {"producerSubtask": producer, "outputParameterKey": port}
            }
    return {"parameters": parameters, "artifacts": artifacts}
