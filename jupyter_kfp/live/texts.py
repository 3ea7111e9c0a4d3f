"""What cells with control flow say: why one was skipped, which iteration it is in."""

from __future__ import annotations

import ast
import datetime as dt
import enum
import numbers
import pathlib
import reprlib
from collections.abc import Mapping
from typing import Any

from jupyter_kfp.live.tree import Iteration, Loop
from jupyter_kfp.notebook.control import BranchFrame

# Their repr is short and costs nothing; that of a table or a model may take long, or compute something.
_PLAIN = (numbers.Number, pathlib.PurePath, dt.date, dt.time, dt.timedelta, enum.Enum)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 50
        self.maxlevel = 3
        self.maxdict = 6

    def repr_Fields(self, value: Mapping[str, Any], level: int) -> str:  # noqa: N802 - reprlib finds it by the class
        return self.repr_dict(dict(value), level)

    def repr_instance(self, value: object, level: int) -> str:
        if isinstance(value, (bool, bytes, type(None), *_PLAIN)):
            return str(super().repr_instance(value, level))
        return f"<{type(value).__name__}>"


_short = _Short()


def short(value: object) -> str:
    """A value on part of a line; of what is no plain value the type."""
    return _short.repr(value).replace("\n", " ")


def because(frame: BranchFrame, space: Mapping[str, Any]) -> str:
    """Why a test is false: its text, with the values of the names in it."""
    names = dict.fromkeys(
        node.id
        for node in ast.walk(ast.parse(f"({frame.test})", mode="eval"))
        if isinstance(node, ast.Name) and node.id in space and not callable(space[node.id])
    )
    values = ", ".join(f"{name} = {short(space[name])}" for name in names)
    return f"{frame.test} is false" + (f" ({values})" if values else "")


def place(loop: Loop, iteration: Iteration) -> str:
    """An iteration, as its heading and its errors name it: ``lr = 0.1 (2 of 5)``."""
    return f"{loop.frame.item} = {short(iteration.item)} ({iteration.number} of {len(loop.iterations)})"
