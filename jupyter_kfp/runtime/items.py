"""The items of a loop: what is in a dict is also an attribute of it."""

from __future__ import annotations

from typing import Any


class Fields(dict[str, Any]):
    """A dict whose values are attributes, too: ``item.lr`` is ``item["lr"]``."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"the item has no field {name!r}, only {', '.join(map(str, self)) or 'none'}")


def item(value: Any) -> Any:
    """``value`` as a loop binds it: a plain dict with its fields as attributes, anything else as it is."""
    return Fields(value) if type(value) is dict else value
