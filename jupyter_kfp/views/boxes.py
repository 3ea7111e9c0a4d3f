"""The layout of one box: its direct members, and the wires between and through them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt

from jupyter_kfp.views import layers
from jupyter_kfp.views.geometry import (
    BESIDE,
    GAP,
    GROUP_FOOT,
    GROUP_HEAD,
    GROUP_SIDE,
    LABEL_FONT,
    LABEL_GAP,
    LABEL_HEIGHT,
    LABEL_INSET,
    WIRE,
    Box,
    Point,
)
from jupyter_kfp.views.layers import Cell
from jupyter_kfp.views.measure import text_width
from jupyter_kfp.views.ordering import topological

_ISOLATED_IN_A_ROW = 5


@dataclass
class Block:
    """One box, laid out; coordinates from its own upper left corner.

    ``places``: member → its upper left corner; ``ways``: (source, member or None for out of the box)
    → the points of the wire; ``labels``: (source, target) → where the label stands; ``entries`` and
    ``exits``: source → the x at which its wire passes the upper or lower border.
    """

    width: float = 0.0
    height: float = 0.0
    crossings: int = 0
    places: dict[str, Point] = field(default_factory=dict)
    ways: dict[tuple[str, str | None], list[Point]] = field(default_factory=dict)
    labels: dict[tuple[str, str], Box] = field(default_factory=dict)
    entries: dict[str, float] = field(default_factory=dict)
    exits: dict[str, float] = field(default_factory=dict)


@dataclass
class Wires:
    """What passes through one box: source → the direct members it leads to (None: out of the box).

    ``starts`` are the direct members that the sources stand in; others come in from outside.
    """

    starts: dict[str, str] = field(default_factory=dict)
    ends: dict[str, dict[str | None, None]] = field(default_factory=lambda: defaultdict(dict))
    links: set[tuple[str, str]] = field(default_factory=set)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be laid out in one box.

    ``entries`` and ``exits`` are the sources whose wires pass the upper and the lower border, each
    with the x of its far end where that is known. ``blocks`` are the boxes among the members.
    ``least_width`` is None for the whole picture, which has no border.
    """

    members: list[str]
    sizes: Mapping[str, Point]
    blocks: Mapping[str, Block]
    wires: Wires
    entries: Mapping[str, float | None]
    exits: Mapping[str, float | None]
    least_width: float | None


class BoxPlan:
    """One box: its members and the wires through it, as cells in layers."""

    def __init__(self, content: Content) -> None:
        self.content, self.wires = content, content.wires
        self.framed = content.least_width is not None
        self.ranks = self._ranks()
        self.labelled = sorted({self.ranks[target] for _, target in self.wires.texts})
        self.last = max(self.ranks.values(), default=0)
        self.layers: list[list[Cell]] = [[] for _ in range(self._layer(self.last) + 2)]
        self.cells: dict[str, Cell] = {}
        self.ins: dict[str, Cell] = {}
        self.outs: dict[str, Cell] = {}
        self.chains: dict[tuple[str, str | None], list[Cell]] = {}
        self.label_cells: dict[tuple[str, str], Cell] = {}

    def _ranks(self) -> dict[str, int]:
        """Longest path from a source; then sources sink to just above what they lead to."""
        ordered = topological(self.content.members, self.wires.links)
        ups: dict[str, list[str]] = defaultdict(list)
        downs: dict[str, list[str]] = defaultdict(list)
        for source, target in self.wires.links:
            ups[target].append(source)
            downs[source].append(target)
        ranks: dict[str, int] = {}
        for item in ordered:
            ranks[item] = max((ranks[up] + 1 for up in ups[item]), default=0)
        entered = {
            member
            for source, ends in self.wires.ends.items()
            for member in ends
            if source in self.content.entries
        }
        for item in ordered:
            if downs[item] and not ups[item] and item not in entered:
                ranks[item] = min(ranks[down] for down in downs[item]) - 1
        leaving = set(self.wires.starts.values())
        alone = [i for i in ordered if not ups[i] and not downs[i] and i not in entered and i not in leaving]
        if len(alone) > _ISOLATED_IN_A_ROW:
            columns = max(3, ceil(sqrt(len(alone) * 0.8)))
            ranks |= {item: index // columns for index, item in enumerate(alone)}
        return ranks

    def _layer(self, rank: int) -> int:
        """The layer of a rank: the first is for entering wires, and labels have layers of their own."""
        return 1 + rank + sum(1 for labelled in self.labelled if labelled <= rank)

    def solve(self) -> Block:
        """Makes the cells, orders and places them."""
        for item in self.content.members:
            width, height = self.content.sizes[item]
            self.cells[item] = Cell(self._layer(self.ranks[item]), width, height, gap=BESIDE)
            self.layers[self.cells[item].layer].append(self.cells[item])
        for sources, cells, layer in (
            (self.content.entries, self.ins, 0),
            (self.content.exits, self.outs, len(self.layers) - 1),
        ):
            for source, hint in sources.items():
                cells[source] = Cell(layer, 0.0, bend=True, gap=WIRE, hint=hint)
                self.layers[layer].append(cells[source])
            self.layers[layer].sort(key=lambda cell: cell.hint or 0.0)
        for source, ends in self.wires.ends.items():
            self._wire(source, list(ends))
        crossings = layers.order(self.layers)
        layers.spread_pins(cell for item, cell in self.cells.items() if item not in self.content.blocks)
        layers.place(self.layers)
        return self._block(crossings)

    def _wire(self, source: str, ends: list[str | None]) -> None:
        """Cells and links for everything that ``source`` leads to in this box."""
        start, pin = self._start(source)
        trunk = {start.layer: start}

        def bend(layer: int) -> Cell:
            if layer not in trunk:
                upper = bend(layer - 1)
                trunk[layer] = Cell(layer, 0.0, bend=True, gap=WIRE)
                self.layers[layer].append(trunk[layer])
                layers.connect(upper, trunk[layer], pin if upper is start else 0.0)
            return trunk[layer]

        for member in sorted(ends, key=lambda end: (end is None, self.ranks.get(str(end), 0))):
            cell = self.outs[source] if member is None else self.cells[member]
            text = self.wires.texts.get((source, str(member)))
            before = bend(cell.layer - (1 if text is None else 2))
            own: list[Cell] = []
            before_pin = pin if before is start else 0.0
            if text is not None:
                width = text_width(text, LABEL_FONT) + 2 * LABEL_INSET
                label = Cell(cell.layer - 1, width, LABEL_HEIGHT, bend=True, gap=WIRE / 2)
                self.layers[label.layer].append(label)
                self.label_cells[source, str(member)] = label
                layers.connect(before, label, before_pin, self._wire_pin(label))
                own.append(label)
                before, before_pin = label, self._wire_pin(label)
            layers.connect(before, cell, before_pin, self._entry(member, source))
            passed = [trunk[layer] for layer in sorted(trunk) if layer < cell.layer - (1 if text else 0)]
            self.chains[source, member] = [*passed, *own, cell]

    def _start(self, source: str) -> tuple[Cell, float]:
        member = self.wires.starts.get(source)
        if member is None:
            return self.ins[source], 0.0
        block = self.content.blocks.get(member)
        return self.cells[member], block.exits[source] - block.width / 2 if block else 0.0

    def _entry(self, member: str | None, source: str) -> float:
        block = self.content.blocks.get(member) if member else None
        return block.entries[source] - block.width / 2 if block else 0.0

    @staticmethod
    def _wire_pin(label: Cell) -> float:
        """A wire passes a label on its left side."""
        return LABEL_INSET / 2 - label.width / 2

    def _block(self, crossings: int) -> Block:
        cells = [cell for layer in self.layers for cell in layer]
        side = GROUP_SIDE if self.framed else 0.0
        left = min((cell.x - cell.width / 2 for cell in cells), default=0.0) - side
        width = max((cell.x + cell.width / 2 for cell in cells), default=0.0) + side - left
        if self.content.least_width is not None:
            left -= max(0.0, self.content.least_width - width) / 2
            width = max(width, self.content.least_width)
        tops, bottoms = self._rows()
        block = Block(width, bottoms[-1], crossings)
        block.places = {i: (c.x - c.width / 2 - left, tops[c.layer]) for i, c in self.cells.items()}
        block.entries = {source: cell.x - left for source, cell in self.ins.items()}
        block.exits = {source: cell.x - left for source, cell in self.outs.items()}
        for (source, member), chain in self.chains.items():
            block.ways[source, member] = self._points(source, member, chain, left, (tops, bottoms))
        for key, cell in self.label_cells.items():
            box = Box(cell.x - cell.width / 2 - left, tops[cell.layer], cell.width, cell.height)
            block.labels[key] = box
        return block

    def _rows(self) -> tuple[list[float], list[float]]:
        """Top and bottom of every layer."""
        tops, bottoms = [0.0], [0.0]
        y = GROUP_HEAD if self.framed else 0.0
        label_layers = {self._layer(rank) - 1 for rank in self.labelled}
        for index, layer in enumerate(self.layers[1:-1], start=1):
            gap = LABEL_GAP if {index, index - 1} & label_layers else GAP
            if index > 1 or self.ins:
                # Wires that go far to the side need height, or they would run into each other.
                far = max((abs(_slant(link)) for cell in layer for link in cell.ups), default=0.0)
                y += min(80.0, far * 0.07) + (gap if index > 1 else gap / 4)
            tops.append(y)
            y += max((cell.height for cell in layer), default=0.0)
            bottoms.append(y)
        y += (GROUP_FOOT if self.framed else 0.0) + (8.0 if self.outs else 0.0)
        return [*tops, y], [*bottoms, y]

    def _points(
        self,
        source: str,
        member: str | None,
        chain: list[Cell],
        left: float,
        rows: tuple[list[float], list[float]],
    ) -> list[Point]:
        tops, bottoms = rows
        start, *_, end = chain
        x = start.x - left + self._start(source)[1]
        points = [(x, tops[start.layer] + start.height), (x, bottoms[start.layer])]
        label = self.label_cells.get((source, str(member)))
        for cell in chain[1:-1]:
            x = cell.x - left + (self._wire_pin(cell) if cell is label else 0.0)
            points += [(x, tops[cell.layer]), (x, bottoms[cell.layer])]
        before = chain[-2]
        pin = next(link.lower_pin for link in end.ups if link.upper is before)
        points.append((end.x - left + pin, tops[end.layer]))
        return points


def _slant(link: layers.Link) -> float:
    return link.upper_x - link.lower_x
