"""The picture of a pipeline in a terminal: one line a task, lanes for what runs in parallel.

::

    ●     load
    ●     split           ← df (load)
    ├─╮
    ● │   train_forest    ← train (split)
    │ ●   train_logistic  ← train (split)
    ├─╯
    ●     evaluate        ← forest (train_forest), logistic (train_logistic)

A lane joins two tasks only where no third stands between them; what flows is said beside the task.
A box's members stand indented under its headline.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from jupyter_kfp.views.lanes import ASCII, UNICODE, Row, Signs, rows
from jupyter_kfp.views.model import Edge, Graph, Group, Node, NodeKind
from jupyter_kfp.views.states import LOOKS

if TYPE_CHECKING:
    from rich.text import Text

Span: TypeAlias = tuple[str, str]  # text, rich style
Line: TypeAlias = list[Span]


@dataclass(frozen=True, slots=True)
class _Words:
    signs: Signs
    from_: str
    after: str
    task: str
    group: str
    dots: str
    rail: str


_UNICODE = _Words(UNICODE, "←", "after", "●", "◆", "…", "┊")
_ASCII = _Words(ASCII, "<-", "after", "*", "#", "...", ":")


def to_text(graph: Graph, *, ascii_only: bool = False, width: int | None = None) -> str:
    r"""``graph`` as plain text, ending with a line feed.

    Args:
        graph: the pipeline, with or without the states of a run.
        ascii_only: draw with ASCII alone; names are escaped as Python does (``\xe9``).
        width: the columns of the terminal; longer lines end in an ellipsis. None: as long as needed.
    """
    lines = ["".join(text for text, _ in line).rstrip() for line in _lines(graph, ascii_only, width)]
    text = "\n".join(lines) + "\n"
    return text.encode("ascii", "backslashreplace").decode() if ascii_only else text


def to_rich(graph: Graph, *, ascii_only: bool = False, width: int | None = None) -> Text:
    """The same lines in colour, for a rich console."""
    from rich.text import Text

    return Text("\n").join(
        Text.assemble(*line, no_wrap=True, overflow="ellipsis") for line in _lines(graph, ascii_only, width)
    )


def _lines(graph: Graph, ascii_only: bool, width: int | None) -> list[Line]:
    words = _ASCII if ascii_only else _UNICODE
    lines: list[Line] = [[(_clean(graph.name), "bold")]]
    for title, values in (
        ("inputs ", [str(value) for value in graph.inputs]),
        ("outputs", [f"{value.name}: {value.type}" for value in graph.outputs]),
    ):
        if values:
            lines.append([(f"{title}  {_clean(', '.join(values))}", "dim")])
    lines.append([])
    lines += _Text(graph, words, ascii_only).box(None)
    states = {item.state for item in graph.items}
    legend = [
        span
        for state, look in LOOKS.items()
        if state in states
        for span in ((look.ascii if ascii_only else look.symbol, look.style), (f" {state.lower()}   ", "dim"))
    ]
    if legend:
        lines += [[], legend]
    return [_cut(line, width, words.dots) for line in lines] if width else lines


class _Text:
    def __init__(self, graph: Graph, words: _Words, ascii_only: bool) -> None:
        self.graph, self.words, self.ascii_only = graph, words, ascii_only
        self.names = self._names()
        self.members: dict[str | None, list[str]] = defaultdict(list)
        for item in graph.items:
            self.members[item.parent].append(item.id)
        self.links: dict[str | None, set[tuple[str, str]]] = defaultdict(set)
        self.arriving: dict[str, list[Edge]] = defaultdict(list)
        for edge in graph.edges:
            box, source, target = graph.lifted(edge)
            self.links[box].add((source, target))
            self.arriving[edge.target].append(edge)

    def _names(self) -> Mapping[str, str]:
        """What each task is called in a remark: its name, where that is unique, else its path."""
        count: dict[str, int] = defaultdict(int)
        for item in self.graph.items:
            count[item.name] += 1
        return {item.id: item.name if count[item.name] == 1 else item.id for item in self.graph.items}

    def box(self, box: str | None) -> Iterator[Line]:
        """The lines of one box's members."""
        if not self.members[box]:
            yield [("(empty)", "dim")]
            return
        drawn = rows(self.members[box], self.links[box], self.words.signs)
        lanes = max(len(row.lanes) for row in drawn) + 2
        names = [self.graph.by_id[row.item] for row in drawn if row.item]
        column = max((_columns(_clean(item.name)) for item in names if isinstance(item, Node)), default=0)
        for row in drawn:
            if row.item is None:
                yield [(row.lanes, "dim")]
                continue
            item = self.graph.by_id[row.item]
            if isinstance(item, Group):
                yield from self._group(item, row, lanes)
            else:
                name = _clean(item.name)
                gap = " " * (column - _columns(name))
                yield [
                    *self._rails(row, item, lanes),
                    (name, self._style(item)),
                    (gap, ""),
                    *self._remarks(item),
                ]

    def _group(self, group: Group, row: Row, lanes: int) -> Iterator[Line]:
        headline = (_clean(group.label), "italic " + self._style(group))
        yield [*self._rails(row, group, lanes), headline, *self._remarks(group)]
        below = row.below[: row.at] + self.words.rail + row.below[row.at + 1 :]
        for line in self.box(group.id):
            yield [(below.ljust(lanes), "dim"), *line]

    def _rails(self, row: Row, item: Node | Group, lanes: int) -> Line:
        """The lanes of one line; where the item's own lane passes, its symbol."""
        look = LOOKS.get(item.state or "")
        if look:
            symbol = look.ascii if self.ascii_only else look.symbol
        else:
            symbol = self.words.group if isinstance(item, Group) else self.words.task
        after = row.lanes[row.at + 1 :].ljust(lanes - row.at - 1)
        return [(row.lanes[: row.at], "dim"), (symbol, look.style if look else "bold"), (after, "dim")]

    @staticmethod
    def _style(item: Node | Group) -> str:
        return "dim" if item.state in {"SKIPPED", "PENDING"} else "bold" if item.state == "RUNNING" else ""

    def _remarks(self, item: Node | Group) -> Line:
        values: dict[str, list[str]] = defaultdict(list)
        orders = []
        for edge in self.arriving[item.id]:
            name = self.names[edge.source]
            if edge.labels:
                values[name].extend(edge.labels)
            else:
                orders.append(name)
        flowing = ", ".join(f"{', '.join(labels)} ({name})" for name, labels in values.items())
        parts = [f"{self.words.from_} {flowing}"] if flowing else []
        parts += [f"{self.words.after} {', '.join(orders)}"] if orders else []
        if isinstance(item, Node):
            parts += ["importer"] if item.kind is NodeKind.IMPORTER else []
            parts += [item.note] if item.note else []
            counts = ", ".join(f"{count} {state.lower()}" for state, count in item.counts.items())
            parts += [counts] if counts else []
        return [(f"  {_clean('; '.join(parts))}", "dim")] if parts else []


def _clean(text: str) -> str:
    """``text`` on one line, without characters that would steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _columns(text: str) -> int:
    """How many columns a terminal gives ``text``."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _cut(line: Line, width: int, dots: str) -> Line:
    if sum(_columns(text) for text, _ in line) <= width:
        return line
    room = width - len(dots)
    kept: Line = []
    for text, style in line:
        short = text
        while short and _columns(short) > room:
            short = short[:-1]
        kept.append((short, style))
        room -= _columns(short)
        if short != text:
            break
    return [*kept, (dots, "dim")]
