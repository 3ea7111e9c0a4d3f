"""The user's names in a namespace: kept, compared and put back, around iterations above all.

IPython's own names (``_``, ``_3``, ``In``, ``Out``, …) and those Python gives every module are not the
user's: they are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Space: TypeAlias = MutableMapping[str, Any]

_NOT_THE_USERS = re.compile(r"_{1,3}|_i{1,3}|_i?\d+|_[iod]h|_exit_code|In|Out|exit|quit|get_ipython|__\w+__")


def users(space: Mapping[str, Any], also: Collection[str] = ()) -> dict[str, Any]:
    """The user's names with their values, as they are now; ``also`` are names that are the user's here."""
    return {n: value for n, value in space.items() if n in also or not _NOT_THE_USERS.fullmatch(n)}


def restore(names: Mapping[str, Any], space: Space, also: Collection[str] = ()) -> None:
    """Bind the user's names to exactly what ``names`` says."""
    for name in users(space, also).keys() - names.keys():
        del space[name]
    space.update(names)


@dataclass(frozen=True)
class Changes:
    """What code did to names: those it bound, also where they were bound before, and those it deleted."""

    bound: Mapping[str, Any] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()

    def apply(self, space: Space) -> None:
        """Do the same again."""
        space.update(self.bound)
        for name in self.deleted & space.keys():
            del space[name]

    def until(self, before: Mapping[str, Any], now: Mapping[str, Any], stores: Collection[str]) -> Changes:
        """All changes from ``before`` to ``now``, where these are a part of them.

        ``stores`` are names that the code assigns: to the value they had, it may be, as ``n = n + 0`` does.
        """
        known, missing = {*self.bound, *stores}, object()
        bound = {n: v for n, v in now.items() if n in known or before.get(n, missing) is not v}
        return Changes(bound, frozenset(before.keys() - now.keys()))
