"""Where a task's outputs come from: its code, and what was installed where it ran. None of it is in a cache key."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kfp.engine.installed import installed_in
from jupyter_kfp.engine.plan import Container

if TYPE_CHECKING:  # it brings the options, and they pydantic: 0.2 s that no run needs
    from jupyter_kfp.pipeline import Json


def code_of(executor: object, step: Mapping[str, Any] | None, cells: Sequence[int]) -> dict[str, Json]:
    """What tells a task's code from another.

    Args:
        executor: the task's.
        step: of a step of a notebook, what `runtime.payload.pack` packed.
        cells: the 0-based cells of the notebook that its pieces come from (``Component.cells``).

    Returns:
        ``code``: SHA-256 of the pieces in order, the preamble's included, or of another container's image, command and
        arguments; ``cells``: of a notebook step's own cells each ``{"cell": 0-based index, "sha256": of its code}``.
    """
    if step is not None:
        pieces = step.get("cells", ())
        own: list[Json] = [
            {"cell": cell, "sha256": _sha256(piece["source"])}
            for cell, piece in zip(cells, pieces, strict=False)
            if piece["role"] == "step"
        ]
        return {"code": _sha256([piece["source"] for piece in pieces]), **({"cells": own} if own else {})}
    if isinstance(executor, Container):
        return {"code": _sha256([executor.image, *executor.command, *executor.args])}
    return {}


def image_of(image: str) -> dict[str, Json]:
    """An image as the pipeline names it; its digest is known before it is fetched only where the name pins it."""
    digest = image.partition("@")[2]
    return {"image": image, **({"image_digest": digest} if digest else {})}


@cache
def environment(directory: Path | None = None) -> dict[str, Json]:
    """The Python that runs steps here, and all that is installed for it: ``distributions`` has versions by name.

    ``directory`` is that of an environment made for a step (see `environments`), which comes before the user's own.
    Read from the names of directories, which takes some milliseconds for hundreds of them.
    """
    places = [Path(place) for place in sys.path if place]
    if directory is not None:
        places = [*directory.glob("lib/python*/site-packages"), *directory.glob("Lib/site-packages"), *places]
    found: dict[str, str] = {}
    for place in places:
        for name, version in _installed(place):
            found.setdefault(name, version)
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "distributions": dict(sorted(found.items())),
    }


def _installed(place: Path) -> Iterator[tuple[str, str]]:
    for entry in installed_in(place):
        name, _, version = entry.stem.partition("-")
        if not version:  # an .egg-info of a source tree: its metadata has the version
            version = metadata.Distribution.at(entry).version or ""
        yield name.lower().replace("_", "-").replace(".", "-"), version.partition("-py")[0]


def environment_hash(content: Mapping[str, Json]) -> str:
    """The name under which the store keeps an environment, once."""
    return _sha256(content)


def _sha256(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
