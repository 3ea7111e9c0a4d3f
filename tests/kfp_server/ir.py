"""Submitted pipelines: parsed with the protobuf, arguments checked as the API server does.

backend/src/apiserver/template/v2_template.go, NewV2SpecTemplate and validatePipelineJobInputs.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from importlib.metadata import files
from types import ModuleType
from typing import Any

import yaml
from google.protobuf import json_format

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "NUMBER_DOUBLE": ((int, float), "double or integer, but the parameter value is not of number value type"),
    "NUMBER_INTEGER": (
        (int, float),
        "double or integer, but the parameter value is not of number value type",
    ),
    "STRING": ((str,), "string, but the input parameter is not of string value type"),
    "BOOLEAN": ((bool,), "bool, but the input parameter is not of bool value type"),
    "LIST": ((list,), "list, but the input parameter is not of list value type"),
    "STRUCT": ((dict,), "struct, but the input parameter is not of struct value type"),
}


class Invalid(Exception):
    """What KFP answers with code 3, INVALID_ARGUMENT."""


@cache
def _messages(distribution: str, file: str) -> ModuleType:
    """A generated protobuf module without the package around it, whose import takes seconds."""
    name = f"_kfp_server_{file.removesuffix('.py')}"
    found = next(f for f in files(distribution) or () if f.name == file)
    spec = importlib.util.spec_from_file_location(name, str(found.locate()))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def parse_text(text: str) -> dict[str, Any]:
    """An uploaded package as the API keeps it: a PipelineSpec, or that and a PlatformSpec."""
    try:
        documents = [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d is not None]
    except yaml.YAMLError as error:
        raise Invalid(f"unable to decode yaml document: {error}") from error
    specs = [d for d in documents if isinstance(d, dict) and "pipelineInfo" in d]
    platforms = [d for d in documents if isinstance(d, dict) and "platforms" in d]
    if len(specs) > 1 or len(platforms) > 1:
        raise Invalid("multiple pipeline specs provided")
    if not specs:
        raise Invalid("no pipeline spec is provided")
    return {"pipeline_spec": specs[0], "platform_spec": platforms[0]} if platforms else specs[0]


def check(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """PipelineSpec and PlatformSpec of a request's ``pipeline_spec``. Raises Invalid."""
    spec, platform = (
        (given["pipeline_spec"], given.get("platform_spec", {})) if "pipeline_spec" in given else (given, {})
    )
    try:
        message = json_format.ParseDict(
            spec, _messages("kfp-pipeline-spec", "pipeline_spec_pb2.py").PipelineSpec()
        )
        kinds = _messages("kfp-pipeline-spec", "pipeline_spec_pb2.py")
        json_format.ParseDict(platform, kinds.PlatformSpec())
        kubernetes = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
        config = _messages("kfp-kubernetes", "kubernetes_executor_config_pb2.py").KubernetesExecutorConfig
        for executor in kubernetes.get("executors", {}).values():
            json_format.ParseDict(executor, config())
    except json_format.ParseError as error:
        raise Invalid(f"invalid v2 pipeline spec: {error}") from error
    if message.schema_version != "2.1.0":
        raise Invalid(
            f"KFP only supports schema version 2.1.0, but the pipeline spec has version {message.schema_version}"
        )
    if not _NAME.search(message.pipeline_info.name):
        raise Invalid("invalid v2 pipeline spec: name is empty")
    if not message.HasField("root"):
        raise Invalid("invalid v2 pipeline spec: root component is empty")
    return spec, platform


def check_arguments(spec: dict[str, Any], values: dict[str, Any]) -> None:
    """Raise Invalid where a value is missing, unknown or of another type."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, parameter in declared.items():
        if name not in values:
            if not parameter.get("isOptional") and "defaultValue" not in parameter:
                raise Invalid(
                    f"parameter {name} is not optional, yet has neither default value nor user provided value"
                )
            continue
        types, why = _KINDS[parameter["parameterType"]]
        value = values[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise Invalid(f"input parameter {name} requires type {why}")
    extra = [name for name in values if name not in declared]
    if extra:
        raise Invalid(f"parameter(s) provided are not required by pipeline: {', '.join(extra)}")


def to_text(spec: dict[str, Any], platform: dict[str, Any]) -> str:
    """Both as the YAML that the engine reads."""
    return yaml.dump_all([spec, platform] if platform else [spec], Dumper=yaml.CSafeDumper, sort_keys=True)
