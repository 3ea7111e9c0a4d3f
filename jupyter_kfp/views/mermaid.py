"""The picture of a pipeline as a Mermaid flowchart, for Markdown that renders it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from jupyter_kfp.views.model import EdgeKind, Graph, Group, GroupKind, Node, NodeKind
from jupyter_kfp.views.states import LOOKS

# What Mermaid or Markdown would read as syntax; written as a character code (`#34;`) it is only a
# character. An underscore is harmless inside a word.
_SPECIAL = re.compile(r"""["#&<>;`*%\\{}$~|]|(?<![^\W_])_|_(?![^\W_])""")
_SHAPES = {NodeKind.IMPORTER: ("[(", ")]"), NodeKind.ARTIFACT: ("([", "])")}
# At the beginning, Markdown reads a list or a heading.
_LIST = re.compile(r"^(\d+)([.)])|^([-+=])")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


def to_mermaid(graph: Graph) -> str:
    """``graph`` as the source of a Mermaid flowchart, ending with a line feed."""
    keys = {item.id: f"n{index}" for index, item in enumerate(graph.nodes)}
    keys |= {group.id: f"g{index}" for index, group in enumerate(graph.groups)}
    inside: dict[str | None, list[Node | Group]] = defaultdict(list)
    for item in graph.items:
        inside[item.parent].append(item)
    lines = [
        "---",
        f"title: {_quoted(graph.name)}",
        "---",
        "flowchart TD",
        *_members(inside, None, keys, 1),
    ]
    for edge in graph.edges:
        arrow = "-.->" if edge.kind is EdgeKind.ORDER else "-->"
        label = f'|"{escaped(", ".join(edge.labels))}"|' if edge.labels else ""
        lines.append(f"    {keys[edge.source]} {arrow}{label} {keys[edge.target]}")
    return "\n".join([*lines, *_classes(graph, keys)]) + "\n"


def escaped(text: str) -> str:
    """``text`` for a quoted Mermaid label: shown as it is, whatever characters it has."""
    text = _NOT_TEXT.sub(" ", text).strip()
    if not text:
        return " "
    text = _SPECIAL.sub(lambda match: _code(match[0]), text)
    return _LIST.sub(lambda match: _code(match[3]) if match[3] else match[1] + _code(match[2]), text)


def _code(char: str) -> str:
    return f"#{ord(char)};"


def _quoted(text: str) -> str:
    """``text`` as a YAML string, for the front matter."""
    plain = _NOT_TEXT.sub(" ", text).strip()
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _members(
    inside: dict[str | None, list[Node | Group]], box: str | None, keys: dict[str, str], depth: int
) -> Iterator[str]:
    pad = "    " * depth
    for item in inside[box]:
        if isinstance(item, Group):
            yield f'{pad}subgraph {keys[item.id]}["{escaped(item.label)}"]'
            yield from _members(inside, item.id, keys, depth + 1)
            if not inside[item.id]:  # Mermaid draws an empty subgraph as a node, where edges still work
                yield f'{pad}    {keys[item.id]}e[" "]'
            yield f"{pad}end"
        else:
            left, right = _SHAPES.get(item.kind, ("(", ")"))
            yield f'{pad}{keys[item.id]}{left}"{escaped(item.name)}"{right}'


def _classes(graph: Graph, keys: dict[str, str]) -> Iterator[str]:
    """Colours that can be read on light and on dark ground."""
    for state, look in LOOKS.items():
        members = [keys[item.id] for item in graph.nodes if item.state == state]
        if members:
            line, fill = look.light
            yield f"    classDef {state.lower()} fill:{fill},stroke:{line},color:#1f2328"
            yield f"    class {','.join(members)} {state.lower()}"
    dashed = [
        keys[g.id]
        for g in graph.groups
        if g.kind in {GroupKind.CONDITION, GroupKind.BRANCHES} and g.id in keys
    ]
    if dashed:
        yield "    classDef maybe stroke-dasharray:5 3"
        yield f"    class {','.join(dashed)} maybe"
