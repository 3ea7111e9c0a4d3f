"""Notebooks with branches and loops between their steps, as ``strategy`` makes those without."""

from __future__ import annotations

from hypothesis import strategies as st

from .strategy import PREAMBLE, final_step
from .writer import DATA, NAMES, Draw, World, Writer


@st.composite
def controlled(draw: Draw) -> str:
    """The text of a notebook of plain steps, branches and loops; its outputs are what seems to hold data."""
    script = _Script(draw)
    script.plain()
    forms = [script.plain, script.branch, script.loop]
    for form in [
        *draw(st.lists(st.sampled_from(forms[:2]), max_size=1)),  # type: ignore[misc]
        draw(st.sampled_from(forms[1:])),
        *draw(st.lists(st.sampled_from(forms), max_size=2)),  # type: ignore[misc]
    ]:
        form()
    known = [name for name in (*NAMES, "every") if script.kinds.get(name) in (*DATA, "collected")]
    if draw(st.booleans()):
        script.cells.append(final_step(known, known))
        known.append("seen")
    return "\n\n".join([*script.cells, "# %% [tags: outputs]\n" + "\n".join(known)]) + "\n"


class _Script:
    """The cells so far. ``writer`` knows what the names hold at this point."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.writer = Writer(draw)
        self.cells = [PREAMBLE]
        self.number = 0

    @property
    def world(self) -> World:
        return self.writer.world

    @property
    def kinds(self) -> dict[str, str]:
        return self.world.kinds

    def plain(self) -> None:
        """A step without control flow."""
        self._cell("", most=4)

    def branch(self, around: str = "", depth: int = 1) -> None:
        """A branch: one or two cells in the first arm, perhaps an elif and an else."""
        around += f" --if {self._condition()}"
        before, frozen = dict(self.kinds), set(self.world.frozen)
        if depth and self._one_in(4):
            self.loop(around, 0)
        else:
            self._cell(around)
            if self._one_in(3):
                self._cell(around)
        ends = [self.kinds]
        arms = [f" --elif {self._condition()}"] if self._one_in(3) else []
        arms += [" --else"] if self._one_in(2) else []
        outer = around.rpartition(" --if ")[0]
        for arm in arms:
            self.world.kinds = dict(before)
            self._cell(outer + arm)
            ends.append(self.kinds)
        if " --else" not in arms:
            ends.append(before)
        # What only some arms leave cannot be read: that is refused, which says little.
        self.world.kinds = {
            name: kind if all(end[name] == kind for end in ends) else "unknown"
            for name, kind in ends[0].items()
            if all(name in end for end in ends)
        }
        self.world.frozen |= frozen

    def loop(self, around: str = "", depth: int = 1) -> None:
        """A loop of one or two cells, perhaps with a branch in it, and what it collects."""
        item, (kind, items) = self.writer.pick(["i", "i", *NAMES[3:]]), self._items()
        header = f"{around} --for {item} in {items}"
        before, frozen = dict(self.kinds), set(self.world.frozen)
        self.kinds[item] = kind
        self.world.frozen = {name for name, kind in self.kinds.items() if kind != "int"}
        if self._one_in(2):
            self._cell(header)
        if depth and self._one_in(4):
            self.branch(header, 0)
        bound = [name for name in NAMES if self.kinds.get(name) in DATA] or [item]
        last = self.writer.pick(bound)
        self._cell(f"{header} --collect every={last}", f"{last} = {last}" if self._one_in(2) else "")
        self.world.kinds, self.world.frozen = before, frozen
        self.kinds["every"] = "collected"

    def _cell(self, flags: str, more: str = "", most: int = 2) -> None:
        body = self.writer.block(0, most=most)
        header = f"# %%\n%%component s{self.number}{flags}" if flags else f"# %% [tags: step:s{self.number}]"
        self.number += 1
        self.cells.append("\n".join(filter(None, [header, body, more])))

    def _condition(self) -> str:
        ints, lists = self.world.named("int"), self.world.named("list") or ["xs"]
        one, other, xs = self.writer.pick(ints), self.writer.pick(ints), self.writer.pick(lists)
        forms = [
            "flag", "not flag", "n > 1", "{one} % 2", "{one} > {x}", "{one} == {other}", "{xs}", "len({xs}) > 1",
            "{one} is None or {other} < {x}", "n < 0 and {xs}[99]", "{x} <= {one}", "{one} in {xs}",
        ]  # fmt: skip
        return self.writer.pick(forms).format(one=one, other=other, xs=xs, x=self.writer.number())

    def _items(self) -> tuple[str, str]:
        lists, nests = self.world.named("list") or ["xs"], self.world.named("nest")
        forms = [
            ("int", "[1, 2]"),
            ("int", "range(2)"),
            ("int", "xs"),
            ("unknown", "[]"),
            ("unknown", "['x', None]"),
        ]
        forms += [("int", self.writer.pick(lists)), ("int", f"[*{lists[0]}][:2]"), ("list", "[[1], [2]]")]
        forms += [("dict", "[{'k': [1]}, {'k': []}]")]
        forms += [("list", nests[0])] if nests else []
        kind, items = self.draw(st.sampled_from(forms))  # type: ignore[misc]
        return str(kind), str(items)

    def _one_in(self, count: int) -> bool:
        return self.draw(st.integers(1, count)) == 1
