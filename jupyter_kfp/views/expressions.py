"""The headlines of loops and branches: KFP's expressions, as a person would write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_INPUT = re.compile(r"inputs\.parameter_values\[(?P<quote>['\"])(?P<name>.*?)(?P=quote)\]")
# KFP wraps a number's reference in a cast; the reader of a picture does not need it.
_CAST = re.compile(r"\b(?:int|double|float|bool|string)\((\x00\d+\x00)\)")
_FIELD = re.compile(r"""parseJson\(string_value\)\[(['"])(.*?)\1\]$""")
_STRINGS = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_LONGEST = 60


def referenced(condition: str) -> list[str]:
    """The names of the inputs that ``condition`` reads, each once, in order."""
    return list(dict.fromkeys(match["name"] for match in _INPUT.finditer(condition)))


def readable(condition: str, names: Mapping[str, str]) -> str:
    """``condition`` (CEL) with inputs under their ``names`` and Python's words for the operators."""
    found: list[str] = []

    def mark(match: re.Match[str]) -> str:
        found.append(names.get(match["name"], bare(match["name"])))
        return f"\x00{len(found) - 1}\x00"

    text = _CAST.sub(r"\1", _INPUT.sub(mark, " ".join(condition.split())))
    text = "".join(part if i % 2 else _words(part) for i, part in enumerate(_STRINGS.split(text)))
    return re.sub("\x00(\\d+)\x00", lambda match: found[int(match[1])], text)


def _words(code: str) -> str:
    code = code.replace("&&", "and").replace("||", "or")
    code = re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", code))
    return re.sub(r"!(?!=)", "not ", code)


def bare(name: str) -> str:
    """An input's name without KFP's marks: ``pipelinechannel--train-Output`` is ``train``."""
    return name.removeprefix("pipelinechannel--").removesuffix("-Output") or name


def item_name(name: str, depth: int) -> str:
    """What a loop's item is called: the author's own name, else ``item``, ``item2`` inside it."""
    if name.startswith("pipelinechannel--"):
        return "item" if depth < 2 else f"item{depth}"
    return name


def field(text: str, selector: str) -> str:
    """``text`` with KFP's ``selector`` of one field applied: ``item.lr``."""
    match = _FIELD.match(selector)
    return f"{text}.{match[2]}" if match else text


def listed(raw: str) -> str:
    """A literal list of items, shortened to its first ones: ``[1, 2, 3, … 100]`` of many."""
    try:
        values = json.loads(raw)
    except ValueError:
        return _shortened(raw)
    if not isinstance(values, list):
        return _shortened(raw)
    parts = [_shortened(_literal(value), 24) for value in values]
    text = f"[{', '.join(parts)}]"
    kept = len(parts)
    while len(text) > _LONGEST and kept > 1:
        kept -= 1
        text = f"[{', '.join(parts[:kept])}, … {len(parts)} items]"
    return text


def _literal(value: object) -> str:
    return repr(value) if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)


def _shortened(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def branch_labels(conditions: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """For the conditions of one if/elif/else, in order: id → (word, what is left to say).

    KFP writes the later ones out: ``!(a) && b`` for elif b, ``!(a) && !(b)`` for else.
    """
    labels: dict[str, tuple[str, str]] = {}
    before: list[str] = []
    for branch, raw in conditions:
        own = " ".join(raw.split())
        prefix = " && ".join(f"!({condition})" for condition in before)
        if not before:
            labels[branch] = ("if", own)
        elif own == prefix:
            labels[branch] = ("else", "")
        elif own.startswith(f"{prefix} && "):
            own = own.removeprefix(f"{prefix} && ")
            labels[branch] = ("elif", own)
        else:
            labels[branch] = ("if", own)
        before.append(own)
    return labels
