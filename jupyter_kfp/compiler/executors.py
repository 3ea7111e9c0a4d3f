"""Steps whose containers are alike share one executor of the IR.

The runtime travels in the container's arguments, 13 KB of them. KFP's SDK writes an executor for every
component; the IR allows several components to name the same one (pipeline_spec.proto,
``ComponentSpec.executor_label``), and what differs from step to step, its notebook, is a constant
input. So a pipeline holds the runtime once for all steps with the same image, packages, resources,
environment and platform options.
"""

from __future__ import annotations

from typing import Any

from jupyter_kfp.compiler import kubernetes


def share(pipeline: Any, platform: Any) -> None:
    """Keep the first of equal executors of a PipelineSpec, with its PlatformSpec, and name it wherever it is meant."""
    from google.protobuf.struct_pb2 import Struct

    deployment: Struct = pipeline.deployment_spec
    if "executors" not in deployment:
        return
    all_executors = deployment["executors"]
    options = platform.platforms[kubernetes.PLATFORM].deployment_spec.executors if platform.platforms else {}
    first: dict[tuple[bytes, bytes], str] = {}
    renamed: dict[str, str] = {}
    for label in sorted(all_executors):
        own = options[label].SerializeToString(deterministic=True) if label in options else b""
        content = (all_executors[label].SerializeToString(deterministic=True), own)
        renamed[label] = first.setdefault(content, label)
    for component in (pipeline.components[name] for name in pipeline.components):
        if component.executor_label:
            component.executor_label = renamed[component.executor_label]
    for label, kept in renamed.items():
        if label != kept:
            del all_executors.fields[label]
            if label in options:
                del options[label]
