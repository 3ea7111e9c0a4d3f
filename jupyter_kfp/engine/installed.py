"""Which packages a Python has. No more than a look at the names of directories."""

from __future__ import annotations

import sys
from pathlib import Path

# The directories that say which version of a package is installed.
_INSTALLED = frozenset({".dist-info", ".egg-info"})


def installed_in(place: Path) -> list[Path]:
    """The directories in ``place`` that say so, in order (``numpy-2.1.0.dist-info``); none where it cannot be read."""
    try:
        return sorted(entry for entry in place.iterdir() if entry.suffix in _INSTALLED)
    except OSError:
        return []


def installed_packages() -> list[str]:
    """The names of those that this Python finds, sorted."""
    return sorted({entry.name for place in sys.path if place for entry in installed_in(Path(place))})
