"""What the injected cells call inside the kernel: bind the inputs, check and write the outputs.

The job is a JSON file (named by ``JUPYTER_KFP_JOB``) with the step and KFP's executor input;
:func:`save` leaves KFP's executor output beside it. Nothing stays in the notebook's namespace.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import artifacts, serializers
from .artifacts import local_path
from .fingerprint import fingerprint
from .items import item
from .parameters import check, plain
from .sharing import groups
from .status import final_status

log = logging.getLogger("jupyter_kfp")
FILE = Path(os.environ.get("JUPYTER_KFP_JOB", "."))
STEP: dict[str, Any] = {}
INPUT: dict[str, Any] = {}
PARAMETERS: dict[str, Any] = {}
SPACE = sys.modules["__main__"].__dict__
NOTHING: dict[str, Any] = {"metadata": {}}
_loaded: dict[str, Any] = {}
# The inputs as they came: each value (weakly, where it can be) with its name and artifact.
_origins: list[tuple[Callable[[], Any], str, Any]] = []
_before: dict[str, str] = {}
_sharing: dict[str, list[Any]] = {}  # guarded names: the inputs that share data with them
_NOTES = {
    "cloudpickle": "as a pickle: the steps that read it need the same versions of its packages",
    "joblib": "as a pickle by joblib: the steps that read it need the same versions of its packages",
    "bundle": "as a pickle, in one piece with the outputs it shares data with",
    "polars-lazy": "as the rows it stands for: it was collected",
}


class StepError(Exception):
    """A value cannot enter or leave the step as declared."""


def load(early: bool) -> None:
    """Bind the inputs the preamble reads (``early``), or all others; then remember what is guarded.

    papermill has injected the parameters already; the preamble may have bound one of their names anew
    (``from math import *``), as code above the step that made the value.
    """
    if not STEP:
        _start()
    picks = STEP.get("picks", {})
    first = {*STEP.get("early", ()), *(picks[n] for n in STEP.get("early", ()) if n in picks)}
    found = {name: _all("inputs", name) for name in STEP.get("inputs", {})}
    many = {name for name in found if STEP["inputs"][name][:5] == "list["}
    bound = {n: a for n, a in found.items() if n in many or (a and not a[0]["metadata"].get("unbound"))}
    for name in sorted(
        bound, key=lambda n: all(a["metadata"].get("serializer") != "bundle" for a in bound[n])
    ):
        if (name in first) == early:
            values = [_load(name, artifact) for artifact in bound[name]]
            SPACE[name] = values if name in many else values[0]
    SPACE.update({n: v for n, v in PARAMETERS.items() if (n in first) == early})
    for name, values in picks.items():
        if (name in first) == early:
            SPACE[name] = item(SPACE.pop(values)[SPACE[name]])
    if not early:
        if "status" in STEP:
            SPACE["status"] = final_status(INPUT["inputs"]["parameterValues"].get("status"))
        _loaded.clear()
        _before.update(_guarded())


def _start() -> None:
    job = json.loads(FILE.read_text("utf-8"))
    STEP.update(job["step"])
    INPUT.update(job["input"])
    PARAMETERS.update(job["parameters"])
    PARAMETERS.update({name: item(json.loads(PARAMETERS[name])) for name in STEP.get("json", ())})
    source = os.environ.get("JUPYTER_KFP_SOURCE_DIR")
    if source:
        sys.path.insert(1, source)  # after the working directory
    if not importlib.util.find_spec("jupyter_kfp"):
        sys.modules["jupyter_kfp"] = artifacts


def _all(side: str, name: str) -> list[Any]:
    port = STEP.get("ports", {}).get(name, name)
    found = INPUT.get(side, {}).get("artifacts", {}).get(port, {})
    return [NOTHING | artifact for artifact in found.get("artifacts", ())]


def _artifact(side: str, name: str) -> Any:
    return next(iter(_all(side, name)), None)


def _read(name: str, artifact: Any, **more: str) -> Any:
    kind = STEP["inputs"][name].removeprefix("list[").rstrip("]")
    metadata = {"python_type": "." + kind, **artifact["metadata"], **more}
    value = serializers.load(Path(local_path(artifact["uri"])), metadata, SPACE, artifact["uri"])
    if "serializer" not in metadata:  # from a component that is not ours
        value.name = artifact.get("name", value.name)
    return value


def _load(name: str, artifact: Any) -> Any:
    """The value of an input. Inputs that were one object, or share some, become so again."""
    metadata = artifact["metadata"]
    if metadata.get("unbound"):
        raise StepError(f"Not every iteration bound what {name!r} collects. Bind it on every path.")
    token, shared = identity(artifact), metadata.get("object", artifact["uri"])
    try:
        if shared not in _loaded and token not in _loaded:
            _loaded[shared] = _read(name, artifact, shares="")
    except Exception as error:  # noqa: BLE001 - each library fails in its own way; the report is one
        kind, how = metadata.get("python_type"), metadata.get("serializer")
        raise StepError(
            f"Step {STEP['step']!r} cannot load its input {name!r} ({kind}, {how}): {type(error).__name__}: {error}. "
            "It needs the packages, functions and classes that the step which made it had."
        ) from None
    if token != shared:
        _loaded.setdefault(token, _loaded[shared][token.rpartition("/")[2]])
    value = _loaded[token]
    for other in metadata.get("shares", "").split(",")[1:]:
        if other in STEP.get("guard", {}):
            _sharing.setdefault(other, []).append(value)
    try:
        _origins.append((weakref.ref(value), name, artifact))
    except TypeError:
        _origins.append((lambda: value, name, artifact))
    return value


def _guarded() -> dict[str, str]:
    """The fingerprint of each name that must not change, with the inputs that share data with it."""
    return {n: fingerprint([SPACE.get(n, FILE), _sharing.get(n)]) for n in STEP.get("guard", {})}


def _check_guard() -> None:
    step = STEP["step"]
    for name, now in _guarded().items():
        if now != _before[name]:
            source = STEP["guard"][name]
            origin = f"as step {source!r} left it" if source else "as it was before"
            raise StepError(
                f"Step {step!r} changed {name!r}, which later steps read {origin}. "
                f"Assign it in this step, or add `#| outputs: {name}` to it."
            )


def save() -> None:
    """Check the guard, write every output, and leave KFP's executor output as ``result.json``.

    Raises:
        StepError: a guarded value changed; an output is missing, of the wrong type, or cannot travel.
    """
    _check_guard()
    step = STEP["step"]
    values, parameters = {}, {}
    result: dict[str, Any] = {}
    for name, spec in STEP.get("outputs", {}).items():
        port = STEP.get("ports", {}).get(name, name)
        target = _artifact("outputs", name)
        if name not in SPACE:
            if not spec.get("optional"):
                raise StepError(
                    f"Step {step!r} ended without its output {name!r}: it was never assigned, or deleted."
                )
            if target:
                _put(port, target, {"unbound": 1}, result)
        elif target:
            values[name] = SPACE[name]
        else:
            try:
                parameters[port] = check(SPACE[name], spec["type"])
            except TypeError as error:
                raise StepError(
                    f"Output {name!r} of step {step!r} is declared {spec['type']}, but {error}. "
                    f"Annotate what it is, or `{name}: Artifact` to let it travel as a file."
                ) from None
    plain_values = {
        n: SPACE[n] for n, s in STEP.get("outputs", {}).items() if s["type"][:4] in ("list", "dict")
    }
    for names in groups(values | plain_values):
        if len(names) > 1 and plain_values.keys() & set(names):
            raise StepError(
                f"Outputs {' and '.join(names)} of step {step!r} share data, which parameters cannot. "
                "Annotate them as `Artifact`, or make a copy."
            )
        if names[0] in values:
            _save_group(names, values, result)
    if metrics := _artifact("outputs", "step_metrics"):
        logged = {n: SPACE[n] for n in STEP.get("metrics", ()) if n in SPACE}
        _put("step_metrics", metrics, dict(_numbers(logged)), result)
    output = {"parameterValues": parameters, "artifacts": result}
    FILE.with_name("result.json").write_text(json.dumps(output), "utf-8")


def _put(port: str, artifact: Any, metadata: dict[str, Any], result: dict[str, Any]) -> None:
    """Add an artifact to the executor output; its file exists in any case."""
    path = Path(local_path(artifact["uri"]))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    result[port] = {
        "artifacts": [{"name": artifact.get("name", port), "uri": artifact["uri"], "metadata": metadata}]
    }


def _save_group(names: list[str], values: dict[str, Any], result: dict[str, Any]) -> None:
    """Save outputs that share something: one object as it is, several as the same bundle of all."""
    code = sorted({c for name in names for c in STEP["outputs"][name].get("code", ())})
    bundle = {n: values[n] for n in names} if len({id(values[n]) for n in names}) > 1 else None
    for name in names:
        artifact, value = _artifact("outputs", name), values[name]
        path = Path(local_path(artifact["uri"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            metadata = serializers.save(value, path, code, SPACE, bundle)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - as in loading
            kind = type(value)
            raise StepError(
                f"{name!r} ({kind.__module__}.{kind.__qualname__}) cannot leave step {STEP['step']!r}: {error}. "
                "Make or import it in the step that uses it."
            ) from None
        if note := _NOTES.get(metadata["serializer"]):
            log.warning("%s (%s) travels %s", name, metadata["python_type"], note)
        token = _origin(names, value, metadata) if bundle is None else ""
        if len(names) > 1:
            token = token or f"{artifact['uri'].rpartition('/')[0]}#{names[0]}"
            metadata["shares"] = ",".join([name, *(n for n in names if n != name)])
        if token:
            metadata["object"] = token
        if STEP["outputs"][name]["type"] == "Metrics" and isinstance(value, dict):
            metadata = {**_numbers(value), **metadata}
        _put(STEP.get("ports", {}).get(name, name), artifact, metadata, result)


def _origin(names: list[str], value: Any, metadata: dict[str, Any]) -> str:
    """The token of the input that ``value`` still is, unchanged; empty for anything else."""
    for get, name, artifact in _origins:
        if get() is value:
            given = artifact["metadata"]
            if given.get("sha256") == metadata["sha256"] or (
                name not in names and fingerprint(_read(name, artifact)) == fingerprint(value)
            ):
                return identity(artifact)
    return ""


def identity(artifact: Any) -> str:
    """What tells the object in ``artifact`` from all others: a bundle holds one per name."""
    given = artifact["metadata"]
    token: str = given.get("object", artifact["uri"])
    return f"{token}/{given['shares'].partition(',')[0]}" if given.get("serializer") == "bundle" else token


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """The finite numbers among ``values``: KFP's metrics. The others are named in a warning."""
    numbers = {}
    for name, value in values.items():
        number = plain(value)
        if type(number) in (int, float) and math.isfinite(number):
            numbers[name] = number
        else:
            log.warning("metric %s is skipped: %.40r is not a finite number", name, value)
    return numbers
