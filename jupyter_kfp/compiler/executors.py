"""Steps whose containers are alike share one executor of the IR.

The runtime travels in the container's arguments, 13 KB of them. KFP's SDK writes an executor for every
component; the IR allows several components to name the same one (pipeline_spec.proto,
``ComponentSpec.executor_label``), and what differs from step to step, its notebook, is a constant
input. So a pipeline holds the runtime once for all steps with the same image, packages, resources,
environment and platform options.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from jupyter_kfp.compiler import kubernetes

_BY_CONTENT = re.compile(r"exec-[0-9a-f]{32}(-\d+)?")


def share(pipeline: Any, platform: Any) -> None:
    """Keep the first of equal executors of a PipelineSpec, with its PlatformSpec, and name it wherever it is meant."""
    first: dict[bytes, str] = {}
    contents = _contents(pipeline, platform)
    _rename(pipeline, platform, {label: first.setdefault(contents[label], label) for label in contents})


def label_by_content(pipeline: Any, platform: Any) -> None:
    """Call every executor after a digest of what it is, for a pipeline that becomes part of another one.

    Where executors of two pipelines have one name, KFP's compiler renames those of the inner one after
    one another (pipeline_spec_builder.py, _merge_deployment_spec) and may take a name that another of
    them still has; it also merges platform options by the names from before. Names that say the content
    make both harmless.
    """
    contents = _contents(pipeline, platform)
    digests = {label: hashlib.sha256(content).hexdigest()[:32] for label, content in contents.items()}
    _rename(pipeline, platform, {label: f"exec-{digest}" for label, digest in digests.items()})


def label_by_component(pipeline: Any, platform: Any) -> None:
    """Call executors that came with nested pipelines after the first component that uses them."""
    contents = _contents(pipeline, platform)
    taken = {label for label in contents if not _BY_CONTENT.fullmatch(label)}
    names = {label: label for label in taken}
    for name in sorted(pipeline.components):
        label = pipeline.components[name].executor_label
        if label and label not in names:
            wanted = unique = f"exec-{name.removeprefix('comp-')}"
            number = 2
            while unique in taken:
                unique, number = f"{wanted}-{number}", number + 1
            names[label] = unique
            taken.add(unique)
    _rename(pipeline, platform, names)


def _contents(pipeline: Any, platform: Any) -> dict[str, bytes]:
    """Every executor with its platform options, as bytes, by label in order."""
    deployment = pipeline.deployment_spec
    if "executors" not in deployment:
        return {}
    executors, options = deployment["executors"], _options(platform)
    return {
        label: executors[label].SerializeToString(deterministic=True)
        + b"\0"
        + (options[label].SerializeToString(deterministic=True) if label in options else b"")
        for label in sorted(executors)
    }


def _options(platform: Any) -> Any:
    return platform.platforms[kubernetes.PLATFORM].deployment_spec.executors if platform.platforms else {}


def _rename(pipeline: Any, platform: Any, names: dict[str, str]) -> None:
    """Rename executors everywhere; those left out of ``names`` are dropped, equal names mean one executor."""
    if not names:
        return
    executors, options = pipeline.deployment_spec["executors"].fields, _options(platform)
    for component in (pipeline.components[name] for name in pipeline.components):
        if component.executor_label:
            component.executor_label = names[component.executor_label]
    for every in (executors, options):
        kept = {new: _copy(every[old]) for old, new in reversed(names.items()) if old in every}
        for label in list(every):
            del every[label]
        for label, content in kept.items():
            every[label].CopyFrom(content)


def _copy(message: Any) -> Any:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied
