"""Cells in layers, joined by links between neighbouring layers: in which order, and at which x.

The two middle steps of Sugiyama's method. Pure functions of their arguments, apart from the cells'
``order`` and ``x``, which they set.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_ORDER_SWEEPS = 12
_PLACE_SWEEPS = 16
# Above this many links the sweeps are too slow to be repeated so often.
_MANY = 4000


@dataclass(eq=False, slots=True)
class Cell:
    """A rectangle in a layer. ``x`` is its middle. ``bend``: a place where a wire passes a layer.

    ``hint`` is where the order should put it, if the surroundings know better than the links.
    """

    layer: int
    width: float
    height: float = 0.0
    bend: bool = False
    gap: float = 16.0
    hint: float | None = None
    order: int = 0
    x: float = 0.0
    ups: list[Link] = field(default_factory=list)
    downs: list[Link] = field(default_factory=list)

    def position(self, pin: float) -> float:
        """Where the pin lies when cells are counted rather than measured."""
        return self.order + (pin / self.width if self.width else 0.0)


@dataclass(eq=False, slots=True)
class Link:
    """A wire from ``upper`` to ``lower``; the pins are offsets from the cells' middles."""

    upper: Cell
    lower: Cell
    upper_pin: float = 0.0
    lower_pin: float = 0.0

    @property
    def weight(self) -> float:
        """How much it matters that the link is vertical: long wires should be straight, ends too."""
        if self.upper.bend and self.lower.bend:
            return 8.0
        return 4.0 if self.upper.bend else 1.0

    @property
    def upper_x(self) -> float:
        """Where the wire leaves the upper cell."""
        return self.upper.x + self.upper_pin

    @property
    def lower_x(self) -> float:
        """Where the wire reaches the lower cell."""
        return self.lower.x + self.lower_pin


def connect(upper: Cell, lower: Cell, upper_pin: float = 0.0, lower_pin: float = 0.0) -> Link:
    """A new link, known to both cells."""
    link = Link(upper, lower, upper_pin, lower_pin)
    upper.downs.append(link)
    lower.ups.append(link)
    return link


def order(layers: Sequence[list[Cell]]) -> int:
    """Orders every layer so that few links cross, and returns how many do."""
    _number(layers)
    best, fewest = [list(layer) for layer in layers], crossings(layers)
    sweeps = _ORDER_SWEEPS if sum(len(cell.downs) for layer in layers for cell in layer) < _MANY else 3
    for sweep in range(sweeps):
        if not fewest:
            break
        down = sweep % 2 == 0
        for layer in layers[1:] if down else reversed(layers[:-1]):
            _sort(layer, down=down)
        count = crossings(layers)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept
    _number(layers)
    return fewest


def _number(layers: Iterable[list[Cell]]) -> None:
    for layer in layers:
        for index, cell in enumerate(layer):
            cell.order = index


def _sort(layer: list[Cell], *, down: bool) -> None:
    """Sorts by the mean position of the neighbours above (below); cells without any keep their place."""
    if any(cell.hint is not None for cell in layer):
        return
    keys = {}
    for cell in layer:
        ends = (
            [link.upper.position(link.upper_pin) for link in cell.ups]
            if down
            else [link.lower.position(link.lower_pin) for link in cell.downs]
        )
        keys[id(cell)] = sum(ends) / len(ends) if ends else None
    moving = iter(sorted((c for c in layer if keys[id(c)] is not None), key=lambda c: keys[id(c)] or 0.0))
    layer[:] = [cell if keys[id(cell)] is None else next(moving) for cell in layer]
    _number([layer])


def crossings(layers: Sequence[Sequence[Cell]]) -> int:
    """How many pairs of links cross."""
    count = 0
    for layer in layers:
        ends = sorted(
            (link.upper.position(link.upper_pin), link.lower.position(link.lower_pin))
            for cell in layer
            for link in cell.downs
        )
        seen: list[float] = []
        for _, lower in ends:
            # `seen` holds the ends of links that start to the left; those that end to the right cross.
            place = bisect_left(seen, lower + 1e-9)
            count += len(seen) - place
            insort(seen, lower)
    return count


def spread_pins(cells: Iterable[Cell], room: float = 16.0) -> None:
    """Lets links that enter one cell from above arrive side by side, in the order of their origin."""
    for cell in cells:
        links = sorted(cell.ups, key=lambda link: link.upper.position(link.upper_pin))
        step = min(room, cell.width * 0.6 / max(1, len(links) - 1))
        for index, link in enumerate(links):
            link.lower_pin = (index - (len(links) - 1) / 2) * step


def place(layers: Sequence[Sequence[Cell]]) -> None:
    """Gives every cell its x: in order, not overlapping, links as vertical as that allows."""
    for layer in layers:
        if not layer:
            continue
        offsets = _offsets(layer)
        middle = (offsets[-1] + (layer[-1].width - layer[0].width) / 2) / 2
        for cell, offset in zip(layer, offsets, strict=True):
            cell.x = offset - middle
    links = sum(len(cell.downs) for layer in layers for cell in layer)
    for sweep in range(_PLACE_SWEEPS if links < _MANY else 6):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            _shift(layer, up=down, down=not down)
    for layer in (*layers, *reversed(layers), *layers):
        _shift(layer, up=True, down=True)
    for _ in range(2):
        _straighten(layers)


def _offsets(layer: Sequence[Cell]) -> list[float]:
    """The middles of the cells when they stand as close as they may, the first at 0."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + max(left.gap, right.gap))
    return offsets


def _shift(layer: Sequence[Cell], *, up: bool, down: bool) -> None:
    """Moves the cells of one layer to where their links want them, keeping order and distance.

    This is least squares under ``x[i+1] - x[i] >= distance``: isotonic regression, solved exactly by
    pooling adjacent violators.
    """
    if not layer:
        return
    offsets = _offsets(layer)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many cells
    for cell, offset in zip(layer, offsets, strict=True):
        total, weight = 0.0, 0.0
        for link in cell.ups if up else ():
            total += link.weight * (link.upper_x - link.lower_pin)
            weight += link.weight
        for link in cell.downs if down else ():
            total += link.weight * (link.lower_x - link.upper_pin)
            weight += link.weight
        # A cell that nothing pulls stays, but gives way.
        mean, weight = (total / weight - offset, weight) if weight else (cell.x - offset, 0.01)
        count = 1
        while blocks and blocks[-1][0] >= mean:
            before, its_weight, its_count = blocks.pop()
            mean = (mean * weight + before * its_weight) / (weight + its_weight)
            weight += its_weight
            count += its_count
        blocks.append((mean, weight, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    for cell, offset, mean in zip(layer, offsets, means, strict=True):
        cell.x = mean + offset


def _straighten(layers: Sequence[Sequence[Cell]]) -> None:
    """Makes each long wire one straight line, or as few as there is room for, without moving nodes."""
    done: set[int] = set()
    for layer in layers:
        for cell in layer:
            if not cell.bend or id(cell) in done:
                continue
            run: list[Cell] = []
            low, high = float("-inf"), float("inf")
            here: Cell | None = cell
            while here is not None:
                done.add(id(here))
                left, right = _room(layers[here.layer], here)
                if run and max(low, left) > min(high, right):
                    _align(run, low, high)
                    run, low, high = [], float("-inf"), float("inf")
                run.append(here)
                low, high = max(low, left), min(high, right)
                here = _onward(here, done)
            _align(run, low, high)


def _onward(cell: Cell, done: set[int]) -> Cell | None:
    """Where the wire goes on below ``cell``: along the trunk, or to the only label; None at a fan."""
    bends = [link.lower for link in cell.downs if link.lower.bend and id(link.lower) not in done]
    trunk = [bend for bend in bends if not bend.width]
    if len(trunk) == 1:
        return trunk[0]
    return bends[0] if len(bends) == 1 == len(cell.downs) else None


def _room(layer: Sequence[Cell], cell: Cell) -> tuple[float, float]:
    """Between which x the wire through ``cell`` may pass while its neighbours stay."""
    low, high, pin = float("-inf"), float("inf"), _pin(cell)
    if cell.order > 0:
        left = layer[cell.order - 1]
        low = left.x + (left.width + cell.width) / 2 + max(left.gap, cell.gap)
    if cell.order < len(layer) - 1:
        right = layer[cell.order + 1]
        high = right.x - (right.width + cell.width) / 2 - max(right.gap, cell.gap)
    return low + pin, max(low, high) + pin


def _pin(bend: Cell) -> float:
    return bend.ups[0].lower_pin if bend.ups else 0.0


def _align(run: Sequence[Cell], low: float, high: float) -> None:
    """Puts the bends of a wire below each other, under its start or above its end where it can."""
    upper = [link.upper_x for link in run[0].ups]
    # Where the wire fans out below, its middle is better than any one branch.
    lower = [link.lower_x for link in run[-1].downs] if len(run[-1].downs) == 1 else []
    current = sum(cell.x + _pin(cell) for cell in run) / len(run)
    choices = [x for x in (*lower, *upper) if low <= x <= high]
    if len(run) == 1 and choices and choices[0] in lower:
        choices = choices[:1]  # a label alone stands over what it leads to
    nearest = min(choices, key=lambda x: abs(x - current), default=current)
    x = min(max(nearest, low), high)
    for cell in run:
        cell.x = x - _pin(cell)
