"""The registry: which serializer takes a value, and the artifact it makes of it.

The first one that matches and gives back an equal value is taken: the user's own (entry points in
the group ``jupyter_kfp.serializers``), then formats other tools read too, cloudpickle last.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from . import artifacts, pickling
from .files import copy, digest, remove, size
from .fingerprint import kinds
from .formats import FORMATS, Format, lib

log = logging.getLogger("jupyter_kfp")
RESERVED = {"python_type", "serializer", "sha256", "object", "shares", "unbound"}


@cache
def _registry() -> list[Format]:
    return [_adapted(entry.load()) for entry in entry_points(group="jupyter_kfp.serializers")] + FORMATS


def _adapted(found: Any) -> Format:
    own = found() if isinstance(found, type) else found
    return Format(own.name, own.matches, own.save, lambda p, _: own.load(p))


def _write(value: Any, path: Path, code: Collection[str], space: Mapping[str, Any] | None) -> dict[str, Any]:
    """Write ``value`` at ``path`` by the first serializer that can. Its name, with the metadata it adds."""
    if hasattr(value, "schema_title") and isinstance(getattr(value, "metadata", None), dict):
        return _write_artifact(value, path)
    if isinstance(value, io.IOBase):
        raise TypeError("it belongs to this process")
    for serializer in _registry():
        if serializer.matches(value):
            try:
                extra = serializer.save(value, path)
            except Exception as error:
                # Each library refuses in its own way, and the next format is tried; but a full disk
                # stays full, and the user's own serializer is not passed over in silence.
                if isinstance(error, OSError) or serializer not in FORMATS:
                    raise
                remove(path)
            else:
                return {"serializer": serializer.name, **(extra if isinstance(extra, dict) else {})}
    path.write_bytes(pickling.dumps(value, code, space))
    return {"serializer": "cloudpickle"}


def _write_artifact(value: Any, path: Path) -> dict[str, Any]:
    copy(Path(value.path) if value.uri else path, path)
    # Strict JSON has no NaN and no infinity, and KFP's launcher refuses them: they become texts.
    plain = json.dumps(value.metadata, default=lambda v: getattr(v, "tolist", v.__str__)())
    return {**json.loads(plain, parse_constant=str), "serializer": "artifact"}


def save(
    value: Any,
    path: Path,
    code: Collection[str] = (),
    space: Mapping[str, Any] | None = None,
    bundle: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write ``value`` at ``path``, whole or not at all.

    Args:
        value: Any value.
        path: A file or directory, replaced if it exists.
        code: Names of ``space`` that the consumer has too: values refer to them by name.
        space: The notebook's namespace.
        bundle: If given, all that shares something with ``value``, by name: it is written instead.

    Returns:
        The artifact's metadata: python_type, serializer, sha256, size in bytes, for tables rows and
        schema (JSON text of column to type).

    Raises:
        Exception: no serializer takes the value, with the last one's reason.
    """
    temporary = path.with_name(path.name + ".part")
    remove(temporary)
    try:
        if bundle:
            temporary.write_bytes(pickling.dumps(bundle, code, space, views=True))
            metadata: dict[str, Any] = {"serializer": "bundle"}
        else:
            metadata = _write(value, temporary, code, space)
        if temporary.is_dir() or path.is_dir():
            remove(path)
        temporary.replace(path)
    finally:
        remove(temporary)
    kind = type(value)
    metadata |= {"python_type": f"{kind.__module__}.{kind.__qualname__}", "sha256": digest(path)}
    if metadata["serializer"] != "artifact":  # its metadata is the user's: a metric may be called "size"
        metadata["size"] = size(path)
    if kinds(value) & {"pandas.DataFrame", "polars.DataFrame"}:
        schema = zip(value.columns, value.dtypes)  # noqa: B905 - equally long
    elif metadata["serializer"].startswith("arrow"):
        schema = zip(value.schema.names, value.schema.types)  # noqa: B905 - equally long
    else:
        return metadata
    return metadata | {"rows": len(value), "schema": json.dumps({str(name): str(t) for name, t in schema})}


def load(path: Path, metadata: Mapping[str, Any], space: dict[str, Any] | None = None, uri: str = "") -> Any:
    """The value that :func:`save` wrote at ``path``.

    Args:
        path: The local file or directory, which may be read-only.
        metadata: The artifact's metadata. Without a serializer (the file comes from elsewhere) the
            result is an artifact object: a ``path`` to read. Without ``shares`` a bundle comes whole.
        space: The namespace in which values find the notebook's own functions and classes.
        uri: The artifact's uri, for an artifact object.

    Raises:
        Exception: the serializer's library is not installed, or the content is damaged.
    """
    name = metadata.get("serializer", "artifact")
    if name == "artifact":
        return _read_artifact(path, metadata, uri)
    if name in ("cloudpickle", "bundle"):
        value = pickling.loads(path.read_bytes(), space)
        own = metadata.get("shares", "").partition(",")[0]
        return value[own] if name == "bundle" and own else value
    for serializer in _registry():
        if serializer.name == name:
            return serializer.load(path, dict(metadata))
    raise LookupError(f"no serializer {name!r} is installed")


def _read_artifact(path: Path, metadata: Mapping[str, Any], uri: str) -> Any:
    module, _, name = metadata.get("python_type", "").rpartition(".")
    home = module if module.startswith("kfp.") else "jupyter_kfp"
    kind: Any = getattr(lib(home), name, None) or getattr(artifacts, name, artifacts.Artifact)
    own = {k: v for k, v in metadata.items() if k not in RESERVED}
    return kind(name=path.name, uri=uri or str(path), metadata=own)
