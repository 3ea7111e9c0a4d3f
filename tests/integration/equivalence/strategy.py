"""Notebooks that hypothesis makes up: small programs cut into steps.

The text is the corpus's percent format: a failing example is a file to add there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from hypothesis import strategies as st

from .writer import DATA, NAMES, Draw, Writer

PREAMBLE = """\
# %% [tags: parameters]
n: int = 2
flag: bool = True
xs: list = [1, 2]

# %% [tags: functions]
from bisect import insort
from contextlib import suppress

TABLE = {"k": [0]}
LIMIT = 3

class Box:
    def __init__(self, items=None):
        self.items = [] if items is None else items
        self.n = 0

    def grow(self, x):
        self.items.append(x)

def grow(target, x):
    target.append(x)

def same(x):
    return x
"""


@st.composite
def notebooks(draw: Draw) -> str:
    """The text of a notebook of two to five steps whose outputs are all names that seem to hold data."""
    writer = Writer(draw)
    cells = [PREAMBLE]
    count = int(str(draw(st.integers(2, 5))))
    for number in range(count):
        header = f"step:s{number}"
        if number > 1 and draw(st.integers(0, 5)) == 0:
            header += f", after:s{draw(st.integers(0, number - 2))}"
        cells.append(f"# %% [tags: {header}]\n" + writer.block(1, most=5))
        if draw(st.integers(0, 3)) == 0:
            # One more cell, of this step or (rarely) of an earlier one.
            owner = number if draw(st.integers(0, 5)) else int(str(draw(st.integers(0, number))))
            cells.append(f"# %% [tags: step:s{owner}]\n" + writer.block(1))
    kinds = writer.world.kinds
    # Not n and xs: KFP hands out what a step made, not what was given to the pipeline.
    known = [name for name in NAMES if kinds.get(name) in DATA]
    if draw(st.booleans()):
        cells.append(final_step(known, NAMES))
        known.append("seen")
    cells.append("# %% [tags: outputs]\n" + "\n".join(known))
    return "\n\n".join(cells) + "\n"


def final_step(known: list[str], names: Iterable[str]) -> str:
    """A step that looks at ``names``: which are bound, and which of the ``known`` ones are one object."""
    lines = ["# %% [tags: step:last]", "seen = {}"]
    lines += [f"try:\n    seen[{name!r}] = {name}\nexcept NameError:\n    pass" for name in names]
    pairs = [f"{left} is {right}" for left, right in combinations(known, 2)]
    lines.append(f"seen['same'] = [{', '.join(pairs)}]")
    lines.append("seen['given'] = [n, list(xs), TABLE, LIMIT]")
    return "\n".join(lines)
