"""A compiled pipeline as it is submitted: what is said of the run, and what is changed in the copy that is sent."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jupyter_kfp.compiler.names import CACHE_TTL_VARIABLE, DEFAULT_IMAGE, NO_PICKLE_VARIABLE
from jupyter_kfp.documents import yaml_documents
from jupyter_kfp.engine import ir
from jupyter_kfp.engine.commands import STEP_HEADER

if TYPE_CHECKING:
    from jupyter_kfp.engine.plan import Plan

Spec = dict[str, Any]
PERIOD = "jupyter_kfp_cache_period"
"""The input by which a result is not reused longer than its task allows."""


@dataclass(frozen=True, slots=True)
class Package:
    """PipelineSpec and PlatformSpec (empty: none), and what the engine makes of them."""

    spec: Spec
    platform: Spec
    plan: Plan

    @property
    def request(self) -> Spec:
        """As the API takes it (``kfp.client``, _PipelineDoc.to_dict)."""
        if not self.platform:
            return self.spec
        return {"pipeline_spec": self.spec, "platform_spec": self.platform}

    @property
    def text(self) -> str:
        """As a YAML file."""
        import yaml

        documents = [self.spec, self.platform] if self.platform else [self.spec]
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        return str(yaml.dump_all(documents, Dumper=dumper, sort_keys=True, allow_unicode=True))

    @property
    def digest(self) -> str:
        """What is the same for the same pipeline, however its file is laid out. 64 hexadecimal digits."""
        both = json.dumps([self.spec, self.platform], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(both.encode()).hexdigest()

    @property
    def config(self) -> Spec:
        """What the compiler noted for whoever submits: ``experiment``, ``serviceAccount``."""
        kubernetes = (self.platform.get("platforms") or {}).get("kubernetes") or {}
        return dict(kubernetes.get("config") or {})


def read(text: str) -> Package:
    """The pipeline in a text (YAML or JSON). Raises UsageError saying what is wrong with it."""
    plan = ir.read(text)
    return Package(*specs(text), plan)


def specs(text: str) -> tuple[Spec, Spec]:
    """PipelineSpec and PlatformSpec (empty: none) of a text that is known to be a compiled pipeline."""
    documents = [document for document in yaml_documents(text) if document is not None]
    spec = documents[0]
    return spec.get("pipelineSpec", spec), documents[1] if len(documents) > 1 else {}


def without_cache(package: Package) -> Package:
    """The same, with nothing reused."""
    changed = copy.deepcopy(package.spec)
    for _component, task in _tasks(changed):
        task.setdefault("cachingOptions", {})["enableCache"] = False
    return _changed(package, changed)


def with_image(package: Package, image: str) -> Package:
    """The same, in another image where a notebook's step names none."""
    changed = copy.deepcopy(package.spec)
    for executor in _executors(changed).values():
        container = executor.get("container")
        if container and container.get("image") == DEFAULT_IMAGE:
            container["image"] = image
    return _changed(package, changed)


def without_pickles(package: Package) -> Package:
    """The same, with every notebook's step failing rather than keep a value as a pickle."""
    changed = copy.deepcopy(package.spec)
    for executor in _executors(changed).values():
        container = executor.get("container") or {}
        if str((container.get("command") or [""])[-1]).startswith(STEP_HEADER):
            others = [item for item in container.get("env") or () if item.get("name") != NO_PICKLE_VARIABLE]
            container["env"] = [*others, {"name": NO_PICKLE_VARIABLE, "value": "1"}]
    return _changed(package, changed)


def with_periods(package: Package, now: datetime) -> Package:
    """The same, with the reuse of results bounded where a task says for how long they are good.

    KFP's cache knows no age, so a result's fingerprint is given the number of the period that ``now`` lies in,
    each as long as the task allows. With a ``cache_key`` of the user's it goes there. Without one it cannot: a
    key replaces inputs, image and code in the fingerprint (backend/src/v2/driver/cache.go, getFingerPrint).
    There it is one more input, which the step does not look at.
    """
    changed = copy.deepcopy(package.spec)
    executors = _executors(changed)
    for component, task in _tasks(changed):
        executor = executors.get(component.get("executorLabel", ""), {})
        seconds = _ttl(executor)
        caching = task.get("cachingOptions") or {}
        if seconds is None or not caching.get("enableCache"):
            continue
        period = f"{seconds}s-{int(now.timestamp()) // seconds}"
        if caching.get("cacheKey"):
            caching["cacheKey"] = f"{caching['cacheKey']} {period}"
            continue
        inputs = component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
        inputs[PERIOD] = {"parameterType": "STRING", "isOptional": True}
        given = task.setdefault("inputs", {}).setdefault("parameters", {})
        given[PERIOD] = {"runtimeValue": {"constant": period}}
    return _changed(package, changed)


def _changed(package: Package, spec: Spec) -> Package:
    return replace(package, spec=spec)


def _executors(spec: Spec) -> Spec:
    return (spec.get("deploymentSpec") or {}).get("executors") or {}


def _tasks(spec: Spec) -> Iterator[tuple[Spec, Spec]]:
    """Every task that is executed, with its component."""
    components = spec.get("components") or {}
    for owner in (spec.get("root") or {}, *components.values()):
        for task in ((owner.get("dag") or {}).get("tasks") or {}).values():
            component = components.get((task.get("componentRef") or {}).get("name"), {})
            if "executorLabel" in component:
                yield component, task


def _ttl(executor: Spec) -> int | None:
    """For how many seconds a task's result is good, as the compiler noted it."""
    for variable in (executor.get("container") or {}).get("env") or ():
        if variable.get("name") == CACHE_TTL_VARIABLE:
            return max(1, int(variable["value"]))
    return None
