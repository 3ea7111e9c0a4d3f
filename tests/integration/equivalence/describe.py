"""A value as canonical text: two values are the same for a user when their descriptions are.

Types count (1 is not 1.0, a tuple is not a list, a numpy scalar is not an int), order counts where
Python keeps one (dicts, not sets), NaN equals NaN, and so does sharing: ``[x, x]`` differs from
``[x, copy(x)]``. Objects of any class are described by what pickle would keep of them.
"""

from __future__ import annotations

import enum
import hashlib
import inspect
import types
from collections.abc import Callable
from typing import Any

_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), range)
# Longer arrays are told apart by a hash, which keeps failures readable.
_ELEMENTS = 2000


def describe(value: object) -> str:
    """The canonical text of ``value``, one part per line."""
    return "\n".join(_Describer().lines(value))


class _Describer:
    """One description. Objects met again are ``@N``, the N-th met; ``kept`` keeps ids from being reused."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.kept: list[object] = []

    def lines(self, value: Any) -> list[str]:
        if type(value) in _ATOMS:
            return [f"{type(value).__name__} {value!r}"]
        if (special := _special(value)) is not None:
            return [special]
        if type(value) in (tuple, frozenset):
            return self._block(_name(type(value)), self._items(value))
        if id(value) in self.seen:
            return [f"@{self.seen[id(value)]}"]
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)
        head, body = self._parts(value)
        return self._block(head, body)

    @staticmethod
    def _block(head: str, body: list[list[str]]) -> list[str]:
        return [head, *("  " + line for part in body for line in part)]

    def _items(self, value: Any) -> list[list[str]]:
        parts = [self.lines(item) for item in value]
        return sorted(parts) if isinstance(value, set | frozenset) else parts

    def _pairs(self, pairs: Any) -> list[list[str]]:
        described = []
        for key, item in pairs:
            left, right = self.lines(key), self.lines(item)
            described.append([*left[:-1], f"{left[-1]}: {right[0]}", *right[1:]])
        return described

    def _parts(self, value: Any) -> tuple[str, list[list[str]]]:
        kind = type(value)
        head = _name(kind)
        if kind in (list, set):
            return head, self._items(value)
        if kind is dict:
            return head, self._pairs(value.items())
        if kind is bytearray:
            return f"{head} {bytes(value)!r}", []
        if kind is types.FunctionType:
            return f"function {value.__qualname__}", self._pairs(_function(value))
        module = kind.__module__.partition(".")[0]
        if module == "numpy":
            return self._numpy(value)
        if module == "pandas" and hasattr(value, "index"):
            return self._pandas_table(value)
        if module == "pandas" and hasattr(value, "to_list"):
            return self._pandas_index(value)
        return self._reduced(value)

    def _numpy(self, value: Any) -> tuple[str, list[list[str]]]:
        import numpy as np

        head = _name(type(value))
        if isinstance(value, np.generic):
            return f"{head} {value.item()!r} {value.dtype}", []
        if not isinstance(value, np.ndarray):
            return self._reduced(value)
        head += f" {value.dtype} {value.shape}"
        if value.dtype.hasobject or value.size <= _ELEMENTS:
            return head, [self.lines(value.tolist())]
        return f"{head} sha256 {_digest(np.ascontiguousarray(value).tobytes())}", []

    def _pandas_table(self, value: Any) -> tuple[str, list[list[str]]]:
        head = f"{_name(type(value))} {value.shape}"
        parts = [self.lines(value.index)]
        if hasattr(value, "columns"):
            parts.append(self.lines(value.columns))
            columns = [value.iloc[:, position] for position in range(value.shape[1])]
        else:
            parts.append(self.lines(value.name))
            columns = [value]
        parts += [[repr(column.dtype), *self.lines(column.to_list())] for column in columns]
        return head, [*parts, self.lines(dict(value.attrs))]

    def _pandas_index(self, value: Any) -> tuple[str, list[list[str]]]:
        names = list(getattr(value, "names", []))
        head = f"{_name(type(value))} {value.dtype!r} {getattr(value, 'freqstr', None)}"
        return head, [self.lines(names), self.lines(value.to_list())]

    def _reduced(self, value: Any) -> tuple[str, list[list[str]]]:
        """An object by what pickle keeps: how it is made, its state, its items."""
        try:
            reduced = value.__reduce_ex__(4)
        except (TypeError, AttributeError) as error:
            return f"{_name(type(value))} that cannot be pickled: {error}", []
        if isinstance(reduced, str):
            return f"{_name(type(value))} {reduced}", []
        make, arguments, state, items, pairs = (*reduced, None, None, None, None)[:5]
        # copyreg's helpers take the class first; the head says it already.
        arguments = [argument for argument in arguments if argument is not type(value)]
        body = [self.lines(argument) for argument in arguments]
        if isinstance(state, dict):
            # The address of an object, by which scikit-learn's vectorizers know it again.
            state = {key: part for key, part in state.items() if key != "_stop_words_id"}
        if state is not None:
            body.append(["state", *self.lines(state)])
        if items is not None:
            body += self._items(list(items))
        if pairs is not None:
            body += self._pairs(list(pairs))
        return f"{_name(type(value))} by {getattr(make, '__name__', make)}", body


def _special(value: object) -> str | None:
    """Values that stand for themselves by name."""
    if isinstance(value, enum.Enum):
        return f"{_name(type(value))}.{value.name}"
    if isinstance(value, type):
        return f"class {_name(value)}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, types.BuiltinFunctionType) and inspect.ismodule(value.__self__ or types):
        return f"builtin {value.__name__}"
    return None


def _name(kind: type) -> str:
    # Where a class of the notebook lives (__main__ or a copy of it) is not the user's concern.
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return module + kind.__qualname__


def _function(function: Callable[..., Any]) -> list[tuple[str, object]]:
    closure = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars
    cells = [(name, cell.cell_contents) for name, cell in zip(names, closure, strict=True)]
    return [
        ("signature", str(inspect.signature(function))),
        ("code", function.__code__.co_code),
        ("defaults", getattr(function, "__defaults__", None)),
        *cells,
    ]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
