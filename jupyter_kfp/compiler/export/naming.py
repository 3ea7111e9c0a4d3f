"""Names in the exported file: Python's rules, KFP's, and no name twice."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from jupyter_kfp.compiler.export.layout import tokens

RESERVED = frozenset(
    {
        *("dsl", "compiler", "components", "kubernetes", "kfp", "component", "pipeline", "outputs", "self"),
        *("Any", "List", "Dict", "Optional", "NamedTuple", "Input", "Output", "PipelineTaskFinalStatus"),
        *("Artifact", "Dataset", "Model", "Metrics", "ClassificationMetrics", "HTML", "Markdown"),
    }
)
"""What the file, and the file KFP makes of each component, already call something."""


class Names:
    """Names that are not taken yet."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*RESERVED, *keyword.kwlist, *keyword.softkwlist, *dir(builtins), *taken}

    def new(self, wanted: str, ending: str = "") -> str:
        """``wanted`` as an identifier, with the ending or a number if it is taken; it is taken from now on."""
        name = identifier(wanted)
        if ending and name in self._taken:
            name = f"{name}_{ending}"
        number, unique = 2, name
        if name in RESERVED or keyword.iskeyword(name) or hasattr(builtins, name):
            unique = f"{name}_"
        while unique in self._taken:
            unique, number = f"{name}_{number}", number + 1
        self._taken.add(unique)
        return unique


def identifier(text: str) -> str:
    """The text as a Python identifier of ASCII letters, digits and underscores."""
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return plain if plain[:1].isalpha() else f"step_{plain}".rstrip("_")


def used_in(sources: Iterable[str]) -> set[str]:
    """Every identifier in the sources, whatever it means there."""
    return {token.string for source in sources for token in tokens(source) if token.string.isidentifier()}
