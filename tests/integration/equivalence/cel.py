"""Trigger policies: exactly the CEL that kfp's compiler writes for conditions, and no more.

``kfp/compiler/pipeline_spec_builder.py`` makes them of comparisons of inputs and literals, each perhaps
negated, joined by ``&&``. A comparison of different types is an error here, as CEL would have it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<input>inputs\.parameter_values\['(?P<name>[^']*)'\])
      | (?P<text>'(?:[^'\\\n]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)
      | (?P<word>true|false)
      | (?P<cast>int|double)(?=\()
      | (?P<mark>&&|==|!=|<=|>=|<|>|!|\(|\))
    )\s*""",
    re.VERBOSE,
)
_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def holds(condition: str, inputs: Mapping[str, Any]) -> bool:
    """Whether ``condition`` is true of ``inputs``. Raises ValueError for what kfp does not write."""
    tokens = []
    position = 0
    while position < len(condition):
        match = _TOKEN.match(condition, position)
        if match is None:
            raise ValueError(f"not a condition of kfp's at {position}: {condition}")
        tokens.append(match)
        position = match.end()
    reader = _Reader(tokens, inputs)
    verdict = reader.all()
    if reader.left:
        raise ValueError(f"more than a condition: {condition}")
    return verdict


class _Reader:
    """Recursive descent over the tokens; every part is evaluated, for none has an effect."""

    def __init__(self, tokens: list[re.Match[str]], inputs: Mapping[str, Any]) -> None:
        self.left = tokens
        self._inputs = inputs

    def all(self) -> bool:
        verdict = self._one()
        while self._takes("&&"):
            verdict &= self._one()
        return verdict

    def _one(self) -> bool:
        if self._takes("!"):
            self._need("(")
            verdict = not self.all()
            self._need(")")
            return verdict
        left = self._operand()
        compare = _OPERATORS[self.left.pop(0)["mark"]]
        right = self._operand()
        if {type(left), type(right)} not in ({int, float}, {int}, {float}, {str}, {bool}):
            raise ValueError(f"CEL does not compare {left!r} with {right!r}")
        return bool(compare(left, right))

    def _operand(self) -> Any:
        token = self.left.pop(0)
        if token["input"]:
            return self._inputs[token["name"]]
        if token["text"]:
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), token["text"][1:-1])
        if token["number"]:
            return float(token["number"]) if set(token["number"]) & set(".e") else int(token["number"])
        if token["word"]:
            return token["word"] == "true"
        if token["cast"]:
            self._need("(")
            value = self._operand()
            self._need(")")
            return int(value) if token["cast"] == "int" else float(value)
        raise ValueError(f"not an operand: {token[0]!r}")

    def _takes(self, mark: str) -> bool:
        if self.left and self.left[0]["mark"] == mark:
            self.left.pop(0)
            return True
        return False

    def _need(self, mark: str) -> None:
        if not self._takes(mark):
            raise ValueError(f"{mark} is missing")
