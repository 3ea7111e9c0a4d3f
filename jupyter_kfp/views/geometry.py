"""The measures of a picture, in pixels, and its rectangles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jupyter_kfp.views.measure import text_width, wrapped

Point: TypeAlias = tuple[float, float]

NODE_FONT, LABEL_FONT, GROUP_FONT = 13.0, 11.0, 12.0
LINE = 17.0  # of a node's name
NODE_MIN, NODE_MAX = 84.0, 196.0
NODE_SIDE, NODE_ICON = 14.0, 20.0  # inner margin; the state's icon
LABEL_MAX, LABEL_HEIGHT, LABEL_INSET = 170.0, 14.0, 7.0
GROUP_LABEL_MAX = 420.0
GROUP_SIDE, GROUP_HEAD, GROUP_FOOT = 18.0, 34.0, 18.0
GAP, LABEL_GAP, BESIDE, WIRE = 36.0, 20.0, 26.0, 14.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``x`` and ``y`` are its upper left corner. Pixels, y downward."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of the right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of the lower side."""
        return self.y + self.height

    def overlaps(self, other: Box) -> bool:
        """Whether the two share more than a border."""
        return (
            self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom
        )


def node_lines(name: str) -> tuple[str, ...]:
    """A node's name as it is drawn: at most two lines."""
    return wrapped(name, NODE_FONT, NODE_MAX - 2 * NODE_SIDE - NODE_ICON)


def node_size(name: str) -> Point:
    """Width and height of the node called ``name``; there is room for a state's icon in any case."""
    lines = node_lines(name)
    text = max(text_width(line, NODE_FONT) for line in lines)
    return max(NODE_MIN, text + 2 * NODE_SIDE + NODE_ICON), LINE * len(lines) + 17


def headline_width(text: str) -> float:
    """How wide a box must be to show ``text``, and a state's icon, over its members."""
    return text_width(text, GROUP_FONT) + 2 * GROUP_SIDE + NODE_ICON
