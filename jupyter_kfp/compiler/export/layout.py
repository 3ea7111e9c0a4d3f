"""Python text the way formatters lay it out: on one line where it fits, else one item per line."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

LIMIT = 100
"""The longest line of what is written here; the notebook's own lines stay as they are."""

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Group:
    """Items between brackets: a call, a list, a dict."""

    opening: str
    items: tuple[Item, ...]
    closing: str


@dataclass(frozen=True, slots=True)
class Named:
    """An item behind a ``name=`` or a ``"key": ``."""

    name: str
    item: Item


Item: TypeAlias = str | Group | Named


def flat(item: Item) -> str:
    """The item on one line."""
    match item:
        case Group(opening, items, closing):
            # A tuple of one is the only one whose comma is no matter of layout.
            last = "," if opening == "(" and len(items) == 1 else ""
            return opening + ", ".join(map(flat, items)) + last + closing
        case Named(name, inner):
            return name + flat(inner)
        case _:
            return item


def laid_out(item: Item, *, prefix: str = "", suffix: str = "", depth: int = 0) -> list[str]:
    """The lines of ``prefix item suffix`` at an indentation of ``depth`` levels."""
    margin = INDENT * depth
    line = f"{margin}{prefix}{flat(item)}{suffix}"
    if isinstance(item, Named):
        return laid_out(item.item, prefix=prefix + item.name, suffix=suffix, depth=depth)
    if len(line) <= LIMIT or isinstance(item, str) or not item.items:
        return [line]
    lines = [f"{margin}{prefix}{item.opening}"]
    for inner in item.items:
        lines += laid_out(inner, suffix=",", depth=depth + 1)
    return [*lines, f"{margin}{item.closing}{suffix}"]


def call(function: str, *arguments: Item, **named: Item) -> Group:
    """A call; arguments are Python text."""
    return Group(f"{function}(", (*arguments, *(Named(f"{k}=", v) for k, v in named.items())), ")")


def literal(value: Any) -> Item:
    """A value JSON can hold, or a tuple of such, as Python text that gives it back."""
    match value:
        case str():
            return quoted(value)
        case list():
            return Group("[", tuple(map(literal, value)), "]")
        case tuple():
            return Group("(", tuple(map(literal, value)), ")")
        case dict():
            return Group(
                "{", tuple(Named(f"{flat(literal(k))}: ", literal(v)) for k, v in value.items()), "}"
            )
        case _:
            return repr(value)


def quoted(text: str) -> str:
    """A text between double quotes, or between single ones where that saves escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = "".join(character if character in "'\"" else repr(character)[1:-1] for character in text)
    return quote + body.replace(quote, f"\\{quote}") + quote


def block(text: str) -> str:
    """A text of several lines as a literal of several lines, if it can be; else in one."""
    plain = all(character == "\n" or character.isprintable() for character in text)
    stripped = not any(line != line.rstrip() for line in text.split("\n"))
    if plain and stripped and "\\" not in text and '"""' not in text and not text.endswith('"'):
        return f'"""\\\n{text}"""'
    return quoted(text)


def indented(source: str, depth: int) -> list[str]:
    """The lines of ``source`` moved to the right, except where that would change a text in it."""
    fixed = text_lines(source)
    margin = INDENT * depth
    return [
        line if number in fixed else f"{margin}{line.rstrip()}".rstrip()
        for number, line in enumerate(source.split("\n"), 1)
    ]


def text_lines(source: str) -> frozenset[int]:
    """The lines of ``source``, from 1, that begin inside a text of several lines."""
    begins = {getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
    ends = {getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END")}
    found: set[int] = set()
    open_at: list[int] = []
    for token in tokens(source):
        if token.type == tokenize.STRING:
            found.update(range(token.start[0] + 1, token.end[0] + 1))
        elif token.type in begins:
            open_at.append(token.start[0])
        elif token.type in ends:
            found.update(range(open_at.pop() + 1, token.end[0] + 1))
    return frozenset(found)


def tokens(source: str) -> Iterable[tokenize.TokenInfo]:
    """The tokens of source code that is known to be Python."""
    return tokenize.generate_tokens(io.StringIO(source).readline)
