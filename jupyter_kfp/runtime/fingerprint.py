"""The content of a value as a digest: equal content, equal digest, whatever reading has cached in it.

Pickles do not serve here: they differ with interning, memo order, block layout of DataFrames and
cached properties, so plain reading would look like a change.
"""

from __future__ import annotations

import marshal
from functools import cached_property
from hashlib import sha256
from types import FunctionType, ModuleType
from typing import Any

_SCALARS = {type(None), bool, int, float, complex, str, bytes}


def kinds(value: object) -> set[str]:
    """``{"pandas.DataFrame", "pandas.NDFrame", ...}``: each class of ``value``, by top package and name."""
    return {f"{c.__module__.partition('.')[0]}.{c.__qualname__}" for c in type(value).__mro__}


def fingerprint(value: object) -> str:
    """A hex digest of the type, content and inner sharing of ``value``. Never raises for odd objects.

    Objects that cannot be taken apart (locks, generators, open files, figures) count by their type
    only, so they never raise a false alarm.
    """
    digest = sha256()
    # Each object by id, kept alive: temporaries must not hand their id to the next one.
    seen: dict[int, tuple[int, object]] = {}
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        parts: list[Any] = []
        if kind in _SCALARS:
            token = marshal.dumps(item, 0)
        elif id(item) in seen:
            token = b"%d" % seen[id(item)][0]
        else:
            seen[id(item)] = len(seen), item
            try:
                token, parts = _content(item)
            except Exception:  # noqa: BLE001 - any object may refuse in its own way; then its type is all we compare
                token = b"?"
        digest.update(f"{kind.__module__}.{kind.__qualname__} {len(token)} {len(parts)} ".encode() + token)
        stack += parts[::-1]
    return digest.hexdigest()


def _content(item: Any) -> tuple[bytes, list[Any]]:
    """What ``item`` holds: its own bytes, and the parts still to be looked at."""
    kind, classes = type(item), kinds(item)
    if kind in (list, tuple):
        # Version 0 of marshal writes no references and no interning: content only, at C speed.
        return (marshal.dumps(item, 0), []) if set(map(type, item)) <= _SCALARS else (b"", list(item))
    if kind is dict:
        return b"", [list(item), list(item.values())]
    if kind in (set, frozenset):
        return "".join(sorted(map(fingerprint, item))).encode(), []
    if is_array(item) or "numpy.generic" in classes:
        head = [str(item.dtype), item.shape]
        return (b"", [*head, item.tolist()]) if item.dtype.hasobject else (item.tobytes(), head)
    if kind is ModuleType or any(c.startswith("matplotlib.") for c in classes):
        return b"", []  # drawing a figure changes it all over
    parts = _table(item, classes) or _code(item)
    return b"", _reduced(item) if parts is None else parts


def is_array(item: object) -> bool:
    """Whether ``item`` is a NumPy array, and not of a subclass with rules of its own."""
    return f"{type(item).__module__}.{type(item).__name__}" == "numpy.ndarray"


def _table(item: Any, classes: set[str]) -> list[Any] | None:
    """The parts of a pandas object, by value: buffers and chunks may change by reading or loading."""
    if "pandas.DataFrame" in classes:
        return [item.columns, item.index, item.attrs, [item.iloc[:, i].array for i in range(item.shape[1])]]
    if "pandas.Series" in classes:
        return [item.name, item.index, item.attrs, item.array]
    if "pandas.Index" in classes:
        levels = [item.get_level_values(i).array for i in range(item.nlevels)]
        return [str(getattr(item, "freq", "")), list(item.names), levels]
    if "pandas.ExtensionArray" not in classes:
        return None
    if "pandas.Categorical" in classes:
        return [item.codes, item.categories, item.ordered]
    plain = hasattr(item, "_ndarray") and not hasattr(item, "_mask")
    # The private array, for to_numpy() turns dates into objects.
    return [str(item.dtype), item._ndarray] if plain else [repr((item.dtype, list(item)))]  # noqa: SLF001


def _code(item: Any) -> list[Any] | None:
    """The parts of a class or function of the notebook; of any other, its name."""
    if not isinstance(item, (type, FunctionType)):
        return None
    if item.__module__ != "__main__":
        return [item.__qualname__]
    if isinstance(item, type):
        return [{k: v for k, v in vars(item).items() if k[:2] != "__" and k[:4] != "_abc"}]
    code = item.__code__
    cells = [cell.cell_contents for cell in item.__closure__ or ()]
    consts = [code.co_code, code.co_names, repr(code.co_consts)]
    return [*consts, item.__defaults__, item.__kwdefaults__, vars(item), cells]


def _reduced(item: Any) -> list[Any]:
    """The parts an object would be pickled as."""
    if hasattr(type(item), "get_tree_stats"):
        return list(
            item.get_arrays()
        )  # a neighbours tree of scikit-learn: each query counts itself in the rest
    reduced = item.__reduce_ex__(4)
    if isinstance(reduced, str):
        return [reduced]
    make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    if isinstance(state, dict):
        # What only remembers an answer is no content: cached properties, flags of sparse matrices, the
        # address of the stop words that a vectorizer of scikit-learn has checked.
        state = {
            k: v
            for k, v in state.items()
            if not (
                str(k)[:5] == "_has_"
                or k == "_stop_words_id"
                or isinstance(getattr(type(item), str(k), 0), cached_property)
            )
        }
    return [make, arguments, state, list(items or ()), list(pairs or ())]
