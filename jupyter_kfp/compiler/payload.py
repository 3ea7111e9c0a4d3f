"""What travels inside a step's component: the step as the runtime reads it, and the container's arguments."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jupyter_kfp.compiler.names import STATUS, ports
from jupyter_kfp.pipeline import Code, Output, Step

EXECUTOR_INPUT = "{{$}}"
"""KFP's placeholder for the whole executor input as JSON (``dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER``)."""


def step_json(step: Step, coded: Collection[str] = (), *, last: bool = False) -> dict[str, Any]:
    """The step as the runtime reads it; empty keys are left out, to keep the component small.

    ``coded`` are the inputs that come as JSON texts (items of a loop), ``last`` is for the step that runs
    on exit.

    Nothing in it depends on other steps' code nor on where the step stands in the notebook, so that
    an edit elsewhere leaves this step's cache key alone. The cells are named in :func:`cells_note`.
    """
    described = {
        "step": step.name,
        "cells": [_cell(code, "preamble") for code in step.preamble]
        + [_cell(code, "step") for code in step.body],
        "early": list(step.early),
        "parameters": {i.name: str(i.type) for i in step.inputs if i.type.is_parameter},
        "inputs": {i.name: str(i.type) for i in step.inputs if not i.type.is_parameter},
        "outputs": {output.name: _output(output) for output in step.outputs},
        "guard": {name: step.guard[name] for name in sorted(step.guard)},
        "metrics": list(step.metrics),
        "ports": ports(step),
        "json": sorted(coded),
        "picks": {name: step.picks[name] for name in sorted(step.picks)},
        "status": STATUS if last else "",
        # The names of their variables, for the executed notebook to show none of their values.
        "secrets": [secret.env for secret in step.options.secret if secret.env],
        "kernel": [step.kernel.name, step.kernel.language] if step.kernel else [],
    }
    return {key: value for key, value in described.items() if value}


LARGEST_CONSTANT = 32_000
"""Characters of a packed step that still travels as a constant input.

The executor input is one argument of the container, of which Linux allows 128 KiB; it also holds the
values of all parameters. A larger step travels in arguments of its own.
"""


@dataclass(frozen=True, slots=True)
class Packed:
    """A step on its way.

    ``arguments`` are its container's, ``constant`` is for its input port (empty: it is in the arguments).
    """

    arguments: tuple[str, ...]
    constant: str


def packed(step: Step, coded: Collection[str] = (), *, last: bool = False) -> Packed:
    """The executor input, the packages, the packed runtime, and the packed step here or as a constant.

    Steps whose containers are alike then have equal arguments, so that the IR holds them, and with
    them the runtime, once (see ``executors``).
    """
    from jupyter_kfp.runtime.payload import pack

    runtime, *chunks = pack(step_json(step, coded, last=last))
    common = (EXECUTOR_INPUT, packages_json(step.options.packages), runtime)
    if len(chunks) == 1 and len(chunks[0]) <= LARGEST_CONSTANT:
        return Packed(common, chunks[0])
    return Packed((*common, *chunks), "")


def cells_note(step: Step) -> str:
    """Which cells of the notebook (from 1) the pieces of the step come from, in order.

    It is the description of the input port, which is no part of KFP's cache key
    (backend/src/v2/cacheutils/cache.go); the local engine reads it to say where a step failed.
    """
    cells = " ".join(str(code.cell + 1) for code in (*step.preamble, *step.body))
    return f"The code of the step, packed; from the cells {cells}"


def command() -> list[str]:
    """The container's command. It is the same for every step."""
    from jupyter_kfp.runtime.payload import BOOT

    return ["python3", "-c", BOOT]


def packages_json(packages: tuple[str, ...]) -> str:
    """The pip requirements as a JSON list that nothing on the way rewrites.

    KFP replaces ``{{$…}}`` in arguments and Kubernetes replaces ``$(NAME)``, so ``$`` is written as
    JSON's escape for it.
    """
    return json.dumps(list(packages)).replace("$", "\\u0024")


def _cell(code: Code, role: str) -> dict[str, Any]:
    return {"source": code.source, "role": role}


def _output(output: Output) -> dict[str, Any]:
    described: dict[str, Any] = {"type": str(output.type)}
    if output.optional:
        described["optional"] = True
    if output.code:
        described["code"] = list(output.code)
    return described
