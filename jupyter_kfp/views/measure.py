"""How wide a text is in a sans-serif font, near enough to draw boxes without loading one."""

from __future__ import annotations

import re
import unicodedata

# Advance widths in em, from the metrics that Arial, Helvetica and Liberation Sans share.
_NARROW = (
    dict.fromkeys("ijl|'", 0.24) | dict.fromkeys("ft.,:;!I[]/\\ ", 0.29) | dict.fromkeys('r-(){}`"', 0.36)
)
_WIDE = dict.fromkeys("mMW", 0.86) | dict.fromkeys("wCDGHNOQRUABEKPSVXY&TZ", 0.7) | dict.fromkeys("@%", 0.98)
_EM = _NARROW | _WIDE
# Other fonts are wider: room for them.
_SLACK = 1.15


def text_width(text: str, size: float) -> float:
    """The width of one line of ``text`` in pixels at font size ``size`` in pixels."""
    return sum(_advance(char) for char in text) * size * _SLACK


def _advance(char: str) -> float:
    known = _EM.get(char)
    if known is not None:
        return known
    if char < "\x7f":
        return 0.56
    if unicodedata.combining(char) or unicodedata.category(char) in {"Cf", "Me", "Mn"}:
        return 0.0
    return 1.0 if unicodedata.east_asian_width(char) in "WF" else 0.66


def clipped(text: str, size: float, width: float) -> str:
    """``text`` with its end replaced by an ellipsis where it is wider than ``width``."""
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(text[:middle] + "…", size) <= width else (low, middle - 1)
    return text[:low].rstrip() + "…"


def wrapped(text: str, size: float, width: float, lines: int = 2) -> tuple[str, ...]:
    """``text`` in at most ``lines`` lines, broken after blanks, dashes, dots and underscores."""
    found: list[str] = []
    rest = text
    while rest and len(found) < lines - 1 and text_width(rest, size) > width:
        pieces = re.findall(r".*?[\s\-_./]+|.+", rest, re.DOTALL)
        line = ""
        for piece in pieces:
            if line and text_width((line + piece).rstrip(), size) > width:
                break
            line += piece
        if text_width(line, size) > width:  # one long word
            line = clipped(line, size, width).removesuffix("…") or line[:1]
        found.append(line.rstrip())
        rest = rest[len(line) :].lstrip()
    return (*found, clipped(rest, size, width)) if rest else tuple(found or [""])
