"""Which outputs share what can be changed: they must travel together to stay one in the consumer."""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from .fingerprint import is_array, kinds

_CLOSED = (type, ModuleType, FunctionType, CodeType, FrameType, str, bytes, int, float, type(None))
_TABLES = {"pandas.NDFrame", "pandas.Index", "polars.DataFrame", "polars.Series", "pyarrow.Table"}
_CELLS = 100_000  # a larger table is not searched for lists in its cells
_OWN = {"__main__", "builtins", "collections"}


def parts(value: object, named: Collection[int]) -> set[int]:
    """The ids of the changeable objects that ``value`` is made of, itself included.

    Tables are one piece (their blocks are copied on write). What a library's object keeps inside is
    its own affair (the data a model was fitted on, the fonts of a figure), but for estimators, the
    notebook's own objects, and objects the notebook has a name for (``named``, their ids).
    """
    found: set[int] = set()
    seen: dict[int, object] = {}
    stack: list[tuple[Any, bool]] = [(value, False)]
    while stack:
        item, inside = stack.pop()
        if isinstance(item, type) and item.__module__ == "__main__" and "<locals>" in item.__qualname__:
            found.add(id(item))  # such a class travels by value, and its objects must stay its objects
        if id(item) in seen or isinstance(item, _CLOSED):
            continue
        seen[id(item)] = item
        classes = kinds(item)
        module = type(item).__module__.partition(".")[0]
        table = bool(classes & _TABLES)
        if inside and (table or is_array(item)):
            continue
        # A class with a hash of its own compares by value: it is not meant to be changed.
        own_hash: Any = type(item).__hash__
        mine = not inside or module == "__main__" or "sklearn.BaseEstimator" in classes or id(item) in named
        if mine and own_hash in (None, object.__hash__) and "logging.Logger" not in classes:
            found.add(id(item))
        if is_array(item):
            stack += [(x, inside) for x in (item.base, item.tolist() if item.dtype.hasobject else None)]
        if "pandas.DataFrame" in classes and item.size <= _CELLS:
            stack += [(cell, inside) for column in item.select_dtypes("object") for cell in item[column]]
        if not table:
            stack += [(x, inside or module not in _OWN) for x in gc.get_referents(item)]
    return found


def groups(values: Mapping[str, object]) -> list[list[str]]:
    """The names of ``values`` in groups that share something, in order; most groups are one name."""
    result: list[tuple[list[str], set[int]]] = []
    named = set(map(id, values.values()))
    for name, value in values.items():
        names, ids = [name], parts(value, named)
        apart = []
        for other in result:
            if ids & other[1]:
                names, ids = other[0] + names, ids | other[1]
            else:
                apart.append(other)
        result = [*apart, (names, ids)]
    return [sorted(names, key=list(values).index) for names, _ in result]
