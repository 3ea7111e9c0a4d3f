"""A notebook that runs whole in a kernel of its own, maybe not Python's: its values come and go as files.

For every artifact it reads and every output it makes the notebook has a parameter ``NAME_path``. Output
parameters are files, too: the text of a ``str``, the JSON of anything else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .artifacts import local_path
from .parameters import check, coerce


def _artifact(step: dict[str, Any], given: dict[str, Any], side: str, name: str) -> Any:
    port = step.get("ports", {}).get(name, name)
    return given[side].get("artifacts", {}).get(port, {}).get("artifacts", [None])[0]


def paths(step: dict[str, Any], given: dict[str, Any], home: Path) -> dict[str, str]:
    """The additional parameters of the notebook; the directories of its outputs are made."""
    found = {}
    for side in ("inputs", "outputs"):
        for name in step.get(side, {}):
            artifact = _artifact(step, given, side, name)
            path = Path(local_path(artifact["uri"])) if artifact else home / "values" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            found[f"{name}_path"] = str(path)
    return found


def outputs(step: dict[str, Any], given: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """KFP's executor output. Raises ValueError for an output that was not written, or not as declared."""
    values, artifacts = {}, {}
    for name, spec in step.get("outputs", {}).items():
        port = step.get("ports", {}).get(name, name)
        path = Path(places[f"{name}_path"])
        if not path.exists():
            raise ValueError(f"The notebook did not write its output {name!r} to {name}_path.")
        if artifact := _artifact(step, given, "outputs", name):
            artifacts[port] = {"artifacts": [artifact | {"metadata": {}}]}
            continue
        text, kind = path.read_text("utf-8").removesuffix("\n"), spec["type"]
        try:
            value = text if kind == "str" else json.loads(text.lower() if kind == "bool" else text)
            values[port] = check(coerce(value, kind), kind)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Output {name!r} is declared {kind}, but {name}_path has {text!r:.40} ({error})."
            ) from None
    return {"parameterValues": values, "artifacts": artifacts}
