"""What loops copy: an iteration takes what was before the loop with it, so what it collects shares no data with it.

In the notebook both are one, and a change of one shows in the other. That this may be so is all the
analysis knows, and it only matters where one is changed and the other read afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jupyter_kfp.errors import Diagnostic
from jupyter_kfp.notebook.codes import diagnostic
from jupyter_kfp.notebook.records import Place
from jupyter_kfp.notebook.units import Definition


@dataclass
class Copies:
    """The values that the pipeline has several of: names that may share data, with their definitions."""

    _groups: list[dict[str, Definition]] = field(default_factory=list)
    _changed: list[tuple[str, str, Place, dict[str, Definition]]] = field(default_factory=list)

    def collected(self, target: Definition, outer: Mapping[str, Definition]) -> None:
        """A loop collected ``target``, whose items may share data with ``outer``."""
        if outer:
            self._groups.append({target.name: target, **outer})

    def change(
        self, step: str, places: Mapping[str, Place], current: Callable[[str], Definition | None]
    ) -> None:
        """A step changes names in place, as they ``current``ly stand."""
        for group in self._groups:
            for name in sorted(group.keys() & places.keys()):
                if current(name) is group[name]:
                    others = {n: d for n, d in group.items() if n != name}
                    self._changed.append((step, name, places[name], others))

    def read(self, name: str, definition: Definition | None) -> list[Diagnostic]:
        """What is to be said when ``name`` is read, once."""
        told = [c for c in self._changed if definition is not None and c[3].get(name) is definition]
        self._changed = [c for c in self._changed if c not in told]
        return [
            diagnostic(
                "K236", f"step {step} changes `{changed}` in place, which may share data with `{name}`; "
                f"in the pipeline the iterations of the loop made copies, and `{name}` does not change.",
                cell=place.cell, line=place.line, step=step, name=f"`{changed}`",
            )
            for step, changed, place, _ in told
        ]  # fmt: skip
