"""cloudpickle, with the notebook's code as the notebook has it.

Functions and classes that consumers carry as source are pickled by reference. Other functions travel
by value, and read the consumer's namespace, as they would read the notebook's; what they read there
travels along for names the consumer does not have.
"""

from __future__ import annotations

import copyreg
import logging
import os
import pickle
from collections.abc import Collection, Mapping
from functools import reduce
from io import BytesIO
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

from .fingerprint import is_array

log = logging.getLogger("jupyter_kfp")

_PACKED = "jupyter_kfp_runtime"  # this package, in a step


def allowed() -> None:
    """Raise TypeError where pickling is switched off."""
    if os.environ.get("JUPYTER_KFP_NO_PICKLE") == "1":
        raise TypeError("only a pickle would do, and JUPYTER_KFP_NO_PICKLE is set")


def _find(space: Mapping[str, Any], path: str) -> Any:
    """What ``Outer.Inner`` is in ``space``; None if it is not there."""
    root, *rest = path.split(".")
    return reduce(lambda value, name: getattr(value, name, None), rest, space.get(root))


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: BytesIO, code: Collection[str], space: Mapping[str, Any], views: bool) -> None:
        super().__init__(file)
        self.views = views
        self.code, self.space = code, space
        self.names = {id(space[name]): name for name in code if name in space}
        # cloudpickle makes a function from this stand-in for the dict of its globals; it must not be empty.
        self.globals = self.globals_ref[id(space)] = {"": None}
        self.captured: dict[str, Any] = {}

    def persistent_id(self, item: Any) -> str | None:
        if item is self.globals:
            return ""
        if id(item) in self.names:
            return self.names[id(item)]
        if isinstance(item, (type, FunctionType)) and item.__module__ == "__main__":
            path = item.__qualname__
            if path.partition(".")[0] in self.code and _find(self.space, path) is item:
                return path
        return None

    def reducer_override(self, item: Any) -> Any:
        kind: Any = type(item)
        if (
            isinstance(item, BaseException)
            and isinstance(kind.__init__, FunctionType)
            and kind.__reduce__ is BaseException.__reduce__
        ):
            # Not Python's way, which calls __init__ with what __init__ made of its arguments.
            return copyreg.__newobj__, (kind, *item.args), vars(item) or None  # type: ignore[attr-defined]
        if self.views and is_array(item) and is_array(item.base) and item.base.flags.c_contiguous:
            # numpy pickles a view as a copy; here it must stay a view of what travels along.
            start = item.__array_interface__["data"][0] - item.base.__array_interface__["data"][0]
            if not item.dtype.hasobject:
                return kind, (item.shape, item.dtype, item.base, start, item.strides)
        reduced = super().reducer_override(item)
        if isinstance(item, FunctionType) and item.__globals__ is self.space and isinstance(reduced, tuple):
            taken = reduced[2][1].get("__globals__", {})
            for name, value in taken.items():
                if not callable(value) and not isinstance(value, ModuleType):
                    log.warning("%s() takes along a copy of %s as it is now", item.__qualname__, name)
            self.captured |= {name: value for name, value in taken.items() if name not in self.code}
            reduced[2][1]["__globals__"] = {}
        return reduced


def dumps(
    value: object,
    code: Collection[str] = (),
    space: Mapping[str, Any] | None = None,
    views: bool = False,
) -> bytes:
    """Pickle ``value``, which may refer to what ``space`` binds to the names in ``code``.

    With ``views``, an array that is a view of another stays one.

    Raises:
        TypeError: pickling is switched off by ``JUPYTER_KFP_NO_PICKLE=1``.
    """
    allowed()
    file = BytesIO()
    pickler = _Pickler(file, code, {} if space is None else space, views)
    pickler.dump(value)
    done: set[str] = set()
    while more := {name: v for name, v in pickler.captured.items() if name not in done}:
        done |= set(more)
        pickler.dump(more)
    pickler.dump({})
    return file.getvalue()


def loads(data: bytes, space: dict[str, Any] | None = None) -> Any:
    """Unpickle; functions read ``space``. Raises KeyError for a name it does not have."""
    known = {} if space is None else space

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, path: Any) -> Any:
            if not path:
                return known
            if path.partition(".")[0] not in known:
                raise KeyError(path)
            return _find(known, path)

        def find_class(self, module: str, name: str) -> Any:
            # What steps pickled of this package (items of loops) has the name it has in them.
            own = (
                f"{__package__}{module.removeprefix(_PACKED)}" if module.startswith(_PACKED + ".") else module
            )
            return super().find_class(own, name)

    unpickler = Unpickler(BytesIO(data))
    value = unpickler.load()
    while captured := unpickler.load():
        for name, item in captured.items():
            known.setdefault(name, item)
    return value
