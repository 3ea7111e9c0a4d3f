"""Which packages this Python has. No more than a look at the names of directories."""

from __future__ import annotations

import sys
from pathlib import Path

# The directories that say which version of a package is installed.
_INSTALLED = {".dist-info", ".egg-info"}


def installed_packages() -> list[str]:
    """The names of what says so, sorted: ``numpy-2.1.0.dist-info``."""
    places = [Path(place) for place in sys.path if Path(place).is_dir()]
    return sorted({entry.name for place in places for entry in place.iterdir() if entry.suffix in _INSTALLED})
