"""The Jupyter server extension: REST handlers over the Python API, and live states of runs as events.

::

    extension   what Jupyter Server loads
    routes      the table of operations: method, path, what is asked and answered
    handlers    one tornado handler for all of them: who may, what is well-formed, errors as JSON
    openapi     the same table as an OpenAPI document
    notebooks, runs, tasks, clusters    the operations; they hold no logic of their own
    requests, answers                   what they take and give, as pydantic models
    context     threads, the worker process, and which paths are allowed
    worker      what needs KFP's compiler, in a process of its own
    live        runs that are going on, as Jupyter events
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_kfp.server.extension import PipelineExtension

    return [{"module": "jupyter_kfp.server", "app": PipelineExtension}]
