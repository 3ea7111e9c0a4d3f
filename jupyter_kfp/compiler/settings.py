"""Options that belong to a task rather than to its container."""

from __future__ import annotations

from typing import Any

from jupyter_kfp.compiler import kubernetes
from jupyter_kfp.options import StepOptions


def apply(options: StepOptions, name: str, task: Any) -> None:
    """Set caching, the shown name, retries and platform-specific options on KFP's task."""
    # Said for every task, because KFP's own default comes from the environment of whoever compiles.
    task.set_caching_options(options.cache is not False, cache_key=options.cache_key)
    task.set_display_name(options.display_name or name)
    if task.pipeline_spec is not None:
        _inside(options, task)
        return
    if options.retries:
        task.set_retry(
            options.retries,
            backoff_duration=_seconds(options.backoff),
            backoff_factor=options.backoff_factor,
            backoff_max_duration=_seconds(options.backoff_max),
        )
    config = kubernetes.platform_config(options)
    if config:
        task.platform_config[kubernetes.PLATFORM] = config


def _inside(options: StepOptions, task: Any) -> None:
    """Tell the steps of a nested pipeline: KFP neither caches nor retries a pipeline as a whole."""
    if options.cache is not False and not options.retries:
        return
    from kfp.dsl import structures

    spec = type(task.pipeline_spec)()
    spec.CopyFrom(task.pipeline_spec)
    policy = structures.RetryPolicy(
        max_retry_count=options.retries,
        backoff_duration=_seconds(options.backoff),
        backoff_factor=options.backoff_factor,
        backoff_max_duration=_seconds(options.backoff_max),
    )
    dags = [spec.root.dag, *(c.dag for c in spec.components.values() if c.HasField("dag"))]
    for inner in (one for dag in dags for one in dag.tasks.values()):
        if not spec.components[inner.component_ref.name].executor_label:
            continue
        if options.cache is False:
            inner.caching_options.enable_cache = False
        if options.retries and not inner.HasField("retry_policy"):
            inner.retry_policy.CopyFrom(policy.to_proto())
    task.pipeline_spec = spec


def _seconds(duration: int | None) -> str | None:
    return None if duration is None else f"{duration}s"
